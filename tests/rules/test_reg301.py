import pytest
from rule_values import evidence, kernel, l2, layer

import regaudit
from regaudit.model import Regularizer, Status
from regaudit.report.severity import Severity
from regaudit.rules.reg301_regularizer_on_frozen_weight import RegularizerOnFrozenWeight
from regaudit.settings.config import Config

FROZEN = Regularizer("L2", 0.0, 1e-4, {"l2": 1e-4}, Status.FROZEN, "the weight is frozen")


def check(*weights, **config):
    return list(RegularizerOnFrozenWeight().check(evidence(layer("a", weights=weights, **config))))


@pytest.mark.parametrize("status", list(Status))
def test_fires_on_frozen_ones_alone(status):
    found = check(kernel("a", regularizer=l2(status=status)))
    assert bool(found) is (status is Status.FROZEN)


def test_a_weight_without_a_regularizer_passes():
    assert not check(kernel("a", trainable=False))


def test_it_says_which_and_why():
    (item,) = check(kernel("a", regularizer=FROZEN))
    assert (item.path, item.severity) == ("a/kernel", Severity.NOTE)
    assert item.message == "L2 does nothing: the weight is frozen"


def test_a_shared_weight_is_found_where_it_is_stored():
    assert not check(kernel("a", regularizer=FROZEN, shared_with="b/kernel"))


@pytest.mark.parametrize(
    ("rank", "role", "fires"),
    [(4, "kernel", False), (4, "bias", True), (None, "kernel", True), (0, "kernel", True)],
)
def test_the_kernel_that_lora_froze_is_left_to_another_rule(rank, role, fires):
    assert bool(check(kernel("a", role=role, regularizer=FROZEN), lora_rank=rank)) is fires


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("frozen", ["first", "second", None])
def test_in_keras_the_weights_that_it_names_add_no_penalty(keras, frozen, tmp_path):
    layers = [
        keras.layers.Dense(4, kernel_regularizer="l2", trainable=name != frozen, name=name)
        for name in ("first", "second")
    ]
    model = keras.Sequential([keras.Input((8,)), *layers])
    model.save(tmp_path / "model.keras")
    report = regaudit.audit(tmp_path / "model.keras", Config.default(select=["REG301"]))
    named = [item.path for finding in report.findings for item in finding.items]
    assert named == ([f"{frozen}/kernel"] if frozen else [])
    assert len(keras.models.load_model(tmp_path / "model.keras").losses) == 2 - len(named)
