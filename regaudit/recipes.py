"""The weight decay that the papers of known architectures used, as strengths of Keras's L2.

A paper's decay wd means a gradient of wd w; Keras's l2(s) has one of 2s w, so s is wd / 2.
"""

from dataclasses import dataclass

from regaudit.errors import RefusedEditError, UsageError
from regaudit.finding import Edit
from regaudit.keras_layers import KERNEL_ROLES
from regaudit.model import Model


@dataclass(frozen=True, slots=True)
class Recipe:
    """What one paper did."""

    l2: float
    """Half of the paper's weight decay."""
    source: str
    depthwise: bool = True
    """Whether depthwise kernels are decayed too."""


RECIPES = {
    "alexnet": Recipe(2.5e-4, "Krizhevsky et al. (2012), section 5: weight decay 0.0005"),
    "vgg": Recipe(2.5e-4, "Simonyan and Zisserman (2015), section 3.1: L2 multiplier 5e-4"),
    "resnet": Recipe(5e-5, "He et al. (2016), section 3.4: weight decay 0.0001"),
    "wide-resnet": Recipe(2.5e-4, "Zagoruyko and Komodakis (2016), section 3: decay 0.0005"),
    "densenet": Recipe(5e-5, "Huang et al. (2017), section 4.2: weight decay 1e-4"),
    "xception": Recipe(5e-6, "Chollet (2017), section 4.3: weight decay 1e-5"),
    "inception-v3": Recipe(2e-5, "Chollet (2017), section 4.3: weight decay 4e-5"),
    "mobilenet": Recipe(2e-5, "Sandler et al. (2018), section 6.1: weight decay 0.00004", False),
    "efficientnet": Recipe(5e-6, "Tan and Le (2019), section 5.2: weight decay 1e-5"),
}
"""By name; those with AdamW (BERT, ViT, ConvNeXt, Swin) are no L2 and not among them."""


def recipe_edits(model: Model, name: str) -> tuple[Edit, ...]:
    """Return the edits that put a paper's L2 on every trainable kernel without a regularizer.

    Raises:
        UsageError: no recipe has this name.
        RefusedEditError: there is no such kernel.
    """
    recipe = RECIPES.get(name)
    if recipe is None:
        raise UsageError(f"no recipe is called {name!r}; recipes are {', '.join(RECIPES)}")
    value = {"class_name": "L2", "config": {"l2": recipe.l2}}
    edits = {
        (layer.path, weight.regularizer_key): Edit(layer.path, weight.regularizer_key, value)
        for layer, weight in model.weights()
        if weight.role in KERNEL_ROLES
        and weight.trainable
        and weight.regularizer_key
        and weight.shared_with is None
        and weight.regularizer is None
        and (recipe.depthwise or "depthwise" not in weight.regularizer_key)
    }
    if not edits:
        raise RefusedEditError("no trainable kernel is without a regularizer")
    return tuple(edits.values())
