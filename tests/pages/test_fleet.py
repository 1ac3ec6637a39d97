"""Results read back, and the page on many models."""

import json

import pytest
from command_line import run
from msgspec.structs import replace
from page_values import HOSTILE, Page, audited, dense, drawings, finding, rule, table
from paths import FIXTURES, MODELS

import regaudit
from regaudit.errors import UsageError
from regaudit.pages import models_page as models_page_module
from regaudit.pages.fleet import entry_of, fleet
from regaudit.pages.models_page import models_page
from regaudit.renderers.interface import renderer
from regaudit.report.document import record
from regaudit.report.messages import from_bytes, to_bytes
from regaudit.report.read_results import Malformed, read_results, report_of
from regaudit.report.report import Failure, Report
from regaudit.report.severity import Severity
from regaudit.report.view import View
from regaudit.settings.config import Config

GOOD = MODELS / "regularized-cnn.keras"
OVERFIT = MODELS / "digits-cnn.keras"
FILES = sorted(
    file
    for folder in ("models", "rules", "corpus", "hostile")
    for file in (FIXTURES / folder).rglob("*")
    if file.suffix in {".keras", ".h5"} and file.is_file()
)


def saved(report, when, **changes):
    return replace(report, model=replace(report.model, saved_at=when), **changes)


def written(*reports):
    return renderer("jsonl").render(reports, [], View())


@pytest.mark.parametrize("part", range(4))
def test_every_report_comes_back(part):
    """Whole from its own JSON; from a record, as far as records and all formats go."""
    detailed = replace(Config.default(), detailed=True)
    assert len(FILES) > 400
    for file in FILES[part::48]:
        report = regaudit.audit(file, detailed)
        assert to_bytes(from_bytes(Report, to_bytes(report))) == to_bytes(report)
        back = report_of(json.loads(json.dumps(record(report))))
        assert json.dumps(record(back)) == json.dumps(record(report))
        for name in ("csv", "github", "jsonl", "junit", "markdown", "sarif", "terminal"):
            rendered = [renderer(name).render([one], [], View()) for one in (report, back)]
            assert rendered[0] == rendered[1], (file, name)


@pytest.mark.parametrize(
    "change",
    [
        {"file": 1},
        {"size": "big"},
        {"findings": [{"code": "REG101"}]},
        {"layers": [{}]},
        {"layers": []},
        {"failure": {"kind": "x"}},
        {"model": []},
    ],
)
def test_a_record_of_a_wrong_shape_is_refused(change):
    content = {**record(regaudit.audit(GOOD)), **change}
    with pytest.raises(ValueError, match=r"\w"):
        report_of(content)


@pytest.mark.parametrize(
    "raw", [b"", b"\xc0", b"[]", b"{}", b'{"file": 3}', b"[" * 99_999, b"\x91" * 99_999]
)
def test_a_text_that_is_no_report_makes_none(raw):
    with pytest.raises(ValueError, match=r"\w"):
        from_bytes(Report, raw)


def test_malformed_lines_are_named_and_the_rest_goes_on(tmp_path):
    lines = written(regaudit.audit(GOOD), regaudit.audit(OVERFIT)).splitlines()
    file = tmp_path / "results.jsonl"
    foreign = '{"schema": "regaudit/9"}'
    file.write_text("\n".join([lines[0], lines[1][:-9], "", foreign, "[1]", lines[1]]) + "\n")
    found = list(read_results(file))
    assert [one.line for one in found if isinstance(one, Malformed)] == [2, 4, 5]
    assert [one.file for one in found if isinstance(one, Report)] == [str(GOOD), str(OVERFIT)]
    result = run("report", "--from", file, "--html", tmp_path / "out.html")
    assert result.exit_code == 3
    assert result.output.splitlines()[0].startswith(f"{file}:2: not JSON (")
    assert len(result.output.splitlines()) == 4
    assert len(table((tmp_path / "out.html").read_text(), "sortable index")) == 2


def test_a_whole_document_is_one_line_with_many_reports(tmp_path):
    file = tmp_path / "out.json"
    assert run("inspect", GOOD, OVERFIT, "--format", "json", "-o", file).exit_code == 0
    assert [report.file for report in read_results(file)] == [str(GOOD), str(OVERFIT)]


def test_results_are_written_again_as_they_were(tmp_path):
    file = tmp_path / "results.jsonl"
    assert run("inspect", GOOD, OVERFIT, "--format", "jsonl", "-o", file).exit_code == 0
    for format_ in ("csv", "markdown", "jsonl"):
        first = run("report", GOOD, OVERFIT, "--format", format_).stdout
        again = run("report", "--from", file, "--format", format_)
        assert again.exit_code == 0
        assert again.stdout == first


