"""Facts about training: from files that real Keras wrote, and from what optimizers say."""

from math import log

import pytest
from rule_values import adam, evidence, kernel, layer

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import CHANCE_LOSS, TOTAL_PENALTY, lacks
from regaudit.evidence.optimizer_state import Training
from regaudit.evidence.training_facts import Facts
from regaudit.formats.interface import recognize
from regaudit.model import Optimizer, Output

OUT = layer("out", weights=(kernel("out", (100, 10)),), units=10)


def training(class_name="Adam", steps=1000, **config):
    return Training.of(Optimizer(class_name, config, steps))


class TestTraining:
    def test_a_constant_rate(self):
        found = training(learning_rate=1e-3, weight_decay=4e-3, clipnorm=1.0, use_ema=True)
        assert found.shrinkage == pytest.approx(4e-3)
        assert (found.schedule, found.clipping, found.averages) == (None, {"clipnorm": 1.0}, True)

    @pytest.mark.parametrize(
        ("config", "largest"),
        [
            ({"initial_learning_rate": 0.1, "decay_steps": 10}, 0.1),
            ({"initial_learning_rate": 0.0, "warmup_target": 0.2}, 0.2),
            ({"initial_learning_rate": 0.1, "end_learning_rate": 0.4}, 0.4),
            ({"boundaries": [1, 2], "values": [0.3, 0.2, 0.1]}, 0.3),
            ({"initial_learning_rate": 0.1, "m_mul": 2.0}, None),
            ({}, None),
        ],
    )
    def test_of_a_schedule_the_largest_rate_is_known(self, config, largest):
        found = training(learning_rate={"class_name": "Some", "config": config}, weight_decay=0.1)
        assert (found.schedule, found.learning_rate) == ("Some", largest)
        assert found.shrinkage == (None if largest is None else pytest.approx(largest * 100))

    def test_an_l2_penalty_shrinks_as_decay_of_twice_its_strength(self):
        sgd = training("SGD", learning_rate=0.1, momentum=0.9, steps=100)
        assert sgd.penalty_shrinkage(1e-3) == pytest.approx(2 * 0.1 / 0.1 * 1e-3 * 100)
        assert training(learning_rate=0.1).penalty_shrinkage(1e-3) is None

    @pytest.mark.parametrize("rate", [float("nan"), 10**400, "fast", None, True])
    def test_odd_rates_are_unknown(self, rate):
        assert training(learning_rate=rate, weight_decay=0.1).shrinkage is None

    def test_no_decay_shrinks_nothing(self):
        assert training(learning_rate=None, weight_decay=None).shrinkage == 0


@pytest.mark.parametrize(
    ("loss", "value"),
    [
        ("sparse_categorical_crossentropy", log(10)),
        ({"class_name": "CategoricalCrossentropy", "config": {"from_logits": True}}, log(10)),
        ({"class_name": "function", "config": "binary_crossentropy"}, log(2)),
        (["bce"], log(2)),
        ({"out": "categorical_crossentropy"}, log(10)),
        ("mse", None),
        ("my_loss", None),
        ({"class_name": "BinaryCrossentropy", "registered_name": "my>B", "config": {}}, None),
        ({"class_name": "BinaryCrossentropy", "config": {"reduction": "sum"}}, None),
        (None, None),
        (17, None),
    ],
)
def test_the_chance_loss_by_the_loss(loss, value):
    found = evidence(OUT, loss=loss)
    assert found.chance is None if value is None else found.chance.value == pytest.approx(value)
    assert bool(lacks(found, CHANCE_LOSS)) is (value is None)


def test_a_squared_error_needs_the_variance_of_the_targets():
    assert lacks(evidence(OUT, loss="mse"), CHANCE_LOSS) == "--target-variance"
    assert evidence(OUT, loss="mse", facts={"target_variance": 2.5}).chance.value == 2.5


def test_classes_are_found_behind_what_keeps_them():
    chain = (OUT, layer("n", "BatchNormalization"), layer("a", "Softmax"))
    assert evidence(*chain).chance.value == pytest.approx(log(10))
    assert evidence(OUT, layer("f", "Flatten")).chance is None


def test_heads_add_up_by_their_weights():
    other = layer("other", weights=(kernel("other", (100, 4)),), units=4)
    found = evidence(OUT, other, loss=["categorical_crossentropy", "mse"])
    model = found.model
    outputs = (Output("out", "out"), Output("other", "other"))
    both = type(model)(
        **{name: getattr(model, name) for name in model.__slots__}
        | {"outputs": outputs, "loss_weights": {"other": 0.5}}
    )
    given = Evidence(both, facts=Facts(target_variance=2.0))
    assert given.chance.value == pytest.approx(log(10) + 0.5 * 2.0)
    assert "0.5 x 2" in given.chance.basis
    assert Evidence(both).chance is None


