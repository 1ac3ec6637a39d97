"""A format or a renderer that fails takes nothing with it but its own files and outputs."""

from pathlib import Path

import pytest
from command_line import run
from paths import MODELS
from plug_ins import codes, distribution, install, reports

OWN = MODELS / "digits-cnn.keras"

FORMATS = """
from contextlib import contextmanager
from regaudit.formats import Artifact, Format, Layer, Model, Weight

class Named(Format):
    def sniff(self, file):
        return file.is_file() and file.open("rb").read().startswith(self.name.encode())

class ReadRaises(Named):
    name = "read-raises"
    @contextmanager
    def read(self, file, architecture=None):
        raise ValueError("no such thing")
        yield

class ReadsText(Named):
    name = "reads-text"
    @contextmanager
    def read(self, file, architecture=None):
        yield "a model"

class Model5(Named):
    name = "wrong-model"
    @contextmanager
    def read(self, file, architecture=None):
        yield Artifact(Model("m", "Sequential", (), compiled=5), {}, ())

class NoValues(Named):
    name = "no-values"
    @contextmanager
    def read(self, file, architecture=None):
        weight = Weight("d/kernel", "d", "kernel", (2, 2), "float32", True)
        layer = Layer("d", "d", "Dense", {}, True, weights=(weight,))
        yield Artifact(Model("m", "Sequential", (layer,)), self.values(), ())

    def values(self):
        return {}

class Lazy:
    shape = (2, 2)
    dtype = "float32"
    def blocks(self, start=0, stop=None):
        raise KeyError("gone")

class LateValues(NoValues):
    name = "late-values"
    def values(self):
        return {"d": Lazy()}

class SniffRaises(Format):
    name = "sniff-raises"
    suffixes = (".bad",)
    def sniff(self, file):
        raise ZeroDivisionError("0")
    def read(self, file, architecture=None):
        raise NotImplementedError
"""

FORMAT_FAULTS = {
    "read-raises": ("ReadRaises", "ValueError in bad_formats.py"),
    "reads-text": ("ReadsText", "read yields a str, not an Artifact"),
    "wrong-model": ("Model5", "its model is wrong: Expected `bool | null`, got `int`"),
    "no-values": ("NoValues", "no values for d/kernel"),
    "late-values": ("LateValues", "KeyError in bad_formats.py"),
}


def test_a_format_that_fails_is_the_failure_of_its_files(tmp_path, monkeypatch):
    classes = {name: kind for name, (kind, _) in FORMAT_FAULTS.items()}
    classes["sniff-raises"] = "SniffRaises"
    install(monkeypatch, distribution(tmp_path / "it", "bad-formats", FORMATS, formats=classes))
    files = []
    for name in (*FORMAT_FAULTS, "unknown"):
        files.append(tmp_path / name)
        files[-1].write_text(name)
    result = run("check", OWN, *files, "--format", "json")
    assert result.exit_code == 3
    own, *others, unknown = reports(result)
    assert codes(own) == ["REG101"]
    for report, (name, (_, why)) in zip(others, FORMAT_FAULTS.items(), strict=True):
        assert report["failure"]["kind"] == "PlugInError"
        assert report["failure"]["message"].startswith(f"format {name} of bad-formats 1.0 failed: ")
        assert why in report["failure"]["message"]
    message = unknown["failure"]["message"]
    assert message.startswith("a text file, not a saved Keras model; and format sniff-raises of ")
    folder = run("check", tmp_path, "--format", "json")
    assert folder.exit_code == 3


RENDERERS = """
from regaudit.renderers import Renderer

class Raises(Renderer):
    name = "raises"
    def render(self, reports, rules, view):
        raise ValueError("no such thing")

class Number(Renderer):
    name = "number"
    def render(self, reports, rules, view):
        return 5

class Plain(Renderer):
    name = "plain"
    def render(self, reports, rules, view):
        return "one\\x1b[31m\\ntwo ::error::"
"""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("raises", "ValueError in bad_renderers.py"),
        ("number", "render returns int, not str"),
        ("gone", "AttributeError"),
    ],
)
def test_a_renderer_that_fails_takes_no_other_with_it(tmp_path, monkeypatch, name, why):
    named = {"raises": "Raises", "number": "Number", "plain": "Plain", "gone": "Gone"}
    folder = distribution(tmp_path / "it", "bad-renderers", RENDERERS, renderers=named)
    install(monkeypatch, folder)
    monkeypatch.chdir(tmp_path)
    outputs = ("--output", f"{name}:out.txt", "--output", "json:out.json", "--output", "plain:p")
    result = run("check", OWN, *outputs)
    assert result.exit_code == 3
    assert f"renderer {name} of bad-renderers 1.0 failed: " in result.stderr
    assert why in result.stderr
    assert not Path("out.txt").exists()
    assert '"REG101"' in Path("out.json").read_text()
    assert Path("p").read_text() == "one\\x1b[31m\ntwo \\x3a:error\\x3a:\n"
