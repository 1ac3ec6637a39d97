import pytest
from msgspec.structs import replace
from rule_values import adam, evidence, kernel, layer

from regaudit.rules.reg307_decay_reaches_norms_and_biases import DecayReachesNormsAndBiases


def found(*roles, decay=4e-3, **changes):
    weights = tuple(
        replace(kernel("a", (8,), role=role, **changes), stored_path=f"a/{number}")
        for number, role in enumerate(roles)
    )
    model = evidence(layer("a", weights=weights), optimizer=adam("AdamW", weight_decay=decay))
    return list(DecayReachesNormsAndBiases().check(model))


def test_counts_what_is_reached():
    (item,) = found("kernel", "bias", "gamma", "bias", "beta")
    assert "of 0.004 also decays 2 biases, 1 gamma and 1 beta," in item.message
    assert item.path == ""
    (item,) = found("bias")
    assert "also decays 1 bias," in item.message


@pytest.mark.parametrize("decay", [None, 0.0])
def test_without_decay_nothing_is_reached(decay):
    assert not found("bias", decay=decay)


def test_kernels_frozen_and_shared_variables_do_not_count():
    assert not found("kernel", "moving_mean")
    assert not found("bias", trainable=False)
    assert not found("bias", shared_with="b/bias")


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
def test_what_is_excluded_is_not_saved_and_can_be_excluded_again(tmp_path):
    keras = pytest.importorskip("keras")
    np = pytest.importorskip("numpy")
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)])
    optimizer = keras.optimizers.SGD(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    model.compile(optimizer, "mse")
    model.layers[0].bias.assign([1.0, 1.0, 1.0])
    data = np.zeros((8, 4)), np.ones((8, 3))  # no error, hence no gradient
    model.fit(*data, verbose=0)
    model.save(tmp_path / "model.keras")
    assert np.array(model.layers[0].bias) == pytest.approx(1.0)

    loaded = keras.models.load_model(tmp_path / "model.keras")
    loaded.optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    loaded.fit(*data, verbose=0)
    assert np.array(loaded.layers[0].bias) == pytest.approx(1.0)

    forgotten = keras.models.load_model(tmp_path / "model.keras")
    forgotten.fit(*data, verbose=0)
    assert np.array(forgotten.layers[0].bias) == pytest.approx(0.95)
