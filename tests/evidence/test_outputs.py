"""The outputs of a model: their losses, their classes, and what guessing costs."""

from math import log

import numpy as np
import pytest
from msgspec.structs import replace
from rule_values import evidence, kernel, layer

import regaudit
from regaudit.evidence.graph import Graph
from regaudit.evidence.outputs import heads_of, total_chance
from regaudit.evidence.training_facts import Facts
from regaudit.model import Node, Output


def dense(path, units, **config):
    return layer(path, weights=(kernel(path, (5, units)),), units=units, **config)


def heads(*layers, facts=None, **changes):
    """Return the outputs of a chain of layers, after changes to the model."""
    model = replace(evidence(*layers).model, **changes)
    return heads_of(Graph(model), Facts(**(facts or {})))


def chance(*layers, **changes):
    (head,) = heads(*layers, **changes)
    return head.chance and head.chance.value


def two(**changes):
    """Two outputs, of 10 classes and of one value."""
    nodes = (Node("a", "Dense", ()), Node("b", "Dense", ()))
    outputs = (Output("a", "a"), Output("b", "b"))
    layers = (dense("a", 10), dense("b", 1))
    return heads(*layers, nodes=nodes, outputs=outputs, **changes)


@pytest.mark.parametrize(
    ("loss", "value"),
    [
        ("categorical_crossentropy", log(10)),
        ("CategoricalCrossentropy", log(10)),
        ({"class_name": "SparseCategoricalCrossentropy", "config": {}}, log(10)),
        ("binary_crossentropy", log(2)),
        ({"class_name": "BinaryCrossentropy", "config": {"from_logits": True}}, log(2)),
        ({"class_name": "function", "config": "bce"}, log(2)),
        (["categorical_crossentropy"], log(10)),
        ({"out": "categorical_crossentropy"}, log(10)),
        ("mse", 2.5),
        ("mean_squared_error", 2.5),
        ("hinge", None),
        ({"class_name": "CategoricalCrossentropy", "config": {"reduction": "sum"}}, None),
        ({"class_name": "CategoricalCrossentropy", "config": {"axis": 1}}, None),
        ({"class_name": "MSE", "registered_name": "my>MSE", "config": {}}, None),
        ({"other": "mse"}, None),
        (["mse", "mse"], None),
        (7, None),
        ({}, None),
        ([], None),
        ({"class_name": None, "config": 3}, None),
    ],
)
def test_the_cost_of_guessing_by_the_loss(loss, value):
    found = chance(dense("out", 10), loss=loss, facts={"target_variance": 2.5})
    assert found == (None if value is None else pytest.approx(value))


def test_what_is_missing_and_what_is_assumed_is_said():
    (head,) = heads(dense("out", 10), loss={"other": "mse"})
    assert head.why == "a loss for every output"


@pytest.mark.parametrize(
    ("compiled", "why"),
    [
        (False, "the model is not compiled"),
        (None, "the file tells no loss"),
        (True, "the file tells no loss"),
    ],
)
def test_why_there_is_no_loss_is_said_as_far_as_it_is_known(compiled, why):
    (head,) = heads(dense("out", 1, activation="sigmoid"), loss=None, compiled=compiled)
    assert head.chance.basis == f"ln 2, for a sigmoid output ({why})"
    (head,) = heads(dense("out", 3, activation="softmax"), loss=None, compiled=compiled)
    assert head.chance.basis == f"ln 3, for a softmax over 3 classes ({why})"


def test_small_loss_weights_leave_a_small_chance_loss():
    total, _ = total_chance(two(loss=["categorical_crossentropy", "bce"], loss_weights=[0.1, 0.1]))
    assert total.value == pytest.approx(0.1 * (log(10) + log(2)))


def test_a_squared_error_names_the_fact_that_it_lacks():
    (head,) = heads(dense("out", 1), loss="mse")
    assert (head.chance, head.why) == (None, "--target-variance")


