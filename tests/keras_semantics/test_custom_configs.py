"""Models and layers that custom objects write into their configuration, held against Keras."""

import h5py
import numpy as np
import pytest

import regaudit
from regaudit.model import Status

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore")]

keras = pytest.importorskip("keras")
L, R = keras.layers, keras.regularizers
register = keras.saving.register_keras_serializable
serialize = keras.saving.serialize_keras_object
deserialize = keras.saving.deserialize_keras_object


class Holder(keras.Model):
    """A subclassed model; its subclasses say how its two parts get into the configuration."""

    def __init__(self, one, other, **kwargs):
        super().__init__(**kwargs)
        self.take(one, other)

    def take(self, one, other):
        self.generator, self.discriminator = one, other

    @property
    def parts(self):
        return self.generator, self.discriminator

    def call(self, x):
        one, other = self.parts
        return other(one(x))

    def build(self, shape):
        one, other = self.parts
        for part in (one, other):
            if not part.built:
                part.build(shape)
        self.built = True


@register("held")
class ByOtherKeys(Holder):
    """Keys that are not the names of the attributes, as in a GAN."""

    def get_config(self):
        one, other = self.parts
        return {"gen": serialize(one), "disc": serialize(other)}

    @classmethod
    def from_config(cls, config):
        return cls(deserialize(config["gen"]), deserialize(config["disc"]))


@register("held")
class InList(Holder):
    """A list in the configuration; attributes in the object."""

    def get_config(self):
        return {**super().get_config(), "parts": [serialize(part) for part in self.parts]}

    @classmethod
    def from_config(cls, config):
        return cls(*map(deserialize, config.pop("parts")), **config)


@register("held")
class InDictionaries(Holder):
    """Dictionaries inside dictionaries."""

    def get_config(self):
        one, other = self.parts
        nested = {"models": {"first": serialize(one), "more": [{"second": serialize(other)}]}}
        return {"settings": nested, "temperature": 0.1}

    @classmethod
    def from_config(cls, config):
        models = config["settings"]["models"]
        return cls(deserialize(models["first"]), deserialize(models["more"][0]["second"]))


@register("held")
class AsDictionary(Holder):
    """A dictionary of layers in the object as well."""

    def take(self, one, other):
        self.networks = {"student": one, "teacher": other}

    @property
    def parts(self):
        return self.networks["student"], self.networks["teacher"]

    def get_config(self):
        return {"networks": {key: serialize(part) for key, part in self.networks.items()}}

    @classmethod
    def from_config(cls, config):
        return cls(*map(deserialize, config["networks"].values()))


@register("held")
class PlainConfigs(Holder):
    """Configurations without a class, as `get_config` returns them."""

    def get_config(self):
        one, other = self.parts
        return {"one_config": one.get_config(), "other_config": other.get_config()}

    @classmethod
    def from_config(cls, config):
        parts = [
            keras.Sequential.from_config(config[key]) for key in ("one_config", "other_config")
        ]
        return cls(*parts)


@register("held")
class Block(L.Layer):
    """A custom layer around layers, one of them private."""

    def __init__(self, dense, norm, **kwargs):
        super().__init__(**kwargs)
        self._dense, self.normalization = dense, norm

    def build(self, shape):
        if not self._dense.built:
            self._dense.build(shape)
        if not self.normalization.built:
            self.normalization.build((*shape[:-1], self._dense.units))

    def call(self, x):
        return self.normalization(self._dense(x))

    def get_config(self):
        return {
            **super().get_config(),
            "dense": serialize(self._dense),
            "norm": serialize(self.normalization),
        }

    @classmethod
    def from_config(cls, config):
        return cls(deserialize(config.pop("dense")), deserialize(config.pop("norm")), **config)


HOLDERS = [ByOtherKeys, InList, InDictionaries, AsDictionary, PlainConfigs]


def dense(units, name, **options):
    return L.Dense(units, kernel_initializer="he_normal", name=name, **options)


def two_parts(*, frozen=False):
    keras.utils.set_random_seed(1)
    one = [keras.Input((4,)), dense(8, "a", kernel_regularizer=R.L2(1e-3)), dense(6, "b")]
    lower = [keras.Input((6,)), dense(8, "c", bias_regularizer=R.L1(1e-2)), dense(1, "d")]
    parts = keras.Sequential(one, name="gen"), keras.Sequential(lower, name="disc")
    if frozen:
        parts[1].trainable = False
    return parts


