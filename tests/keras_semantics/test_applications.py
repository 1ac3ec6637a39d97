"""Stock models of keras.applications: a handful of findings each, every one of them true."""

import pytest

import regaudit
from regaudit.renderers.terminal import Terminal
from regaudit.report.view import View
from regaudit.settings.config import read_config

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore")]

SMALL = {"weights": None, "input_shape": (32, 32, 3), "classes": 10}
MODELS = {
    "DenseNet121": SMALL,
    "EfficientNetB0": SMALL,
    "MobileNet": {**SMALL, "alpha": 0.25},
    "MobileNetV2": {**SMALL, "alpha": 0.35},
    "MobileNetV3Small": SMALL,
    "ResNet50": SMALL,
}
"""Those that stay small: 1 to 24 million parameters."""

ARGUED = {
    "REG101": "no application ships a regularizer",
    "REG312": "ResNet's convolutions keep their biases before BatchNormalization",
}
"""What may be found in any of them, and why it is true."""


SAMPLE = {"MobileNetV2", "MobileNetV3Small", "ResNet50"}
"""Those that are always made: each is found out about something else."""


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=() if name in SAMPLE else pytest.mark.slow) for name in MODELS
    ],
)
def stock(request, tmp_path_factory):
    keras = pytest.importorskip("keras")
    keras.utils.clear_session(free_memory=False)
    model = getattr(keras.applications, request.param)(**MODELS[request.param])
    model.compile("adam", "sparse_categorical_crossentropy")
    file = tmp_path_factory.mktemp("stock") / f"{request.param}.keras"
    model.save(file)
    return model, file


def items(report, code):
    return [item for one in report.findings if one.code == code for item in one.items]


def test_a_handful_of_findings_and_each_is_argued(stock):
    _, file = stock
    report = regaudit.audit(file)
    assert report.failure is None
    assert len(report.findings) <= 5
    assert {finding.code for finding in report.findings} <= ARGUED.keys()


def test_large_kernels_are_named_and_they_are_bare(stock):
    model, file = stock
    assert not model.losses
    kernels = {
        weight.path
        for layer in model.layers
        for weight in layer.trainable_weights
        if weight.name.endswith("kernel") and weight.shape.num_elements() >= 100_000
    }
    named = {item.path for item in items(regaudit.audit(file), "REG101")}
    assert named == {path.removeprefix(f"{model.name}/") for path in kernels}


def test_a_strength_is_named_where_no_normalization_follows(stock):
    model, file = stock
    found = [item for item in items(regaudit.audit(file), "REG101") if item.suggestion]
    # Its classes are made by a convolution and a Flatten.
    starts = {item.path for item in found if item.suggestion.basis != "recipe of a paper"}
    assert starts == ({"conv_2/kernel"} if model.name == "MobileNetV3Small" else set())


def test_strict_names_every_kernel(stock):
    model, file = stock
    strict = read_config(None, preset="strict")
    kernels = [w for w in model.trainable_weights if w.name.endswith("kernel")]
    report = regaudit.audit(file, strict)
    assert len(items(report, "REG101")) == len(kernels)
    assert {finding.code for finding in report.findings} <= ARGUED.keys()


def test_biases_are_named_that_a_normalization_subtracts(stock):
    model, file = stock
    idle = {
        f"{feeding.name}/bias"
        for layer in model.layers
        if type(layer).__name__ == "BatchNormalization"
        for feeding in [layer._inbound_nodes[0].parent_nodes[0].operation]
        if getattr(feeding, "bias", None) is not None
    }
    assert {item.path for item in items(regaudit.audit(file), "REG312")} == idle


@pytest.mark.parametrize("width", [80, 160])
def test_what_is_said_of_a_model_fits_a_tall_terminal(stock, width):
    model, file = stock
    text = Terminal().render([regaudit.audit(file)], (), View(width=width, every=False))
    lines = text.splitlines()
    assert len(lines) <= (
        60 if model.name.startswith("mobilenetv2") else 70
    )  # two rules find something
    assert max(map(len, lines)) <= width
    assert "(--all)" in text
