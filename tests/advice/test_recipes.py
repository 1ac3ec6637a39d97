"""Known architectures: recognized by their layers, in whatever model and under whatever name."""

import json

import pytest
from rule_values import evidence, layer
from samples import sampled

from regaudit.advice.recipes import RECIPES, above, recognized
from regaudit.keras_semantics.describe import describe
from regaudit.tensors.tensor import TensorGroup

VGG16 = [("Conv2D", 13), ("MaxPooling2D", 5)]


def layers(kinds, below="", size=(3, 3)):
    return tuple(
        layer(f"{below}{class_name}_{n}", class_name, kernel_size=list(size))
        for class_name, count in kinds
        for n in range(count)
    )


def names(*found):
    return {at: recipe.name for at, recipe in recognized(evidence(*found).model).items()}


def test_a_whole_model():
    assert names(*layers(VGG16), layer("top", units=10)) == {"": "VGG16"}


def test_one_inside_another_model():
    head = layer("head", "Conv2D", kernel_size=[1, 1])
    assert names(*layers(VGG16, "block/vgg/"), head) == {"block/vgg": "VGG16", "block": "VGG16"}


@pytest.mark.parametrize(
    "others",
    [
        [("Conv2D", 14), ("MaxPooling2D", 5)],
        [("Conv2D", 13), ("MaxPooling2D", 4)],
        [("Conv2D", 13), ("MaxPooling2D", 5), ("DepthwiseConv2D", 1)],
    ],
)
def test_other_layers_are_another_architecture(others):
    assert not names(*layers(others))


def test_other_kernels_are_another_architecture():
    assert not names(*layers(VGG16, size=(5, 5)))


@pytest.mark.parametrize("size", [None, 3, "3x3", [], [float("nan"), 10**400], {"a": 1}])
def test_odd_kernel_sizes_are_no_architecture(size):
    assert not names(layer("odd", "Conv2D", kernel_size=size))


def test_no_two_recipes_are_of_the_same_layers():
    assert len({frozenset(recipe.layers.items()) for recipe in RECIPES}) == len(RECIPES)


def test_the_nearest_place_comes_first():
    assert above("a/b/c") == ["a/b", "a", ""]
    assert above("a") == [""]


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "known"),
    sampled(
        [
            ("VGG16", "VGG16"),
            ("DenseNet121", "DenseNet121"),
            ("EfficientNetB0", "EfficientNetB0"),
            ("EfficientNetB2", "EfficientNetB1 or B2"),
            ("InceptionV3", "InceptionV3"),
            ("MobileNetV2", "MobileNetV2"),
            ("MobileNet", "MobileNet"),
            ("ResNet50", "ResNet50"),
            ("ResNet50V2", "ResNet50V2"),
            ("EfficientNetV2B0", None),
            ("MobileNetV3Small", None),
            ("Xception", None),
        ]
    ),
)
def test_the_applications_of_keras_under_other_names(name, known):
    keras = pytest.importorskip("keras")
    backbone = getattr(keras.applications, name)(weights=None, include_top=False, pooling="avg")
    inputs = keras.layers.Input(backbone.input_shape[1:])
    outputs = keras.layers.Dense(3)(backbone(inputs))
    whole = keras.Model(inputs, outputs, name="renamed")
    described = describe(json.loads(whole.to_json()), {}, TensorGroup()).model
    assert {recipe.name for recipe in recognized(described).values()} == ({known} - {None})
