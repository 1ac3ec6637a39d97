"""Baselines: known findings pass, new and worse ones do not, gone ones are told."""

import json
import shutil
from itertools import product
from pathlib import Path

import pytest
from command_line import run
from msgspec.structs import replace
from paths import FIXTURES, MODELS
from samples import sampled

from regaudit.errors import UsageError
from regaudit.report.report import Failure, Finding, NotRun, Occurrence, Report
from regaudit.report.severity import Severity
from regaudit.settings.baseline import Accepted, Baseline, Key, read_baseline

MADE_BY = "`regaudit baseline write --baseline none.json` makes one"


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    """Run in a folder with an overfit model."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(MODELS / "digits-cnn.keras", "digits.keras")


def item(path="hidden/kernel", severity=Severity.WARNING, rank=10.0):
    return Occurrence(path, severity, "bad", rank=rank)


def report(*items, **changes):
    found = (Finding("REG101", "large-layer-unregularized", items),) if items else ()
    return replace(Report("m.keras", findings=found), **changes)


def baseline(*items):
    return Baseline(Path("b.json").absolute()).written([report(*items)])


def test_a_known_finding_passes_and_a_new_one_does_not():
    known = baseline(item("a"))
    assert known.accepts("m.keras", "REG101", item("a"))
    assert not known.accepts("m.keras", "REG101", item("b"))
    assert not known.accepts("m.keras", "REG402", item("a"))
    assert not known.accepts("other.keras", "REG101", item("a"))


@pytest.mark.parametrize(
    ("severity", "rank", "passes"),
    [
        (Severity.WARNING, 10.9, True),
        (Severity.WARNING, 0.0, True),
        (Severity.WARNING, 11.1, False),
        (Severity.NOTE, 100.0, True),
        (Severity.ERROR, 1.0, False),
    ],
)
def test_what_got_worse_does_not_pass(severity, rank, passes):
    assert baseline(item()).accepts("m.keras", "REG101", item(None, severity, rank)) is False
    now = item(severity=severity, rank=rank)
    assert baseline(item()).accepts("m.keras", "REG101", now) is passes
    assert baseline(item()).knows("m.keras", "REG101", now)


def test_update_takes_in_what_is_new_and_drops_what_is_gone():
    old = baseline(item("gone"), item("kept", rank=1.0))
    other = Key("other.keras", "REG101", "x")
    old = replace(old, entries={**old.entries, other: Accepted(Severity.NOTE, 1.0)})
    now = report(item("kept", rank=2.0), item("new"))
    updated = old.updated([now])
    assert {key.path: one.rank for key, one in updated.entries.items()} == {
        "kept": 2.0,
        "new": 10.0,
        "x": 1.0,
    }
    pruned = old.pruned([now])
    assert {key.path: one.rank for key, one in pruned.entries.items()} == {"kept": 1.0, "x": 1.0}


def test_what_was_not_asked_is_not_stale():
    old = baseline(item("a"))
    asked = report(not_run=(NotRun("REG205", "underregularized", "--train-loss"),))
    assert [key.path for key in old.stale([asked])] == ["a"]
    lacking = report(not_run=(NotRun("REG101", "large-layer-unregularized", "x"),))
    assert not list(old.stale([lacking]))
    assert not list(old.stale([Report("other.keras")]))


def test_models_are_named_from_the_folder_of_the_file(tmp_path, monkeypatch):
    run("baseline", "write", "digits.keras")
    content = json.loads(Path(".regaudit-baseline.json").read_text())
    assert content["findings"] == [
        {
            "model": "digits.keras",
            "code": "REG101",
            "path": "hidden/kernel",
            "severity": "error",
            "rank": 110592.0,
        }
    ]
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    for name in ("../digits.keras", tmp_path / "digits.keras"):
        assert run("check", name, "--baseline", "../.regaudit-baseline.json").exit_code == 0


def test_written_read_and_written_again_it_is_the_same():
    made = baseline(item("b"), item("a", Severity.ERROR, 0.1))
    made.file.write_text(made.text())
    assert read_baseline(made.file) == made
    assert [entry["path"] for entry in json.loads(made.text())["findings"]] == ["a", "b"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"schema": "regaudit/1", "findings": []}',
        '{"schema": "regaudit-baseline/1", "findings": [{"model": "m"}]}',
        '{"schema": "regaudit-baseline/1", "findings": 3}',
    ],
)
def test_another_file_is_no_baseline(content):
    Path("b.json").write_text(content)
    with pytest.raises(UsageError, match="not a baseline of regaudit"):
        read_baseline(Path("b.json"))
    assert run("check", "digits.keras", "--baseline", "b.json").exit_code == 2


def test_the_gate_opens_for_what_is_known_and_closes_for_what_is_worse():
    assert run("check", "digits.keras").exit_code == 1
    written = run("baseline", "write", "digits.keras")
    assert (written.exit_code, written.stdout) == (0, "")
    assert "use it with: regaudit check --baseline .regaudit-baseline.json" in written.stderr
    known = ("check", "digits.keras", "--baseline", ".regaudit-baseline.json")
    result = run(*known, "--format", "json")
    assert result.exit_code == 0
    (one,) = json.loads(result.stdout)["reports"][0]["suppressed"]
    assert (one["by"], one["code"], one["path"]) == ("baseline", "REG101", "hidden/kernel")
    assert "1 place accepted by an ignore or the baseline" in run(*known).output
    assert "REG101 at hidden/kernel is accepted: in the baseline" in run(*known, "-v").output
    content = json.loads(Path(".regaudit-baseline.json").read_text())
    content["findings"][0]["rank"] = 50_000.0
    Path(".regaudit-baseline.json").write_text(json.dumps(content))
    result = run(*known)
    assert result.exit_code == 1
    assert "worse than in the baseline" in " ".join(result.output.split())
    assert run("baseline", "update", "digits.keras").exit_code == 0
    assert run(*known).exit_code == 0


def test_settings_name_the_baseline_and_what_is_gone_is_told_and_pruned():
    Path("regaudit.toml").write_text('baseline = "known.json"\n')
    assert run("check", "digits.keras").exit_code == 2
    assert run("baseline", "write", "digits.keras").exit_code == 0
    assert Path("known.json").exists()
    shutil.copy(MODELS / "regularized-cnn.keras", "digits.keras")
    result = run("check", "digits.keras")
    assert (result.exit_code, "1 entry is no longer found" in result.stderr) == (0, True)
    assert run("baseline", "prune", "digits.keras").exit_code == 0
    assert json.loads(Path("known.json").read_text())["findings"] == []
    assert run("check", "digits.keras").stderr == ""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ["write", "digits.keras"],
            2,
            "already exists: `update` adds to it, --force overwrites it",
        ),
        (["write", "digits.keras", "--force"], 0, "1 finding accepted"),
        (["write", "digits.keras", "gone.keras", "--force"], 3, "gone.keras: could not be audited"),
        (
            ["update", "digits.keras", "--baseline", "none.json"],
            2,
            "`regaudit baseline write --baseline none.json` makes one",
        ),
        (
            ["prune", "digits.keras", "--baseline", "none.json"],
            2,
            "`regaudit baseline write --baseline none.json` makes one",
        ),
        (["prune", "gone.keras"], 3, "gone.keras: could not be audited"),
        (["update", "gone.keras"], 3, "gone.keras: could not be audited"),
        (["update", "digits.keras"], 0, "1 finding accepted"),
        (["mend"], 2, "No such command"),
    ],
)
def test_exit_codes(arguments, code, said):
    run("baseline", "write", "digits.keras")
    result = run("baseline", *arguments)
    assert result.exit_code == code, result.output
    assert said in result.output


@pytest.mark.parametrize("command", [("write", "--force"), ("update",), ("prune",)])
def test_an_interrupt_leaves_the_old_baseline(command, monkeypatch):
    def interrupted(made, _files):
        yield next(made)
        raise KeyboardInterrupt

    shutil.copy("digits.keras", "more.keras")
    run("baseline", "write", ".")
    before = Path(".regaudit-baseline.json").read_bytes()
    monkeypatch.setattr("regaudit.cli.running.progress", interrupted)
    result = run("baseline", *command, ".")
    assert result.exit_code == 3
    assert result.stderr.endswith("nothing is written to .regaudit-baseline.json\n")
    assert Path(".regaudit-baseline.json").read_bytes() == before


@pytest.mark.parametrize(
    ("command", "where", "lost"),
    sampled(
        product(
            [("write", "--force"), ("update",), ("prune",)],
            ["b.json", "below/b.json"],
            [Path.unlink, lambda file: file.write_bytes(b"broken")],
        )
    ),
)
def test_entries_of_what_could_not_be_audited_stay(command, where, lost):
    for name in ("below/more.keras", "below/deep/more.keras"):
        Path(name).parent.mkdir()
        shutil.copy("digits.keras", name)
    models = ("digits.keras", "below/more.keras", "below/deep/more.keras")
    run("baseline", "write", *models, "--baseline", where)
    before = read_baseline(Path(where)).entries
    assert len(before) == 3
    for name in models[1:]:
        lost(Path(name))
    assert run("baseline", *command, *models, "--baseline", where).exit_code == 3
    assert read_baseline(Path(where)).entries == before


def test_entries_below_a_folder_that_could_not_be_searched_stay():
    below = Accepted(Severity.NOTE, 1.0)
    old = replace(baseline(), entries={Key("a/b.keras", "REG101", "x"): below})
    failed = Report("a", failure=Failure("Unreadable", "it cannot be listed"))
    assert old.written([failed, report(item())]).entries == {
        **old.entries,
        **baseline(item()).entries,
    }


def test_a_baseline_of_before_structs_is_read_and_written_as_it_was():
    """Of `--preset strict` on three models of `fixtures/models`, before findings were structs."""
    file = shutil.copy(FIXTURES / "results" / "0.1.0-baseline.json", "old.json")
    old = read_baseline(Path(file))
    assert len(old.entries) == 34
    assert str(old.text()) == Path(file).read_text("utf-8")
    shutil.copy(MODELS / "digits-cnn.keras", "digits-cnn.keras")
    strict = ("check", "--isolated", "--preset", "strict", "digits-cnn.keras")
    assert run(*strict).exit_code == 1
    assert run(*strict, "--baseline", file).exit_code == 0