def test_wrong_use_is_told(tmp_path):
    file = tmp_path / "results.jsonl"
    file.write_text(written(regaudit.audit(GOOD)))
    before = file.read_bytes()
    page = ("--html", tmp_path / "out.html")
    assert "not both" in run("report", GOOD, "--from", file, *page).output
    assert "is one of the results" in run("report", "--from", file, "--html", file).output
    assert file.read_bytes() == before
    gone = run("report", "--from", tmp_path / "gone.jsonl", *page)
    assert gone.exit_code == 2
    assert "cannot be read" in gone.output
    for table_of_rows in ("results.csv", "results.parquet"):
        refused = run("report", "--from", tmp_path / table_of_rows, *page)
        assert refused.exit_code == 2
        assert "give what --format jsonl wrote" in refused.output
    with pytest.raises(UsageError):
        list(read_results(tmp_path))
    (tmp_path / "empty.jsonl").touch()
    empty = run("report", "--from", tmp_path / "empty.jsonl", *page)
    assert empty.exit_code == 3
    assert "no reports in" in empty.output


def arranged(*reports):
    return fleet([entry_of(report, f"m{n}") for n, report in enumerate(reports, 1)])


def page_of(*reports, rules=(), **settings):
    return models_page(iter(reports), rules, View(**settings))


def test_the_riskiest_come_first():
    found = arranged(
        audited(dense("a"), file="clean.keras"),
        audited(dense("a"), file="note.keras", findings=[finding("a", severity=Severity.NOTE)]),
        audited(dense("a"), file="two.keras", findings=[finding("a"), finding("b", code="REG2")]),
        audited(dense("a"), file="one.keras", findings=[finding("a")]),
        Report("gone.keras", failure=Failure("UnreadableModelError", "no such file")),
    )
    order = ["gone.keras", "two.keras", "one.keras", "note.keras", "clean.keras"]
    assert [row.latest.file for row in found.rows] == order
    assert found.states == {"failed": 1, "error": 2, "note": 1, "clean": 1}
    assert [(f.code, f.models, f.places) for f in found.faults] == [
        ("REG101", 3, 3),
        ("REG2", 1, 1),
    ]


def test_states_of_one_model_are_one_row_in_order_of_time():
    first = saved(audited(dense("a", 0.1), file="m/e-2.keras"), "2026-01-02@00:00:00")
    second = saved(audited(dense("a", 0.2), file="m/e-1.keras"), "2026-01-03@00:00:00")
    found = arranged(second, first)
    (row,) = found.rows
    assert found.trends
    assert [entry.file for entry in row.entries] == ["m/e-2.keras", "m/e-1.keras"]
    assert row.change == "penalty 0.3 (was 0.15)"
    failed = Report("m/e-3.keras", failure=Failure("UnreadableModelError", "cut"))
    assert [len(r.entries) for r in arranged(first, second, failed).rows] == [2, 1]
    other = audited(dense("b"), file="other.keras")
    found = arranged(first, other, second)
    assert found.trends is None
    assert sorted(len(row.entries) for row in found.rows) == [1, 2]


def test_different_models_are_different_rows():
    one = audited(dense("a"), file="m/e-1.keras")
    other = audited(dense("b"), file="m/e-2.keras")
    elsewhere = audited(dense("a"), file="n/e-1.keras")
    assert len(arranged(one, other, elsewhere).rows) == 3


def test_models_of_one_architecture_are_a_run_only_if_they_are_called_so():
    names = ("strong.keras", "weak.keras")
    found = arranged(*(audited(dense("a"), file=name) for name in names))
    assert found.trends is None
    assert len(found.rows) == 2


def test_a_file_that_was_audited_twice_is_one_state_and_the_last_counts():
    report = saved(audited(dense("a"), file="m.keras", findings=[finding("a")]), "2026-01-02@0")
    (row,) = arranged(report, replace(report, findings=())).rows
    assert [entry.state for entry in row.entries] == ["clean"]
    older = saved(audited(dense("a", 0.3), file="m.keras"), "2026-01-01@0")
    (row,) = arranged(report, older).rows
    assert [entry.state for entry in row.entries] == ["clean", "error"]


def test_what_a_file_does_not_tell_is_unknown_or_left_out():
    layer, values = dense("a", None)
    untold = replace(layer, weights=(replace(layer.weights[0], regularizer_known=False),))
    bare = replace(audited((untold, values)), moments={}, penalties={}, measured=False)
    text = page_of(bare, audited(dense("b"), file="other.keras"))
    entry = entry_of(bare)
    assert entry.share == "unknown"
    assert entry.penalty is None
    assert entry.shown.norm is None
    assert entry.shown.sparsity is None
    assert "0 of 1 stored weight measured" in Page(text).words


