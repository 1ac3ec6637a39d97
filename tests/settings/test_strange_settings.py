"""Settings and baselines of strangers: exit code 2 and one line that names the file and the key."""

import json
import os
import shutil
from pathlib import Path

import pytest
from command_line import run
from paths import MODELS

from regaudit.settings.to_toml import toml

BAD = {
    "models": ['models=["%s"]' % ("a" * 300), 'models=["***"]', 'models=["a\\u0000b"]'],
    "train-loss": ["train-loss=" + "9" * 400, "train-loss=nan", "train-loss=inf"],
    "val-size": ["val-size=" + "9" * 400, "val-size=0x" + "f" * 9000, "val-size=-1"],
    "limits.cpu_seconds": ["limits.cpu_seconds=4611686018427387903"],
    "limits.json-bytes": ['limits.json-bytes="many"', "limits.json-bytes=1" + "0" * 400],
    "ignore[0].model": ['ignore=[{code="REG204", reason="x", model=5}]'],
    "override[0].layer": ['override=[{layer="%s"}]' % ("*a" * 1000)],
    "baseline": ['baseline="%s"' % ("a" * 5000), "baseline=1", 'baseline=""'],
    "docs-url": [
        *('docs-url="javascript:alert(1)"', 'docs-url="https://me:secret@host/"'),
        *('docs-url="http://[::1"', 'docs-url="https://host:port/"'),
        *('docs-url="https://host/\\u001b]8;;"', "docs-url=1", 'docs-url="https://host/?a=\'"'),
    ],
    "no rule is called ''": ['select=[""]'],
    "rules.REG101.min_parameters": [
        *("rules.REG101.min_parameters=nan", "rules.REG101.min_parameters=-inf"),
        *("rules.REG101.min_parameters=-1", "rules.REG101.min_parameters=1" + "0" * 400),
    ],
    "ignore[0].expires": ['ignore=[{code="REG204", reason="x", expires=2027-01-01T00:00:00}]'],
    "not valid TOML": ["a=" + "[" * 5000, "\0"],
}


@pytest.mark.parametrize(("key", "text"), [(k, t) for k, each in BAD.items() for t in each])
def test_a_setting_that_cannot_be(key, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("regaudit.toml").write_text(text + "\n")
    result = run("check", str(MODELS / "tutorial-l2.keras"))
    assert result.exit_code == 2, result.output
    last = result.stderr.strip().splitlines()[-1]
    assert key in last
    assert "regaudit.toml" in last
    assert len(last) < 500


@pytest.mark.parametrize("content", ["tool = 5", "tool.regaudit = 5", "[tool]\nregaudit = []"])
@pytest.mark.parametrize("named", [(), ("--config", "pyproject.toml")])
def test_a_broken_table_is_not_taken_for_none(content, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text(content + "\n")
    result = run("check", str(MODELS / "tutorial-l2.keras"), *named)
    assert result.exit_code == 2, result.output
    assert "pyproject.toml: tool.regaudit must be a table" in result.stderr


@pytest.mark.parametrize("content", [b"\xff\xfea\x00=\x00", b"a=\xe9", b"#" * (2 << 20)])
def test_a_file_that_is_no_settings(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("regaudit.toml").write_bytes(content)
    assert run("check").exit_code == 2


@pytest.mark.parametrize(
    "change", [{"rank": 10**400}, {"rank": "1"}, {"severity": 3}, {"model": 1}]
)
def test_a_baseline_that_cannot_be(change, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entry = {"model": "m", "code": "REG204", "path": "x", "severity": "note", "rank": 1} | change
    Path("b.json").write_text(json.dumps({"schema": "regaudit-baseline/1", "findings": [entry]}))
    shutil.copy(MODELS / "tutorial-l2.keras", "m.keras")
    result = run("check", "--baseline", "b.json", "m.keras")
    assert result.exit_code == 2
    assert "b.json: not a baseline of regaudit (" in result.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_and_devices_are_not_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    for name in ("pipe", "/dev/zero"):
        for option in ("--baseline", "--config"):
            result = run("check", option, name, "m.keras")
            assert result.exit_code == 2, result.output
            assert "not a file" in result.stderr


def _loop(file):
    file.symlink_to(file.name)


def _huge(file):
    file.touch()
    os.truncate(file, 1 << 40)


def _locked(file):
    file.touch(mode=0)


@pytest.mark.parametrize("plant", [Path.mkdir, _loop, _huge, _locked])
@pytest.mark.parametrize("option", ["--baseline", "--config"])
def test_what_is_planted_is_one_line(plant, option, tmp_path, monkeypatch):
    if plant is _locked and os.geteuid() == 0:
        pytest.skip("nothing is forbidden to root")
    monkeypatch.chdir(tmp_path)
    plant(Path("planted"))
    result = run("check", option, "planted", "m.keras", color=False)
    assert result.exit_code == 2, result.output
    assert "planted" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('rules = {"s3://u:hunter2@x" = {a = 3}}', False),
        ('"s3://u:hunter2@x" = 3', False),
        ('layer = "https://x.example/?token=hunter2"', True),
    ],
)
def test_secrets_in_keys_are_not_shown(text, shown, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("regaudit.toml").write_text(f'[[override]]\nmodel = "*"\n{text}\n')
    result = run("inspect", "--show-settings")
    assert result.exit_code == (0 if shown else 2)
    assert "hunter2" not in result.output


def test_secrets_in_keys_of_shown_settings():
    assert "hunter2" not in toml({"s3://u:hunter2@x": {"https://x.example/?a=hunter2": 1}})
