"""The weight decay of a paper, put on a model as L2."""

from regaudit.advice.recipes import RECIPES
from regaudit.errors import UsageError, did_you_mean, shown
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
    known = {each: recipe for recipe in RECIPES for each in recipe.names}
    recipe = next((known[each] for each in known if each.casefold() == name.casefold()), None)
    if recipe is None:
        hint = did_you_mean(name, known)
        raise UsageError(f"no recipe is called {shown(name)}; recipes are {', '.join(known)}{hint}")
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