def test_the_page_shows_rows_faults_and_trends():
    older = saved(audited(dense("a", 0.1), file="m.keras", findings=[finding("a")]), "2026-01-01@0")
    newer = saved(audited(dense("a", 0.2), file="m.keras"), "2026-02-01@0")
    other = audited(dense("a"), file="x.keras", findings=[finding("a/kernel")])
    text = page_of(older, newer, other, rules=[rule()])
    page = Page(text)
    rows = table(text, "sortable index")
    assert [row[0] for row in rows] == ["x.keras", "m.keras"]
    assert rows[0][2] == "E error REG101 title of REG101 a/kernel"
    assert rows[0][3:7] == ["1", "0", "0", "100%1 of 1 weight"]
    assert rows[1][-1] == "2 0 errors (was 1), penalty 0.3 (was 0.15)"
    (fault,) = table(text, "sortable faults")
    assert fault[:2] == ["REG101", "title of REG101"]
    assert fault[3:] == ["1", "50.0%", "1", "x.keras"]
    assert "Total penalty of m.keras" in drawings(text.partition('<section class="model"')[0])
    links = [link[1:] for link in page.attributes("href") if link.startswith("#")]
    assert set(links) <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    assert {"m2", "m3", "m3-REG101", "m2-states"} <= set(links)


def test_each_picture_and_part_is_there_for_few_models():
    reports = [audited(dense("a"), file=f"{name}.keras") for name in ("one", "two", "three")]
    text = page_of(*reports)
    assert text.count('class="small-strip"') == text.count('<section class="model"') == 3


def test_parts_of_the_riskiest_stay_where_all_are_too_much(monkeypatch):
    monkeypatch.setattr(models_page_module, "PARTS", 60_000)
    names = [f"{letter}.keras" for letter in "abcdefghijkl"]
    reports = [audited(dense("a"), file=name) for name in names]
    reports[7] = replace(reports[7], findings=(finding("a/kernel"),))
    reports[9] = replace(reports[9], findings=(finding("a", severity=Severity.NOTE, code="REG9"),))
    text = page_of(*reports)
    page = Page(text)
    kept = text.count('<section class="model"')
    assert 1 < kept < 12
    assert f"Below are the parts of the {kept} riskiest models" in page.words
    assert "--html-dir DIR writes a page for each" in page.words
    rows = table(text, "sortable index")
    assert len(rows) == 12
    assert rows[0][0] == "h.keras"
    links = {link[1:] for link in page.attributes("href") if link.startswith("#")}
    assert "m8" in links
    assert links <= set(page.ids)
    monkeypatch.setattr(models_page_module, "PARTS", 10)
    bare = Page(page_of(*reports))
    assert "No model has a part of this page" in bare.words
    assert {"#REG101", "#REG9"} <= set(bare.attributes("href"))
    assert {"REG101", "REG9"} <= set(bare.ids)


def test_what_is_wrong_with_settings_is_no_model():
    of_settings = Report("regaudit.toml", format="settings", findings=(finding("ignore"),))
    text = page_of(audited(dense("a")), of_settings)
    assert "1 of 1 model audited" in Page(text).words
    assert [row[0] for row in table(text, "sortable index")] == ["regaudit.toml", "model.keras"]


def test_thousands_of_models_take_a_row_each_and_no_more(monkeypatch):
    monkeypatch.setattr(models_page_module, "PARTS", 100_000)
    monkeypatch.setattr(models_page_module, "STRIPS", 20_000)
    report = audited(dense("a"), findings=[finding("a/kernel")])
    many = (replace(report, file=f"models/{'ab'[n % 2]}-{'x' * n}.keras"[:99]) for n in range(60))
    few = len(page_of(*many))
    more = (replace(report, file=f"{chr(97 + n % 26) * (1 + n // 26)}.keras") for n in range(1500))
    text = page_of(*more)
    assert text.count("<tr><th") > 1500
    assert len(text) - few < 1500 * 800


def test_results_do_not_tell_which_rules_passed():
    found = [audited(dense("a"), file="a.keras"), audited(dense("b"), file="b.keras")]
    for reports in (found, found[:1]):
        of_audit = Page(page_of(*reports, rules=[rule("REG999")])).words
        of_results = Page(page_of(*reports, rules=[rule("REG999")], of_results=True)).words
        assert "REG999" in of_audit
        assert "REG999" not in of_results
        assert "passed" not in of_results


def test_the_page_is_safe_and_whole_without_anything():
    hostile = audited(dense(HOSTILE), file=HOSTILE, findings=[finding(HOSTILE, message=HOSTILE)])
    again = replace(hostile, model=replace(hostile.model, saved_at=HOSTILE))
    text = page_of(hostile, again, Report(HOSTILE, failure=Failure("x", HOSTILE)))
    page = Page(text)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert "img" not in [tag for tag, _ in page.tags]
    assert "\x1b" not in text
    assert "no report was made" in Page(page_of()).words
