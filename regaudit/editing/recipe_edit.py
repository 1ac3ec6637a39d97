"""The weight decay of a paper, put on a model as L2."""

from regaudit.advice.recipes import RECIPES
from regaudit.errors import UsageError
from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.model import Model
from regaudit.report.proposal import Edit


def recipe_edits(model: Model, name: str) -> tuple[Edit, ...]:
    """Return the edits that put a paper's L2 on every trainable kernel without a regularizer.

    The depthwise kernels of MobileNets get none, as in their paper: they have few values each.

    Returns:
        None of them where there is no such kernel.

    Raises:
        UsageError: no recipe has this name.
    """
    recipe = next((one for one in RECIPES if one.name.lower() == name.lower()), None)
    if recipe is None:
        names = ", ".join(one.name for one in RECIPES)
        raise UsageError(f"no recipe is called {name!r}; recipes are {names}")
    value = {"class_name": "L2", "config": {"l2": recipe.decay / 2}}
    spared = recipe.name.startswith("MobileNet")
    edits = {
        (layer.path, weight.regularizer_key): Edit(layer.path, weight.regularizer_key, value)
        for layer, weight in model.weights()
        if weight.role in KERNEL_ROLES
        and weight.trainable
        and weight.regularizer_key
        and weight.shared_with is None
        and weight.regularizer is None
        and weight.regularizer_known
        and not (spared and "depthwise" in weight.regularizer_key)
    }
    return tuple(edits.values())
