"""Classes of layers, by what they do to the values that pass through them."""

from regaudit.keras_semantics.layer_table import (
    KERNEL_ROLES,
    LAYERS,
    LAYERS_OF_KERAS_2,
    RANDOM_REGULARIZERS,
)

MERGES = frozenset(
    {"Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract"}
)
"""Layers, and operations of the same names, that make one tensor out of several."""

POOLING = frozenset(
    f"{reach}{kind}Pooling{rank}D"
    for reach in ("", "Global")
    for kind in ("Average", "Max")
    for rank in (1, 2, 3)
)

RESHAPING = frozenset(
    {
        *(
            f"{kind}{rank}D"
            for kind in ("Cropping", "UpSampling", "ZeroPadding")
            for rank in (1, 2, 3)
        ),
        "Flatten",
        "Identity",
        "InputLayer",
        "Masking",
        "Permute",
        "RepeatVector",
        "Reshape",
    }
)
"""Layers that move values about and leave them as they are."""

ACTIVATIONS = frozenset(
    {"Activation", "ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax", "ThresholdedReLU"}
)

AUGMENTATIONS = frozenset(
    {
        "AugMix",
        "AutoContrast",
        "CutMix",
        "Equalization",
        "MixUp",
        "RandAugment",
        "RandomBrightness",
        "RandomColorDegeneration",
        "RandomColorJitter",
        "RandomContrast",
        "RandomCrop",
        "RandomElasticTransform",
        "RandomErasing",
        "RandomFlip",
        "RandomGaussianBlur",
        "RandomGrayscale",
        "RandomHeight",
        "RandomHue",
        "RandomInvert",
        "RandomPerspective",
        "RandomPosterization",
        "RandomRotation",
        "RandomSaturation",
        "RandomSharpness",
        "RandomShear",
        "RandomTranslation",
        "RandomWidth",
        "RandomZoom",
        "Solarization",
    }
)
"""Layers that vary what they are fed while training."""

WITH_KERNELS = frozenset(
    name
    for layers in (LAYERS, LAYERS_OF_KERAS_2)
    for name, slots in layers.items()
    if any(slot.role in KERNEL_ROLES for slot in slots)
)
"""Built-in classes that transform what feeds them by weights."""

ONE_BY_ONE = frozenset(
    {*POOLING, *RESHAPING, *ACTIVATIONS, *RANDOM_REGULARIZERS, "ActivityRegularization"}
)
"""Layers that pass on what feeds them, each value by itself or pooled."""
