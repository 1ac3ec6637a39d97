"""One model of each kind that `apply` can edit, and what is done to them."""

import shutil

from paths import FIXTURES

from regaudit import Edit, audit

APPLY = FIXTURES / "apply"
KERAS, H5, DIRECTORY, OLD_H5 = EDITABLE = [
    APPLY / "custom_l2.keras",
    APPLY / "custom_l2.h5",
    APPLY / "regularized.directory",
    FIXTURES / "corpus" / "tf-keras-2.21" / "mlp.h5",
]
"""A SavedModel is not among them: it runs its graph, and `apply` refuses it."""
SETTING = ("--set", "*:kernel=l1_l2(1e-5, 3e-4)")


def copied(source, folder):
    """Return a copy of a model, with its name, in a folder."""
    there = folder / source.name
    shutil.copytree(source, there) if source.is_dir() else shutil.copy(source, there)
    return there


def part(model):
    """Return the file that an edit in place replaces."""
    return model / "config.json" if model.is_dir() else model


def edits_of(model, strength):
    """Return an L2 for every dense kernel, to apply."""
    layers = [one.path for one in audit(model).model.layers if one.class_name == "Dense"]
    value = {"class_name": "L2", "config": {"l2": strength}}
    return [Edit(layer, "kernel_regularizer", value) for layer in layers]