def agrees(file, *, load=True, model=None):
    """Assert that the audit of a file says what Keras says of the model that it loads."""
    report = regaudit.audit(file)
    assert report.failure is None
    loaded = keras.models.load_model(file) if load else model
    assert report.penalty == pytest.approx(sum(map(float, loaded.losses)), rel=1e-5)
    weights = list(report.model.weights())
    assert len(weights) == len(loaded.weights)
    assert report.model.parameters == loaded.count_params()
    trainable = sum(int(np.prod(weight.shape)) for weight in loaded.trainable_weights)
    assert report.model.trainable_parameters == trainable
    regularized = [w.path for _, w in weights if w.regularizer]
    assert len(regularized) == sum(w.regularizer is not None for w in loaded.weights)
    assert all(layer.known for layer, _ in weights)
    assert not any(layer.unplaced for layer in report.model.layers)
    return report


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("holder", HOLDERS)
def test_models_in_a_custom_configuration_are_read(tmp_path, holder, frozen):
    model = holder(*two_parts(frozen=frozen))
    model.build((None, 4))
    file = tmp_path / "model.keras"
    model.save(file)
    report = agrees(file)
    paths = [weight.path for _, weight in report.model.weights()]
    assert "gen/a/kernel" in paths
    assert "disc/d/bias" in paths


@pytest.mark.parametrize("holder", HOLDERS)
def test_without_names_in_the_groups_what_fits_decides(tmp_path, holder):
    """As before Keras 3.6."""
    model = holder(*two_parts())
    model.build((None, 4))
    file = tmp_path / "model"
    model.save(file, zipped=False)
    with h5py.File(file / "model.weights.h5", "r+") as weights:
        weights.visititems(lambda _, group: group.attrs.pop("name", None) and None)
        weights["vars"].attrs.pop("name", None)
    agrees(file, load=False, model=model)


def test_layers_of_custom_layers_inside_a_model_are_read(tmp_path):
    block = Block(dense(3, "inside", kernel_regularizer=R.L1(0.1)), L.BatchNormalization())
    model = keras.Sequential([keras.Input((4,)), block, dense(2, "out")])
    model.save(tmp_path / "model.keras")
    agrees(tmp_path / "model.keras")


def test_custom_layers_in_custom_models_are_read(tmp_path):
    block = Block(dense(6, "inside", kernel_regularizer=R.L1(0.1)), L.LayerNormalization())
    block.build((None, 4))
    model = ByOtherKeys(block, two_parts()[1])
    model.build((None, 4))
    model.save(tmp_path / "model.keras")
    agrees(tmp_path / "model.keras")


def test_parts_that_cannot_be_told_apart_keep_their_regularizers(tmp_path):
    """Of the same shapes and without names: which is which only the code knows."""
    twins = [
        keras.Sequential([keras.Input((4,)), dense(4, name, kernel_regularizer=R.L2(strength))])
        for name, strength in (("a", 0.1), ("b", 0.2))
    ]
    model = ByOtherKeys(*twins)
    model.build((None, 4))
    file = tmp_path / "model"
    model.save(file, zipped=False)
    with h5py.File(file / "model.weights.h5", "r+") as weights:
        weights.visititems(lambda _, group: group.attrs.pop("name", None) and None)
    report = regaudit.audit(file)
    unplaced = [r for layer in report.model.layers for r in layer.unplaced.values()]
    assert [(r.l2, r.status) for r in unplaced] == [(0.1, Status.UNKNOWN), (0.2, Status.UNKNOWN)]
    assert not report.penalty_complete
    assert report.coverage.unplaced_regularizers == 2


@register("held")
class Whole(Holder):
    """Its configuration has all that Keras puts into that of a layer, `trainable` too."""

    def get_config(self):
        one, other = self.parts
        return {**super().get_config(), "one": serialize(one), "other": serialize(other)}

    @classmethod
    def from_config(cls, config):
        one, other = deserialize(config.pop("one")), deserialize(config.pop("other"))
        return cls(one, other, **config)


@register("held")
class Thawing(Whole):
    """Its code does not pass `trainable` on."""

    @classmethod
    def from_config(cls, config):
        return cls(deserialize(config["one"]), deserialize(config["other"]))


@pytest.mark.parametrize("holder", [Whole, Thawing])
def test_whether_a_custom_model_is_frozen_again_is_for_its_code_to_decide(tmp_path, holder):
    model = holder(*two_parts(frozen=True), trainable=False)
    model.build((None, 4))
    file = tmp_path / "model.keras"
    model.save(file)
    loaded = keras.models.load_model(file)
    assert bool(loaded.trainable_weights) is bool(loaded.losses) is (holder is Thawing)
    for _, weight in regaudit.audit(file).model.weights():
        assert not weight.trainable
        own = weight.path.startswith("disc/")  # frozen by itself
        assert weight.trainable_known is own
        if weight.regularizer:
            assert weight.regularizer.status is (Status.FROZEN if own else Status.UNKNOWN)
