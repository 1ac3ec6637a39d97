"""Names longer than any that Keras writes are refused by name of the limit, wherever they stand."""

import json
import zipfile

import pytest
from command_line import run
from paths import MODELS

import regaudit
from regaudit.limits import Limits
from regaudit.settings.config import Config

GOOD = MODELS / "tutorial-l2.keras"
LONG = "n" * 5000
LAYER = ("config", "layers", 1)
REGULARIZER = (*LAYER, "config", "kernel_regularizer")
PLACES = [
    (("config", "name"), LONG),
    (("class_name",), LONG),
    ((*LAYER, "config", "name"), LONG),
    ((*LAYER, "config", "name"), '"' * 5000),
    ((*LAYER, "config", "name"), "\\" * 5000),
    ((*LAYER, "config", "name"), "é" * 5000),
    ((*LAYER, "class_name"), LONG),
    ((*LAYER, "registered_name"), f"mine>{LONG}"),
    ((*LAYER, "config", f"{LONG}_regularizer"), "l2"),
    ((*LAYER, "config", "kernel_constraint"), LONG),
    (REGULARIZER, LONG),
    (REGULARIZER, {"class_name": "function", "config": LONG}),
    (REGULARIZER, {"class_name": "Mine", "config": {LONG: 1}}),
    (("compile_config", "optimizer", "class_name"), LONG),
    (("compile_config", "loss"), LONG),
]


def written(file, place, value, member="config.json"):
    """Write a good model with another value in a place of its JSON."""
    with zipfile.ZipFile(GOOD) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    content = json.loads(members[member])
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    members[member] = json.dumps(content).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file


@pytest.mark.parametrize(("place", "value"), PLACES)
def test_of_everything_that_has_one(tmp_path, place, value):
    file = written(tmp_path / "m.keras", place, value)
    failure = regaudit.audit(file).failure
    assert failure.kind == "UnsafeFileError"
    assert failure.message.endswith("--limit key_bytes=N allows more")
    allowing = Config(Config.default().rules, limits=Limits(key_bytes=20_000))
    assert regaudit.audit(file, allowing).failure is None


@pytest.mark.parametrize("key", ["keras_version", "date_saved"])
def test_of_the_metadata(tmp_path, key):
    file = written(tmp_path / "m.keras", (key,), LONG, "metadata.json")
    assert "key_bytes" in regaudit.audit(file).failure.message


def test_other_texts_may_be_long(tmp_path):
    """Such as bytecode and vocabularies."""
    file = written(tmp_path / "m.keras", (*LAYER, "config", "function"), LONG)
    assert regaudit.audit(file).failure is None


@pytest.mark.parametrize(
    "command",
    [
        ("inspect",),
        ("check",),
        ("report", "--html=out.html"),
        ("suggest",),
        ("apply", "--dry-run", "--set=*:kernel=l2(1e-4)"),
        ("diff", str(GOOD)),
        ("baseline", "write", "--baseline=b.json"),
    ],
    ids=lambda command: command[0],
)
def test_by_every_command_in_one_line(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "m.keras", ("config", "name"), "n" * 20_000_000)
    result = run(*command, "m.keras", color=False)
    assert result.exit_code == 3, result.output
    lines = [line for line in result.output.splitlines() if "m.keras" in line]
    assert "m.keras" in lines[0]
    assert "key_bytes" in " ".join(result.output.split())
    assert len(result.output) < 2000