@pytest.mark.parametrize(
    ("activation", "value"),
    [
        ("softmax", log(10)),
        ("sigmoid", log(2)),
        ({"class_name": "function", "config": "softmax"}, log(10)),
        ({"class_name": "Softmax", "config": {}}, log(10)),
        ("linear", None),
        (None, None),
        (3, None),
    ],
)
def test_a_model_that_was_not_compiled_is_judged_by_its_activation(activation, value):
    found = chance(dense("out", 10, activation=activation), loss=None)
    assert found == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize(
    ("after", "classes"),
    [
        (layer("x", "Activation", activation="softmax"), 10),
        (layer("x", "Dropout", rate=0.5), 10),
        (layer("x", "BatchNormalization"), 10),
        (layer("x", "GlobalAveragePooling2D"), 10),
        (layer("x", "Reshape", target_shape=[2, 5]), 5),
        (layer("x", "Reshape", target_shape=[10, -1]), None),
        (layer("x", "Reshape", target_shape=[10, 0]), None),
        (layer("x", "Reshape", target_shape=[]), None),
        (layer("x", "my>Layer"), None),
        (layer("x", "Dense", units=True), None),
    ],
)
def test_classes_are_read_through_what_keeps_them(after, classes):
    (head,) = heads(dense("out", 10), after)
    assert head.classes == classes


@pytest.mark.parametrize(("built_for", "classes"), [((4, 3), 12), ((4, 0), None)])
def test_what_is_flattened_has_as_many_classes_as_values(built_for, classes):
    nodes = (Node("out", "Dense", ()), Node("flat", "Flatten", ("out",), built_for=built_for))
    outputs = (Output("flat", "flat"),)
    (head,) = heads(dense("out", 3), layer("flat", "Flatten"), nodes=nodes, outputs=outputs)
    assert head.classes == classes


def test_two_classes_are_a_choice():
    assert chance(dense("out", 2), loss="categorical_crossentropy") == pytest.approx(log(2))


def test_one_class_is_no_choice():
    assert chance(dense("out", 1), loss="categorical_crossentropy") is None


def test_losses_and_weights_belong_to_outputs_by_place_or_by_name():
    by_place = two(loss=["categorical_crossentropy", "bce"], loss_weights=[1.0, 3.0])
    by_name = two(
        loss={"b": "bce", "a": "categorical_crossentropy"}, loss_weights={"b": 3.0, "a": 1}
    )
    for found in (by_place, by_name):
        assert [head.weight for head in found] == [1.0, 3.0]
        total, why = total_chance(found)
        assert total.value == pytest.approx(log(10) + 3 * log(2))
        assert why == ""


def test_an_output_without_a_loss_does_not_count():
    total, _ = total_chance(two(loss={"a": "categorical_crossentropy"}))
    assert total.value == pytest.approx(log(10))


def test_one_unknown_loss_leaves_the_whole_unknown():
    total, why = total_chance(two(loss=["categorical_crossentropy", "my_own"]))
    assert total is None
    assert "my_own" in why


@pytest.mark.parametrize("weights", [[0, 0], [-1, 0], [float("nan"), 1], [1e30, 1]])
def test_weights_that_leave_no_loss_leave_no_chance_loss(weights):
    total, why = total_chance(two(loss="bce", loss_weights=weights))
    assert total is None
    assert "loss weight" in why


def test_a_model_without_outputs():
    assert heads(dense("out", 10), outputs=()) == ()
    assert total_chance(()) == (None, "an output with a loss")
    (head,) = heads(dense("out", 10), outputs=(Output("gone", "gone"),))
    assert head.classes is None


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("loss", "classes", "target"),
    [
        ("sparse_categorical_crossentropy", 7, lambda: np.arange(70) % 7),
        ("categorical_crossentropy", 7, lambda: np.eye(7)[np.arange(70) % 7]),
        ("binary_crossentropy", 1, lambda: np.arange(70).reshape(-1, 1) % 2),
    ],
)
def test_it_is_what_a_keras_model_without_weights_loses(keras, loss, classes, target, tmp_path):
    activation = "sigmoid" if classes == 1 else "softmax"
    out = keras.layers.Dense(classes, activation=activation, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((3,)), out])
    model.compile("sgd", loss)
    real = model.evaluate(np.ones((70, 3)), target().astype("float32"), verbose=0)
    model.save(tmp_path / "model.keras")
    read = regaudit.audit(tmp_path / "model.keras").model
    total, _ = total_chance(heads_of(Graph(read), Facts()))
    assert total.value == pytest.approx(real, rel=1e-5)
