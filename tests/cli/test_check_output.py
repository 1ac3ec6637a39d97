"""What `check` prints on request: one line a finding, counts of rules, or findings alone."""

import json
from pathlib import Path

import pytest
from command_line import run
from paths import FIXTURES, MODELS

DIGITS, L2, CLEAN = (
    MODELS / f"{name}.keras" for name in ("digits-cnn", "tutorial-l2", "tutorial-activity-l1")
)
BAD = FIXTURES / "rules/REG303/bad.keras"


def places(*files):
    """Return what each rule found, by the JSON."""
    found = json.loads(run("check", *files, "--format", "json", "--no-isolate").stdout)
    return [
        (model["file"], place["path"], finding["code"], place["message"])
        for model in found["reports"]
        for finding in model["findings"]
        for place in finding["items"]
    ]


def test_concise_has_one_line_a_finding(tmp_path):
    broken = tmp_path / "broken.keras"
    broken.write_bytes(b"PK\x03\x04")
    result = run("check", DIGITS, L2, BAD, broken, "--format", "concise", "--no-isolate")
    assert result.exit_code == 3
    *lines, last = result.stdout.splitlines()
    assert lines == [
        f"{file}:{path or '(model)'}: {code} {message}"
        for file, path, code, message in places(DIGITS, L2, BAD)
    ]
    assert last.startswith(f"{broken}: could not be audited: ")


def test_concise_is_empty_where_nothing_was_found():
    result = run("check", CLEAN, "--format", "concise", "--ignore", "REG2", "--ignore", "REG3")
    assert (result.exit_code, result.stdout) == (0, "")


def test_statistics_count_what_the_json_lists_worst_first():
    result = run("check", DIGITS, L2, BAD, "--statistics", "--no-isolate")
    assert result.exit_code == 1
    table = result.stdout.split("\n\n")[0].splitlines()[2:]
    found = places(DIGITS, L2, BAD)
    counted = {line.split()[1]: line.split()[2:4] for line in table}
    assert counted == {
        code: [
            str(sum(one[2] == code for one in found)),
            str(len({one[0] for one in found if one[2] == code})),
        ]
        for code in {one[2] for one in found}
    }
    severities = [line[0] for line in table]
    assert severities == sorted(severities, key="EWN".index)
    assert "Failed: " in result.stdout


def test_quiet_prints_findings_and_failures_alone(tmp_path):
    missing = tmp_path / "missing.keras"
    result = run("check", DIGITS, CLEAN, missing, "--quiet", "--no-isolate", "--select", "REG1")
    assert result.exit_code == 3
    assert "REG101 large-layer-unregularized" in result.stdout
    assert "missing.keras: could not be audited" in result.stdout
    assert CLEAN.name not in result.stdout
    for word in ("Failed", "measured", "regaudit explain", "audited,"):
        assert word not in result.stdout


def test_quiet_prints_nothing_where_nothing_was_found():
    result = run("check", CLEAN, "-q", "--select", "REG1")
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize("option", ["--quiet", "--statistics"])
def test_they_are_of_the_terminal(option):
    result = run("check", DIGITS, option, "--format", "json")
    assert result.exit_code == 2
    assert f"{option} is for --format terminal" in " ".join(result.output.split())


def test_names_of_files_stay_one_line(tmp_path):
    name = tmp_path / "a\n::error::b.keras"
    Path(name).write_bytes(DIGITS.read_bytes())
    (line,) = run("check", name, "--format", "concise", "--no-isolate").stdout.splitlines()
    assert "::error" not in line
