"""Outputs that are written while models are audited: the same bytes, whole at any end."""

import json
import shutil

import h5py
import pytest
from command_line import USABLE, run
from paths import MODELS

import regaudit
from regaudit.renderers.interface import renderer, streaming
from regaudit.report.view import View
from regaudit.running import write
from regaudit.running.outcome import outcome_of
from regaudit.running.written import Output, Written, written
from regaudit.settings.config import Config

STREAMING = [name for name in USABLE if streaming(name)]
CONFIG = Config.default()


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Return a folder with models, one that cannot be read, data, and settings with ignores."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("tutorial-l2.keras", "digits-cnn.keras", "everything.keras"):
        shutil.copy(MODELS / name, folder)
    (folder / "broken.keras").write_bytes(b"no model")
    with h5py.File(folder / "data.h5", "w") as data:
        data["images"] = [1.0]
    (tmp_path / "pyproject.toml").write_text(
        """
[[tool.regaudit.ignore]]
code = "REG404"
reason = "never"
[[tool.regaudit.ignore]]
code = "REG101"
layer = "dense*"
reason = "small"
expires = 2020-01-01
""",
        encoding="utf-8",
    )
    return folder


def table(file):
    from pyarrow import parquet  # noqa: PLC0415 - an extra

    return repr(parquet.read_table(file).to_pylist())


@pytest.mark.parametrize("command", ["inspect", "check"])
@pytest.mark.parametrize("format_", STREAMING)
def test_it_is_the_same_as_all_at_once(models, format_, command, tmp_path):
    outcomes = []
    for option in ("--isolate", "--no-isolate"):  # which is rendered at the end
        file = tmp_path / f"{option}.{format_}"
        result = run(command, models.name, option, "--format", format_, "-o", file)
        content = table(file) if renderer(format_).binary else file.read_bytes()
        outcomes.append((result.exit_code, result.stderr, content))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] == 3


def test_several_outputs_at_once(models, tmp_path):
    outputs = [f"--output={name}:{tmp_path / name}" for name in ("sarif", "csv", "concise")]
    result = run("check", models.name, "--format", "jsonl", *outputs)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == 5
    assert lines[-1]["format"] == "settings"  # an ignore that covers nothing, one that expired
    sarif = json.loads((tmp_path / "sarif").read_text("utf-8"))
    assert len(sarif["runs"][0]["artifacts"]) == 5
    assert (tmp_path / "concise").read_text("utf-8").startswith("models/broken.keras: could not")


def test_the_baseline_is_read_where_models_are(models):
    run("baseline", "write", models.name, "--baseline", "known.json")
    known = json.loads((models.parent / "known.json").read_text("utf-8"))
    (gone, *_) = known["findings"]
    known["findings"].append({**gone, "path": "gone/kernel"})
    (models.parent / "known.json").write_text(json.dumps(known), encoding="utf-8")
    for option in ("--isolate", "--no-isolate"):
        result = run(
            "check", models.name, option, "--baseline", "known.json", "--format", "concise"
        )
        assert "1 entry is no longer found" in result.stderr


@pytest.mark.parametrize("format_", ["json", "jsonl", "sarif", "csv"])
def test_it_is_whole_after_an_interruption(models, format_, monkeypatch, tmp_path):
    sound = write.write_apart

    def stopped(files, workers):
        for number, one in enumerate(sound(files, workers)):
            if number == 2:
                raise KeyboardInterrupt
            yield one

    monkeypatch.setattr(write, "write_apart", stopped)
    file = tmp_path / "out"
    result = run("inspect", models.name, "--format", format_, "-o", file)
    assert result.exit_code == 3
    what = "stopped by Ctrl-C: 3 of 5 models were not audited"
    assert what in result.stderr
    text = file.read_text("utf-8")
    assert what in text
    if format_ in {"json", "sarif"}:
        json.loads(text)


ESCAPE = b"\x1b]0;owned\x07\n"
ESCAPED = {"artifact": ESCAPE.decode(), "failed": False, "plugins": [], "results": {}}


@pytest.mark.parametrize(
    ("format_", "part"),
    [
        ("csv", ESCAPE),
        ("sarif", json.dumps({**ESCAPED, "notifications": []}).encode()),
        ("sarif", b"no JSON"),
        ("parquet", b"no rows"),
    ],
)
def test_a_worker_that_was_taken_over_harms_no_output(models, format_, part, monkeypatch):
    if format_ not in STREAMING:
        pytest.skip("it needs what is not installed")

    def taken_over(files, workers):
        for file in files:
            outcome = outcome_of(regaudit.audit(file), workers.config)
            yield Written(outcome, (part, b"a text\n"))

    monkeypatch.setattr(write, "write_apart", taken_over)
    two = (models / "tutorial-l2.keras", models / "digits-cnn.keras")
    result = run("inspect", *two, "--output", f"{format_}:out", "--format=concise")
    assert result.exit_code == 3
    assert ESCAPE not in (models.parent / "out").read_bytes()
    assert result.stdout.count("sent an invalid answer") == 2


def test_what_cannot_be_written_leaves_nothing(models, tmp_path):
    result = run("inspect", models.name, "--format", "jsonl", "-o", tmp_path / "gone" / "out")
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr


def test_a_run_keeps_little_of_a_model():
    """Of its layers and weights nothing: the same for one with three and with three hundred."""
    report = regaudit.audit(MODELS / "everything.keras")
    kept = written(report, [Output("concise", View())], CONFIG).outcome
    assert not kept.ignores
    assert len(repr(kept)) < 400
