"""Distributions with plug-ins, made by hand, and models for them."""

import json
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec

from paths import FIXTURES

from regaudit.formats.outside import formats_of
from regaudit.renderers.outside import renderer_of
from regaudit.rules.outside import rules_of

CONFIGURATION = {
    "class_name": "Sequential",
    "config": {
        "name": "m",
        "layers": [
            {"class_name": "InputLayer", "config": {"batch_shape": [None, 8], "name": "in"}},
            {
                "class_name": "Dense",
                "config": {
                    "name": "dense",
                    "units": 4,
                    "kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.5}},
                },
            },
        ],
    },
    "keras_version": "3.10.0",
}

RULE = """
from typing import ClassVar
from regaudit.rules import About, Rule, Severity

def about(code, name):
    return About(
        code=code, name=name, title=f"Title of {name}", severity=Severity.WARNING,
        confidence="high", what="", rationale="", source="", fix="", false_positives="",
        bad="", good="",
    )

class Sound(Rule):
    about: ClassVar[About] = about("ACME101", "layer-name")

    def check(self, evidence):
        for layer in evidence.model.layers:
            yield self.item(layer, "has a name")
"""
"""A module with a rule, and what others are made of."""


def example_file(file, strength=0.5):
    """Write a model as the format of the example distribution has it."""
    text = json.dumps(CONFIGURATION).replace("0.5", str(strength))
    values = {"dense/kernel": [[1.0] * 4] * 8, "dense/bias": [0.0] * 4}
    content = {"configuration": json.loads(text), "values": values}
    file.write_bytes(b"regaudit-example 1\n" + json.dumps(content).encode())
    return file


def install_example(folder):
    """Install the example distribution into a folder: by pip where that can build it offline."""
    source = shutil.copytree(FIXTURES / "plugin", folder / "source")
    target = folder / "installed"
    if not (find_spec("wheel") and find_spec("setuptools")):
        project = tomllib.loads((source / "pyproject.toml").read_text("utf-8"))["project"]
        shutil.copytree(source / "regaudit_example", target / "regaudit_example")
        points = project["entry-points"].items()
        _note_installed(target, project["name"], project["version"], points)
        return target
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
    places = ("--target", target, source)
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", *options, *places], check=True)
    return target


def distribution(folder, name, module="", version="1.0", **entry_points):
    """Write an installed distribution.

    Args:
        folder: to put on `sys.path`.
        name: of the distribution; its module is called the same, with underscores.
        module: the source.
        version: of it.
        entry_points: for `rules`, `formats` and `renderers`: classes by name.
    """
    package = name.replace("-", "_")
    folder.mkdir(exist_ok=True)
    (folder / f"{package}.py").write_text(module, encoding="utf-8")
    points = [
        (f"regaudit.{group}", {key: f"{package}:{value}" for key, value in named.items()})
        for group, named in entry_points.items()
    ]
    _note_installed(folder, name, version, points)
    return folder


def _note_installed(folder, name, version, entry_points):
    """Write what pip notes of a distribution that it installs."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (info / "METADATA").write_text(text, encoding="utf-8")
    lines = []
    for group, named in entry_points:
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in named.items())]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")


def install(monkeypatch, *folders):
    """Put folders on `sys.path`, and forget what was loaded from others."""
    for cached in (rules_of, formats_of, renderer_of):
        cached.cache_clear()
    monkeypatch.setattr(sys, "path", [*map(str, folders), *sys.path])
    for folder in folders:
        for file in folder.glob("*.py"):
            monkeypatch.delitem(sys.modules, file.stem, raising=False)


def reports(result):
    """Return the reports that a command printed as JSON."""
    return json.loads(result.stdout)["reports"]


def codes(report):
    return [finding["code"] for finding in report["findings"]]


def failures(report):
    """Return what is said of each rule that failed, by code."""
    return {one["code"]: one["failure"]["message"] for one in report["not_run"] if "failure" in one}
