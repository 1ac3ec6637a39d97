"""Parquet: what pandas, DuckDB and Spark read is what the JSON says."""

import sys
from datetime import datetime

import pytest
from command_line import run
from msgspec.structs import replace
from page_values import audited, dense, finding
from paths import MODELS

import regaudit
from regaudit.renderers.parquet import COLUMNS, Parquet
from regaudit.report.document import record
from regaudit.report.report import Failure, Report
from regaudit.report.view import View

pq = pytest.importorskip("pyarrow.parquet")

OVERFIT = MODELS / "digits-cnn.keras"


def parquet(reports):
    return Parquet().render(reports, [], View())


def rows(content, tmp_path):
    (tmp_path / "read.parquet").write_bytes(content)
    return pq.read_table(tmp_path / "read.parquet").to_pylist()


def test_every_weight_is_a_row_with_the_numbers_of_the_json(tmp_path):
    reports = [regaudit.audit(file) for file in sorted(MODELS.glob("*.keras"))]
    found = rows(parquet(reports), tmp_path)
    expected = [
        (content, layer, weight)
        for content in map(record, reports)
        for layer in content["layers"]
        for weight in layer["weights"]
    ]
    assert len(found) == len(expected) > 40
    for row, (content, layer, weight) in zip(found, expected, strict=True):
        assert tuple(row) == tuple(COLUMNS)
        regularizer = weight["regularizer"] or dict.fromkeys(("l1", "l2", "status"))
        for key in ("path", "shape", "dtype", "l2_norm", "zeros", "penalty", "dead_units", "std"):
            assert row[key] == weight[key], key
        for key in ("effective_units", "small_values", "small_share"):
            assert row[key] == weight.get(key), key
        assert [row[key] for key in ("l1", "l2", "status")] == [
            regularizer[key] for key in ("l1", "l2", "status")
        ]
        assert row["layer"] == layer["path"]
        assert row["model_parameters"] == content["model"]["parameters"]
        assert row["model_findings"] == [one["code"] for one in content["findings"]]
        codes = [
            o["code"] for o in content["findings"] for i in o["items"] if i["path"] == row["path"]
        ]
        assert row["findings"] == codes


def test_what_has_no_weights_has_a_row_of_its_own(tmp_path):
    failed = Report("gone\udcff.keras", failure=Failure("UnreadableModelError", "no such file"))
    empty = replace(audited(file="empty.keras"), findings=(finding("", code="REG1"),))
    named = audited(dense("a\ud800"), file="odd.keras")
    found = rows(parquet([failed, empty, named]), tmp_path)
    assert [row["file"] for row in found] == ["gone\\udcff.keras", "empty.keras", "odd.keras"]
    assert found[0]["failure"] == "no such file"
    assert found[0]["path"] is found[0]["model_penalty"] is found[1]["path"] is None
    assert found[1]["model_worst"] == "error"
    assert [found[1][f"model_{one}"] for one in ("errors", "warnings", "notes")] == [1, 0, 0]
    assert found[2]["saved_at"] == datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001
    assert found[2]["layer"] == "a\\ud800"


def test_no_report_makes_a_file_without_rows(tmp_path):
    assert rows(parquet([]), tmp_path) == []


@pytest.mark.parametrize("command", ["inspect", "check", "report"])
def test_the_name_of_the_file_says_the_format(tmp_path, command):
    file = tmp_path / "results.parquet"
    assert run(command, OVERFIT, "-o", file).exit_code == (command == "check")
    assert pq.read_table(file).num_rows == 6
    also = tmp_path / "also.bin"
    result = run(command, OVERFIT, "--output", f"parquet:{also}", "--output", "json:/dev/null")
    assert result.exit_code == (command == "check")
    assert also.read_bytes() == file.read_bytes()


def test_results_become_parquet(tmp_path):
    results, file = tmp_path / "results.jsonl", tmp_path / "results.parquet"
    run("inspect", OVERFIT, "--format", "jsonl", "-o", results)
    assert run("report", "--from", results, "-o", file).exit_code == 0
    whole = parquet([regaudit.audit(OVERFIT)])
    assert rows(file.read_bytes(), tmp_path) == rows(whole, tmp_path)


def test_parquet_is_not_printed():
    for command in ("inspect", "check", "report"):
        result = run(command, OVERFIT, "--format", "parquet")
        assert result.exit_code == 2
        assert "-o results.parquet" in result.output


def test_without_pyarrow_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    file = tmp_path / "results.parquet"
    results = tmp_path / "results.jsonl"
    run("inspect", OVERFIT, "--format", "jsonl", "-o", results)
    for arguments in (["inspect", OVERFIT], ["report", "--from", results]):
        result = run(*arguments, "-o", file)
        assert result.exit_code == 2
        assert "pip install 'pyarrow>=15'" in result.output
        assert not file.exists()
