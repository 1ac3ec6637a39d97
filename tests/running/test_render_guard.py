"""A model that cannot be rendered is a failure, and the others are in the report all the same."""

import json
import os
import shutil

import pytest
from command_line import USABLE
from forked import HURRIED, forked
from paths import MODELS

MODEL = MODELS / "tutorial-l2.keras"
ENDLESS = "while True: pass"
CRASH = "import os; os.kill(os.getpid(), 11)"
GREEDY = "bytearray(1 << 40)"
SPOILED = """
from regaudit.cli.targets import FORMATS
from regaudit.renderers.interface import renderer
def spoiled(shown):
    def render(self, reports, *more):
        if any("b.keras" in report.file and not report.failure for report in reports):
            {}
        return shown(self, reports, *more)
    return render
for one in FORMATS:
    kind = type(renderer(one))
    kind.render = spoiled(kind.render)
"""
"""Statements that do something else where a certain report is rendered."""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="nothing forks there")


@pytest.fixture
def folder(tmp_path):
    for name in ("a.keras", "b.keras", "c.keras"):
        shutil.copy(MODEL, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        (ENDLESS, "takes more than 5 s of processor time"),
        (CRASH, "crashed"),
        (GREEDY, "takes more memory than there is"),
    ],
    ids=["endless", "crash", "greedy"],
)
def test_in_every_format_the_others_are_reported(deed, said, folder):
    outputs = [f"--output={name}:{folder / f'out.{name}'}" for name in USABLE]
    before = HURRIED + SPOILED.format(deed)
    done = forked("check", *outputs, folder, "--limit", "cpu_seconds=5", before=before)
    assert done.returncode == 3
    assert said in " ".join(done.stdout.split())
    for name in USABLE:
        text = folder.joinpath(f"out.{name}").read_bytes()
        assert b"a.keras" in text, name
        assert b"c.keras" in text, name
    reports = json.loads(folder.joinpath("out.json").read_bytes())["reports"]
    assert [bool(report["failure"]) for report in reports] == [False, True, False]


OTHERS = """
import regaudit.changes.text, regaudit.settings.baseline
def endless(*_):
    while True: pass
def written(self, reports):
    return self if any(one.failure for one in reports) else endless()
regaudit.changes.text.terminal = endless
regaudit.settings.baseline.Baseline.written = written
"""


@pytest.mark.parametrize("command", ["inspect", "report --format json", "diff", "baseline write"])
def test_every_command_that_takes_several_is_held(command, folder):
    models = [folder / "a.keras", folder / "b.keras"]
    before = HURRIED + (OTHERS if command[0] in "db" else SPOILED.format(ENDLESS))
    done = forked(*command.split(), *models, cwd=folder, before=before)
    assert done.returncode == 3
    assert "processor time" in done.stdout + done.stderr


def test_what_is_too_much_only_together_is_one_failure(folder):
    before = HURRIED + SPOILED.format("while len(reports) > 1: pass")
    done = forked("check", folder, before=before)
    assert done.returncode == 3
    assert "3 models" in done.stdout
    assert "processor time" in done.stdout