@pytest.mark.parametrize(
    "weight", [0.0, -1.0, float("nan"), float("inf"), 10**400], ids=lambda weight: str(weight)[:9]
)
def test_weights_that_leave_nothing_of_the_loss_leave_no_chance_loss(weight):
    """Fuzzing found it: the rules divide by the chance loss."""
    found = evidence(OUT, loss="bce")
    fields = {name: getattr(found.model, name) for name in found.model.__slots__}
    weighted = Evidence(type(found.model)(**fields | {"loss_weights": [weight]}))
    assert weighted.chance is None
    assert "loss weight" in lacks(weighted, CHANCE_LOSS)


class TestPenaltyShrinkage:
    @pytest.mark.parametrize(
        ("momentum", "expected"),
        [(0.0, 0.02), (0.9, 0.2)],  # 2 x 0.1 / (1 - momentum) x 0.001 x 100
    )
    def test_it_is_that_of_weight_decay_twice_as_strong(self, momentum, expected):
        sgd = Training.of(Optimizer("SGD", {"learning_rate": 0.1, "momentum": momentum}, 100))
        assert sgd.penalty_shrinkage(0.001) == pytest.approx(expected)

    @pytest.mark.parametrize(
        "optimizer",
        [
            Optimizer("Adam", {"learning_rate": 0.1}, 100),
            Optimizer("SGD", {"learning_rate": 0.1, "momentum": 1.0}, 100),
            Optimizer("SGD", {}, 100),
            Optimizer("SGD", {"learning_rate": 0.1}, None),
        ],
    )
    def test_it_is_not_known_without_a_rule_or_numbers(self, optimizer):
        assert Training.of(optimizer).penalty_shrinkage(0.001) is None


def test_the_rate_of_a_custom_schedule_is_not_known():
    config = {"initial_learning_rate": 0.5}
    known = {"class_name": "CosineDecay", "config": config, "registered_name": None}
    own = {**known, "registered_name": "my>CosineDecay"}
    rates = [Training.of(adam(learning_rate=one)).learning_rate for one in (known, own)]
    assert rates == [0.5, None]


def test_what_a_weight_adds_is_said_where_it_is_known():
    weight = OUT.weights[0]
    assert evidence(OUT, penalties={weight.path: 0.25}).adds(weight) == "adds 0.25 to the loss"
    assert evidence(OUT, penalties={weight.path: None}).adds(weight) == "adds to the loss"


class TestWeigh:
    big = layer("big", weights=(kernel("big", constraint="MaxNorm"),))

    def kinds(self, found):
        (one, weight), *_ = found.kernels()
        return [reason.kind for reason in found.weigh(one, weight)]

    def test_names_what_there_is(self):
        chain = (
            layer("flip", "RandomFlip"),
            layer("drop", "Dropout", rate=0.5),
            self.big,
            layer("after", "GaussianNoise", stddev=0.1),
            layer("norm", "BatchNormalization"),
            layer("zero", "Dropout", rate=0),
            OUT,
        )
        found = evidence(*chain, optimizer=adam("AdamW", 9_000, weight_decay=4e-3))
        assert self.kinds(found) == [
            "decay",
            "noise",
            "noise",
            "constraint",
            "normalization",
            "augmentation",
        ]
        texts = [reason.text for reason in found.weigh(self.big, self.big.weights[0])]
        assert "Dropout (0.5) on its input" in texts
        assert "GaussianNoise (0.1) on its output" in texts

    @pytest.mark.parametrize(("steps", "counts"), [(4_000, False), (6_000, True), (None, True)])
    def test_decay_counts_once_it_has_had_effect_or_may_have(self, steps, counts):
        found = evidence(self.big, OUT, optimizer=adam("AdamW", steps, weight_decay=4e-3))
        assert ("decay" in self.kinds(found)) is counts


def test_opaque_penalties_are_a_lack():
    found = evidence(OUT, penalties={"out/kernel": None})
    assert lacks(found, TOTAL_PENALTY)
    assert lacks(evidence(OUT), TOTAL_PENALTY) is None


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_real_files_tell_todays_rate_and_the_steps(suffix, tmp_path):
    keras = pytest.importorskip("keras")
    np = pytest.importorskip("numpy")
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)])
    inner = keras.optimizers.AdamW(0.01, weight_decay=0.1)
    model.compile(keras.optimizers.LossScaleOptimizer(inner) if suffix == "keras" else inner, "mse")
    model.fit(np.ones((8, 4)), np.ones((8, 3)), batch_size=2, verbose=0)
    inner.learning_rate = 0.002  # as ReduceLROnPlateau does
    file = tmp_path / f"model.{suffix}"
    model.save(file)
    with recognize(file).read(file) as artifact:
        found = Training.of(artifact.model.optimizer)
    assert (found.class_name, found.steps) == ("AdamW", 4)
    assert found.shrinkage == pytest.approx(0.002 * 0.1 * 4)
