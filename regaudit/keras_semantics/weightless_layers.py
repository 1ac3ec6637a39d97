"""Keras's own layers that store no weights, by what they do to the values that pass through them.

With `layer_table` these are all public layers of Keras 3.0 to 3.15, tf-keras and tf.keras.
"""

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
"""Of these, PReLU alone has weights."""

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

RANDOM_REGULARIZERS = frozenset(
    {
        "Dropout",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
        "AlphaDropout",
        "GaussianDropout",
        "GaussianNoise",
    }
)
"""Layers that regularize by noise."""

LOOKUPS = frozenset({"StringLookup", "IntegerLookup", "TextVectorization"})
"""Layers that store tables, such as the weights of tf-idf, which are no weights of theirs."""

_OTHERS = frozenset(
    {
        *(f"Adaptive{kind}Pooling{rank}D" for kind in ("Average", "Max") for rank in (1, 2, 3)),
        "AbstractRNNCell",
        "ActivityRegularization",
        "CategoryCrossing",
        "CategoryEncoding",
        "CenterCrop",
        "ContrastLimitedAdaptiveHistogramEqualization",
        "HashedCrossing",
        "Hashing",
        "Lambda",
        "Layer",
        "MaxNumBoundingBoxes",
        "MelSpectrogram",
        "Pipeline",
        "PreprocessingLayer",
        "Rescaling",
        "Resizing",
    }
)

WEIGHTLESS = (
    MERGES
    | POOLING
    | RESHAPING
    | (ACTIVATIONS - {"PReLU"})
    | AUGMENTATIONS
    | RANDOM_REGULARIZERS
    | LOOKUPS
    | _OTHERS
)
"""All of them."""

FOREIGN = frozenset({"TFSMLayer", "JaxLayer", "FlaxLayer", "TorchModuleWrapper"})
"""Layers around models of another framework; no regularizer governs their weights."""
