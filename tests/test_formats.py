"""One model is one report, whatever file it was saved in."""

from pathlib import Path

import pytest

import regaudit
from regaudit.config import Config
from regaudit.record import document

CORPUS = Path(__file__).parents[1] / "fixtures" / "corpus"
KINDS = (".keras", ".h5", ".directory", ".savedmodel", ".traced.savedmodel", ".plain.keras")
HONESTLY_DIFFERENT = {
    "lora": "an .h5 keeps the factors of LoRA, an archive only the merged kernel",
    "quant_odd_int4": "an .h5 calls GroupQueryAttention by its class in Python",
    "custom_layer": "roles are attribute names in a SavedModel, numbers in an archive",
    "custom_model": "what no configuration describes is named by its place in the file",
    "tied": "what no configuration describes is named by its place in the file",
    "shared_across": "an .h5 keeps a layer shared by nested models twice, and loads it twice",
    "shared_nested": "an .h5 keeps a layer shared by nested models twice, and loads it twice",
    "spectral": "an archive keeps the kernel of SpectralNormalization twice",
}
FROM_THE_OBJECTS = "nested_outer_frozen"
"""Keras 2 rebuilds a SavedModel object by object, each with its flag: other layers are frozen."""
OF_THE_OPTIMIZER = {"REG303", "REG304", "REG305", "REG306", "REG307", "REG317"}
"""Rules on what a directory of the corpus does not hold: it was saved without the optimizer."""

OF_THE_FILE = frozenset({"REG905"})
"""Rules on how Keras loads one format, which differs from how it loads the others."""


def files_of_one_model():
    for folder in sorted(CORPUS.iterdir()):
        for first in sorted(folder.glob("*.keras")):
            name = first.name.removesuffix(".keras")
            for kind in KINDS[1:]:
                other = folder / (name + kind)
                frozen = name == FROM_THE_OBJECTS and "savedmodel" in kind
                if other.exists() and name not in HONESTLY_DIFFERENT and not frozen:
                    yield pytest.param(first, other, id=f"{folder.name}/{other.name}")


def said(file, left_out=frozenset()):
    """Return what is said of the model, but for what is the file's own, and some rules."""
    asked = tuple(r for r in Config.default().rules if r.about.code not in left_out)
    (report,) = document([regaudit.audit(file, Config(asked))])["reports"]
    for layer in report["layers"]:
        for weight in layer["weights"]:
            del weight["stored_path"]
    model = {key: value for key, value in report["model"].items() if key != "optimizer"}
    keys = ("keras_version", "coverage", "penalty", "layers", "findings", "suggestions", "failure")
    return {"model": model, **{key: report[key] for key in keys}}


def flat(value, path=""):
    """Yield every leaf of a document with its path."""
    if isinstance(value, dict | list):
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield from flat(below, f"{path}/{key}")
    else:
        yield path, value


@pytest.mark.parametrize(("first", "other"), list(files_of_one_model()))
def test_every_format_of_a_model_says_the_same(first, other):
    left_out = OF_THE_OPTIMIZER if other.suffix == ".directory" else frozenset()
    left_out |= OF_THE_FILE
    expected, found = dict(flat(said(first, left_out))), dict(flat(said(other, left_out)))
    assert found.keys() == expected.keys()
    for path, value in expected.items():
        close = pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
        assert found[path] == close, path


def test_there_are_such_models():
    assert len(list(files_of_one_model())) > 60
