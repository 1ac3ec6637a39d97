"""Commands that are printed to be copied: a shell runs each of them as it is meant."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import run
from paths import MODELS, ROOT

NAMES = [
    "plain",
    "a b'$(touch PWNED)`touch PWNED`\"\\",
    "-x;touch PWNED",
    "l\nm\x1b[31m\u202e::error::",
]

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")


@pytest.fixture(params=NAMES)
def name(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield request.param
    assert not list(tmp_path.rglob("PWNED"))


def copied(output):
    """Return the words of the command in an output, as bash reads them."""
    (line,) = set(re.findall(r"regaudit (?:apply|baseline|check|explain) .*", output))
    line = line.partition("` makes one")[0].rstrip("`")
    printed = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True
    ).stdout.decode("utf-8", "surrogateescape")
    first, *words = printed.split("\0")[:-1]
    assert first == "regaudit"
    return words


def ran(words, code=0):
    result = run(*words)
    assert result.exit_code == code, (words, result.output)
    return result


@pytest.fixture
def model(name):
    file = f"{name}.keras"
    shutil.copy(MODELS / "tutorial-l2.keras", file)
    return file


def test_a_baseline_is_made_used_and_pruned(model, name):
    baseline = f"{name}.json"
    missing = run("check", "--baseline", baseline, "--", model)
    written = ran([*copied(missing.output), "--", model])
    used = ran([*copied(written.stderr), "--", model])
    assert "no longer found" not in used.output
    file = model.removeprefix("./")
    entry = {"model": file, "code": "REG101", "path": "gone", "severity": "error", "rank": 1.0}
    content = {"schema": "regaudit-baseline/1", "findings": [entry]}
    Path(baseline).write_text(json.dumps(content))
    stale = run("check", "--baseline", baseline, "--", model)
    assert "1 entry is no longer found" in stale.stderr
    ran([*copied(stale.stderr), "--", model])
    assert "no longer found" not in run("check", "--baseline", baseline, "--", model).output


def test_what_is_suggested_is_applied_and_undone(model, tmp_path):
    facts = ["--train-loss", "0.01", "--val-loss", "2.5"]
    suggested = ran(["suggest", *facts, "--", model])
    ran([*(word.replace("OUT", "out.keras") for word in copied(suggested.stdout)), *facts])
    assert (tmp_path / "out.keras").exists()
    edited = ran(["apply", "--in-place", "--set", "*:kernel=l2(0.5)", "--", model])
    assert "is restored" in ran(copied(edited.stdout)).stdout


def test_the_worst_finding_is_the_one_to_explain():
    """Not the first one: those of another model may be worse."""
    notes, errors = MODELS / "tutorial-l2.keras", MODELS / "digits-cnn.keras"
    mild = "REG204"
    for command in (["check"], ["inspect"], ["report", "--format", "terminal"]):
        result = run(*command, notes, errors)
        assert result.stdout.index(mild) < result.stdout.index("REG101")
        assert copied(result.stdout) == ["explain", "REG101"]
        assert "REG101 large" in ran(["explain", "REG101"]).stdout
    changed = run("diff", notes, errors)
    assert copied(changed.stdout) == ["explain", "REG101"]


def test_a_code_that_no_rule_has_is_not_to_be_explained(tmp_path):
    found = run("check", MODELS / "digits-cnn.keras", "--format", "jsonl").stdout
    (tmp_path / "r.jsonl").write_text(found.replace("REG101", "REG999"))
    shown = run("report", "--from", tmp_path / "r.jsonl", "--format", "terminal").stdout
    assert "REG999" in shown
    assert "regaudit explain" not in shown


@pytest.mark.parametrize("file", ["models.html.j2", "page.html.j2", "changes.html.j2"])
def test_commands_on_a_page_run(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(MODELS / "tutorial-l2.keras", "m.keras")
    run("check", "m.keras", "--format", "jsonl", "-o", "results.jsonl")
    block = (ROOT / "templates" / file).read_text().partition("block numbers %}")[2]
    lines = re.findall(r"(regaudit .*?){%", block)
    assert lines
    given = {
        "OLD": "m.keras",
        "NEW": "m.keras",
        "RESULTS": "results.jsonl",
        "FILE": "out.json",
    }
    for line in lines:
        ran([given.get(word, word) for word in shlex.split(line)[1:]])


def test_a_model_from_standard_input_is_named_for_what_is_suggested(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    piped = run("check", "-", input=(MODELS / "tutorial-l2.keras").read_bytes())
    assert "give this command --train-loss" in piped.output
    assert "suggest" not in piped.output
