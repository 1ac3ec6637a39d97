"""What is declared of custom classes: held against what the file stores."""

import json

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

import regaudit
from regaudit.cli import main
from regaudit.errors import UsageError
from regaudit.model import Layer, Model, Weight
from regaudit.report.report import Report
from regaudit.settings.config import Config, read_config
from regaudit.settings.stored_roles import roles_page
from regaudit.settings.to_toml import settings_page

keras = pytest.importorskip("keras")
pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@keras.saving.register_keras_serializable("team")
class MyDense(keras.layers.Dense):
    """A subclass that changes nothing."""


@keras.saving.register_keras_serializable("team")
class MyBlock(keras.layers.Layer):
    """Names its weights in its own way."""

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 3), name="w")
        self.b = self.add_weight(shape=(3,), name="b")

    def call(self, x):
        return x @ self.w + self.b


FILES = ("m.keras", "m.h5", "m.weights.h5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("declared")
    layers = [
        keras.Input((4,)),
        MyDense(5, kernel_regularizer="l2", name="d"),
        MyBlock(name="block"),
        keras.layers.Dense(1, name="out"),
    ]
    model = keras.Sequential(layers)
    model.save(folder / "m.keras")
    model.save(folder / "m.h5")
    model.save_weights(folder / "m.weights.h5")
    (folder / "m.json").write_text(model.to_json())
    return folder


def audited(folder, file, **layers):
    config = Config.default(layers=layers)
    architecture = json.loads((folder / "m.json").read_text())
    return regaudit.audit(folder / file, replace(config, architecture=architecture))


def layers_of(report):
    assert report.failure is None, report.failure
    return {layer.path: layer for layer in report.model.layers}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("name", ["MyDense", "team>MyDense"])
def test_a_class_reads_as_one_of_keras(folder, file, name):
    layer = layers_of(audited(folder, file, **{name: "Dense"}))["d"]
    kernel, bias = layer.weights
    assert (layer.class_name, layer.known) == ("Dense", True)
    assert (kernel.role, kernel.regularizer.l2, kernel.trainable_known) == ("kernel", 0.01, True)
    assert (kernel.units.units, bias.role, bias.bare) == (5, "bias", True)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("roles", [["kernel", "bias"], ["kernel", "bias", "scale?"]])
def test_roles_are_given_by_order_where_names_do_not_tell(folder, file, roles):
    layer = layers_of(audited(folder, file, MyBlock=roles))["block"]
    assert [weight.path for weight in layer.weights] == ["block/kernel", "block/bias"]
    assert not layer.known
    assert not any(weight.regularizer_known for weight in layer.weights)


def test_roles_are_given_by_stored_names(folder):
    layer = layers_of(audited(folder, "m.h5", MyBlock=["b", "scale?", "w"]))["block"]
    assert {weight.role: weight.shape for weight in layer.weights} == {"b": (3,), "w": (5, 3)}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "value",
    ["Conv2D", "BatchNormalization", ["kernel"], ["bias", "kernel"], ["kernel", "bias", "scale"]],
)
def test_what_does_not_fit_is_refused_with_both(folder, file, value):
    failure = audited(folder, file, MyBlock=value).failure
    assert failure.kind == "UnreadableModelError"
    assert "layer block of team>MyBlock stores " in failure.message
    assert "(5 x 3)" in failure.message
    assert "declared is " in failure.message


def test_it_says_that_it_is_custom_code(folder):
    reasons = {one.path: one.reason for one in audited(folder, FILES[0], MyDense="Dense").skipped}
    assert reasons["d"] == "custom code: team>MyDense is read as Dense, as declared"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("Dens", "did you mean 'Dense'"),
        (["kernl"], "did you mean 'kernel'"),
        (["kernel", "kernel?"], "twice"),
        (["a b"], "no role"),
        ([], "must be a class of Keras or a list of roles"),
        (3, "must be a class of Keras or a list of roles"),
        ("Dropout", "no layer of Keras that has weights"),
    ],
)
def test_wrong_declarations_are_refused(value, said):
    with pytest.raises(UsageError, match=said):
        Config.default(layers={"MyDense": value})


def test_the_command_line_wins_over_the_file_class_by_class(tmp_path):
    file = tmp_path / "regaudit.toml"
    file.write_text('[layers]\nA = "Dense"\n"team>B" = ["kernel", "bias?"]\n', "utf-8")
    config = read_config(file, layers={"A": "Embedding"})
    assert [(one.name, one.value) for one in config.roles] == [
        ("A", "Embedding"),
        ("team>B", ["kernel", "bias?"]),
    ]
    file.write_text(settings_page(config), "utf-8")
    assert read_config(file).roles == config.roles


@pytest.mark.parametrize("command", ["inspect", "check"])
def test_commands_take_roles(folder, command):
    args = [command, "--isolated", str(folder / FILES[0]), "--role", "MyBlock=kernel,bias,scale"]
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 3
    assert "stores variable_0 (5 x 3), variable_1 (3)" in " ".join(result.output.split())


@pytest.mark.parametrize("role", ["MyDense", "=Dense", "MyDense=", "MyDense=Dens"])
def test_a_wrong_role_is_wrong_usage(folder, role):
    result = CliRunner().invoke(main, ["inspect", str(folder / FILES[0]), "--role", role])
    assert result.exit_code == 2


@pytest.mark.parametrize("file", ["m.keras", "m.h5"])
def test_what_is_stored_is_printed_to_be_pasted(folder, file, tmp_path):
    project = tmp_path / "pyproject.toml"
    printed = CliRunner().invoke(main, ["inspect", "--isolated", "--roles", str(folder / file)])
    assert printed.exit_code == 0
    project.write_text(printed.output, "utf-8")
    config = read_config(project)
    assert [one.name for one in config.roles] == ["team>MyDense", "team>MyBlock"]
    assert "(5 x 3)" in printed.output
    layer = layers_of(regaudit.audit(folder / file, config))["block"]
    plain = layers_of(regaudit.audit(folder / file))["block"]
    assert layer.weights == plain.weights


@pytest.mark.parametrize(
    ("name", "role"), [('a"]\n[evil]\n\x1b', "kernel"), ("::error::x", "kernel"), ("A", "a b\n")]
)
def test_names_of_anybody_break_out_of_nothing(name, role, tmp_path):
    weight = Weight("l/w", "w", role, (2, 3), "float32", trainable=True)
    layer = Layer("l", "l", name, {}, trainable=True, known=False, weights=(weight,))
    page = roles_page([Report("m", model=Model("m", "M", (layer,)))])
    file = tmp_path / "pyproject.toml"
    file.write_text(page, "utf-8")
    assert "::" not in page
    assert [one.name for one in read_config(file).roles] == ([] if " " in role else [name])
