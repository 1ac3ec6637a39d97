"""Known architectures, recognized by their layers, and the weight decay of their papers.

Papers state the decay d of the update w -= rate * (gradient + d w), or of TensorFlow's `l2_loss`,
which is half the sum of squares. Keras's L2(s) has the gradient 2 s w, so that it is s = d / 2.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from regaudit.model import Layer, Model

_VGG = (
    "Simonyan and Zisserman (2015), Very Deep Convolutional Networks for Large-Scale Image "
    "Recognition, section 3.1"
)
_RESNET = "He et al. (2016), Deep Residual Learning for Image Recognition, section 3.4"
_RESNET_V2 = "He et al. (2016), Identity Mappings in Deep Residual Networks"
_DENSENET = "Huang et al. (2017), Densely Connected Convolutional Networks, section 4.2"
_INCEPTION = (
    "Chollet (2017), Xception, section 4, on Inception V3; TensorFlow's inception_arg_scope"
)
_MOBILENET = (
    "Sandler et al. (2018), MobileNetV2: Inverted Residuals and Linear Bottlenecks, section 6.1"
)
_MOBILENET_V1 = "TensorFlow's mobilenet_v1_arg_scope; Howard et al. (2017), MobileNets, section 3.2"
_EFFICIENTNET = (
    "Tan and Le (2019), EfficientNet: Rethinking Model Scaling for Convolutional Neural "
    "Networks, section 5.2"
)


class Recipe(Struct, frozen=True):
    """The weight decay that the authors of an architecture trained it with."""

    name: str
    """As `keras.applications` calls the architecture."""
    decay: float
    """As they state it: twice the strength of Keras's L2."""
    source: str
    layers: Mapping[str, int]
    """All its convolutions by class and kernel size, and other layers that it must have."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the name of each architecture that it is: B1 and B2 have the same layers."""
        first, *others = self.name.split(" or ")
        return (first, *(first[: -len(other)] + other for other in others))


RECIPES = (
    Recipe("VGG16", 5e-4, _VGG, {"Conv2D 3x3": 13, "MaxPooling2D": 5}),
    Recipe("VGG19", 5e-4, _VGG, {"Conv2D 3x3": 16, "MaxPooling2D": 5}),
    *(
        Recipe(
            f"ResNet{depth}{version}",
            1e-4,
            source,
            {
                "Conv2D 7x7": 1,
                "Conv2D 3x3": blocks,
                "Conv2D 1x1": 2 * blocks + 4,
                "MaxPooling2D": pools,
            },
        )
        for depth, blocks in ((50, 16), (101, 33), (152, 50))
        for version, source, pools in (("", _RESNET, 1), ("V2", _RESNET_V2, 4))
    ),
    *(
        Recipe(
            f"DenseNet{depth}",
            1e-4,
            _DENSENET,
            {"Conv2D 7x7": 1, "Conv2D 3x3": layers, "Conv2D 1x1": layers + 3},
        )
        for depth, layers in ((121, 58), (169, 82), (201, 98))
    ),
    Recipe(
        "InceptionV3",
        4e-5,
        _INCEPTION,
        {
            "Conv2D 1x1": 40,
            "Conv2D 3x3": 17,
            "Conv2D 5x5": 3,
            "Conv2D 1x7": 13,
            "Conv2D 7x1": 13,
            "Conv2D 1x3": 4,
            "Conv2D 3x1": 4,
        },
    ),
    *(
        Recipe(
            "MobileNet",
            4e-5,
            _MOBILENET_V1,
            {"Conv2D 3x3": 1, "DepthwiseConv2D 3x3": 13, "Conv2D 1x1": 13 + top},
        )
        for top in (0, 1)
    ),
    Recipe(
        "MobileNetV2",
        4e-5,
        _MOBILENET,
        {"Conv2D 3x3": 1, "DepthwiseConv2D 3x3": 17, "Conv2D 1x1": 34},
    ),
    *(
        Recipe(
            f"EfficientNet{size}",
            1e-5,
            _EFFICIENTNET,
            {
                "Conv2D 3x3": 1,
                "DepthwiseConv2D 3x3": small,
                "DepthwiseConv2D 5x5": large,
                "Conv2D 1x1": pointwise,
            },
        )
        for size, small, large, pointwise in (
            ("B0", 7, 9, 64),
            ("B1 or B2", 11, 12, 91),
            ("B3", 12, 14, 103),
            ("B4", 14, 18, 127),
            ("B5", 18, 21, 154),
            ("B6", 20, 25, 178),
            ("B7", 25, 30, 217),
        )
    ),
)

_CONVOLUTIONS = frozenset({"Conv2D", "DepthwiseConv2D", "SeparableConv2D"})


def recognized(model: Model) -> dict[str, Recipe]:
    """Return the known architectures in a model by the path below which their layers lie.

    The path is empty where the model as a whole is one; a nested one is found by itself.
    """
    counts: dict[str, Counter[str]] = {}
    for layer in model.layers:
        kind = _kind(layer)
        if kind:
            for place in above(layer.path):
                counts.setdefault(place, Counter())[kind] += 1
    known = {_signature(recipe.layers, recipe.layers): recipe for recipe in RECIPES}
    found = {}
    for place, count in counts.items():
        for others in (frozenset({"MaxPooling2D"}), frozenset[str]()):
            recipe = known.get(_signature(count, others))
            if recipe is not None:
                found[place] = recipe
    return found


def above(path: str) -> list[str]:
    """Return the paths that a layer lies below, the nearest first, the model's empty one last."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[:length]) for length in range(len(parts), -1, -1)]


def _signature(count: Mapping[str, int], others: Any) -> frozenset[tuple[str, int]]:
    """Return all convolutions of a count, and those of its other layers that are named."""
    return frozenset((kind, n) for kind, n in count.items() if " " in kind or kind in others)


def _kind(layer: Layer) -> str | None:
    """Spell what counts of a layer: `Conv2D 3x3`, `MaxPooling2D`; None for other classes."""
    if layer.class_name == "MaxPooling2D":
        return layer.class_name
    size = layer.config.get("kernel_size")
    if layer.class_name not in _CONVOLUTIONS or not isinstance(size, list | tuple):
        return None
    return f"{layer.class_name} {'x'.join(str(side)[:9] for side in size[:2])}"
