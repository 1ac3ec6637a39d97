"""What the oracles of the corpus say: beside each file, what the Keras that wrote it loads."""

import json

CUSTOM = frozenset({"Cell", "Gate", "Head", "LazyNet", "Net", "Tied", "Tower"})
"""Layers and models of fixtures/corpus_models.py that are not Keras's own."""


def oracle_of(file):
    return json.loads(file.with_name(f"{file.name}.oracle.json").read_text("utf-8"))


def inside_custom_code(oracle, path):
    """Whether a layer is of a class that is not Keras's own, or held by one."""
    classes = {layer["path"]: layer["class_name"] for layer in oracle["layers"]}
    parts = path.split("/")
    above = (classes.get("/".join(parts[:depth])) for depth in range(1, len(parts) + 1))
    return not CUSTOM.isdisjoint([oracle["model"]["class_name"], *above])


def assert_known(report, oracle):
    """Assert that the layers that Keras brings are known, and those of custom classes are not.

    A layer of Keras inside a custom one may be either: what holds it need not describe it. So may
    a custom one without weights of its own, of which there is nothing to know.
    """
    classes = {layer["path"]: layer["class_name"] for layer in oracle["layers"]}
    for layer in report.model.layers:
        if not inside_custom_code(oracle, layer.path):
            assert layer.known, layer.path
        elif classes.get(layer.path) in CUSTOM and layer.weights:
            assert not layer.known, layer.path
