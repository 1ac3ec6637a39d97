"""Legacy weights with a configuration beside them: they go where `load_weights` puts them.

What real Keras makes of each pair of files is in `fixtures/by_order/expected.json`.
"""

import json
import random

import h5py
import numpy as np
import pytest
from command_line import run
from msgspec.structs import replace
from paths import CORPUS, FIXTURES

import regaudit
from regaudit.keras_semantics.config_graph import layers_of, name_of
from regaudit.keras_semantics.loading_order import as_loaded
from regaudit.settings.config import read_architecture

PAIRS = FIXTURES / "by_order"
EXPECTED = json.loads((PAIRS / "expected.json").read_text())


def audit(weights, config, **options):
    settings = replace(regaudit.Config.default(), architecture=read_architecture(config))
    return regaudit.audit(weights, settings, **options)


def remarks(report):
    return " ".join(skip.reason for skip in report.skipped if skip.path == "(weights)")


def pair(case):
    name, keras = case.split(": ")
    saved_by, loaded_by = keras.split(" into ")
    return PAIRS / f"{name}.{saved_by}.h5", PAIRS / f"{name}.{loaded_by}.json"


@pytest.mark.parametrize("how", ["by_order", "by_name"])
@pytest.mark.parametrize("case", EXPECTED)
def test_the_penalty_is_that_of_keras_or_both_refuse(case, how):
    expected = EXPECTED[case][how]
    report = audit(*pair(case), by_name=how == "by_name")
    if "refused" in expected:
        assert "Keras does not load these weights" in report.failure.message
    else:
        assert report.failure is None
        assert report.known_penalty == pytest.approx(expected["penalty"], rel=2e-6)


def without_build_configs(value):
    """Return a configuration as Keras 2.12 and older wrote it, which noted no shapes of layers."""
    if isinstance(value, list):
        return [without_build_configs(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {k: without_build_configs(v) for k, v in value.items() if k != "build_config"}


@pytest.mark.parametrize("case", [case for case in EXPECTED if case.endswith("into tfkeras")])
def test_shapes_are_followed_through_the_layers_where_they_are_not_told(case):
    weights, config = pair(case)
    architecture = without_build_configs(json.loads(config.read_text()))
    report = regaudit.audit(weights, replace(regaudit.Config.default(), architecture=architecture))
    expected = EXPECTED[case]["by_order"]
    if "refused" in expected:
        assert report.failure is not None
    else:
        assert report.known_penalty == pytest.approx(expected["penalty"], rel=2e-6)


def test_all_kinds_of_outcomes_are_among_the_pairs():
    refused = [case for case in EXPECTED if "refused" in EXPECTED[case]["by_order"]]
    differing = [case for case in EXPECTED if len({str(v) for v in EXPECTED[case].values()}) > 1]
    assert len(EXPECTED) > 100
    assert len(refused) > 20
    assert len(differing) > 40


def test_where_order_and_names_differ_the_report_names_the_first_layers():
    weights, config = pair("numbered: tfkeras into tfkeras")
    by_order, by_name = audit(weights, config), audit(weights, config, by_name=True)
    assert "by order" in remarks(by_order)
    assert "'d' gets what is stored as 'd_1'" in remarks(by_order)
    assert "and 1 more" in remarks(by_order)
    assert "by order, 'd' would get what is stored as 'd_1'" in remarks(by_name)
    assert not remarks(audit(*pair("same: tfkeras into tfkeras")))


def test_by_name_leaves_out_what_has_no_partner_and_says_so():
    report = audit(*pair("too_many: keras3 into keras3"), by_name=True)
    assert {layer.name for layer in report.model.layers if layer.weights} == {"a", "c"}
    assert [skip.path for skip in report.skipped if "not loaded" in skip.reason] == ["b"]
    assert "REG901" not in {finding.code for finding in report.findings}


def test_a_model_that_the_weights_are_not_of_is_a_failure_that_names_the_difference():
    weights, config = pair("too_few: keras3 into keras3")
    found = run("check", weights, "--config", config)
    assert found.exit_code == 3
    said = " ".join(found.output.split())
    assert "3 layers with weights, the file 2, nothing for 'c'" in said
    assert "--by-name" in said
    assert "'a/kernel' has the shape (4, 4), where the file has (4, 5)" in " ".join(
        run(
            "inspect",
            *map(str, pair("wider: keras3 into keras3")[:1]),
            "--config",
            pair("wider: keras3 into keras3")[1],
        ).output.split()
    )


@pytest.mark.parametrize("command", ["inspect", "check", "diff", "report"])
def test_commands_take_by_name(command, tmp_path):
    weights, config = pair("names_swapped: tfkeras into tfkeras")
    files = (weights, weights) if command == "diff" else (weights,)
    files += ("--html", tmp_path / "out.html") if command == "report" else ()
    found = run(command, *files, "--config", config, "--by-name", "--isolated")
    assert found.exit_code in {0, 1}, found.output


def test_by_name_is_for_an_architecture_and_weights_of_the_old_layout():
    weights, _ = pair("same: tfkeras into tfkeras")
    alone = run("inspect", weights, "--by-name")
    assert alone.exit_code == 2
    assert "--config FILE.json" in alone.output
    newer = CORPUS / "keras-3.15.1" / "nested_outer_frozen.weights.h5"
    refused = run(
        "inspect", newer, "--config", newer.with_name("nested_outer_frozen.json"), "--by-name"
    )
    assert refused.exit_code == 3
    assert "not by name" in refused.output


def test_names_swapped_inside_a_nested_model_are_told():
    report = audit(*pair("nested: tfkeras into tfkeras"))
    swapped = [f for f in report.findings if f.code == "REG905"]
    assert {item.path for f in swapped for item in f.items} >= {"k/a/kernel", "k/b/kernel"}


def dense(name, **config):
    return {"class_name": "Dense", "config": {"name": name, "units": 2, **config}}


def save(folder, *names, top=0, custom=()):
    """Write weights alone, of dense layers and of custom ones, and return the file."""
    file = folder / "w.h5"
    with h5py.File(file, "w") as hdf5:
        hdf5.attrs["layer_names"] = [name.encode() for name in names]
        hdf5.attrs["keras_version"] = "2.15.0"
        for at, name in enumerate(names):
            shapes = [(3,)] if name in custom else [(2, 2), (2,)]
            group = hdf5.create_group(name)
            roles = ["kernel", "bias"][: len(shapes)]
            group.attrs["weight_names"] = [f"{name}/{role}:0".encode() for role in roles]
            for role, shape in zip(roles, shapes, strict=True):
                group.create_dataset(f"{name}/{role}:0", data=np.full(shape, at + 1.0))
        above = hdf5.create_group("top_level_model_weights")
        above.attrs["weight_names"] = [b"extra:0"] * top
        for _ in range(top):
            above.create_dataset("extra:0", data=np.ones(2))
    return file


def audited(file, *layers):
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": list(layers)}}
    settings = replace(
        regaudit.Config.default(), architecture={**config, "keras_version": "2.15.0"}
    )
    return regaudit.audit(file, settings)


def sources(report):
    return {weight.path: weight.stored_path for _, weight in report.model.weights()}


def custom(name):
    return {"class_name": "Gate", "registered_name": "mine>Gate", "config": {"name": name}}


def test_a_custom_layer_takes_the_group_that_is_left(tmp_path):
    file = save(tmp_path, "p", "q", "r", custom={"q"})
    report = audited(file, dense("a"), custom("gate"), dense("b"))
    assert sources(report)["a/kernel"] == "p/p/kernel:0"
    assert sources(report)["b/kernel"] == "r/r/kernel:0"
    assert sources(report)["gate/kernel"] == "q/q/kernel:0"


def test_a_custom_layer_without_weights_takes_none(tmp_path):
    report = audited(save(tmp_path, "p", "q"), dense("a"), custom("gate"), dense("b"))
    assert sources(report)["b/kernel"] == "q/q/kernel:0"


def test_operations_of_tensorflow_take_none(tmp_path):
    operation = {"class_name": "TFOpLambda", "config": {"name": "p", "function": "nn.relu"}}
    file = save(tmp_path, "p", "q", "r", custom={"q"})
    report = audited(file, dense("a"), operation, custom("gate"), dense("b"))
    assert sources(report)["gate/kernel"] == "q/q/kernel:0"


def test_of_several_custom_layers_the_names_tell_which_have_weights(tmp_path):
    layers = [custom("one"), dense("a"), custom("two")]
    report = audited(save(tmp_path, "p", "two", custom={"two"}), *layers)
    assert sources(report)["a/kernel"] == "p/p/kernel:0"
    untold = audited(save(tmp_path, "p", "q", custom={"q"}), *layers)
    assert "which of its custom layers have weights" in untold.failure.message


def test_weights_of_the_model_itself_fit_no_model_of_layers(tmp_path):
    report = audited(save(tmp_path, "a", top=1), dense("a"))
    assert "1 weight of the model itself" in report.failure.message


def test_weights_that_are_listed_and_missing_are_not_loaded(tmp_path):
    file = save(tmp_path, "a", "b")
    with h5py.File(file, "r+") as hdf5:
        del hdf5["a/a/bias:0"]
    assert "'a/a/bias:0'" in audited(file, dense("a"), dense("b")).failure.message


def test_the_configuration_tells_which_keras_loads():
    into_3 = audit(*pair("nested_frozen: tfkeras into keras3"))
    into_2 = audit(*pair("nested_frozen: keras3 into tfkeras"))
    assert into_3.model.keras_version.startswith("3.")
    assert into_2.model.keras_version.startswith("2.")


@pytest.mark.keras
@pytest.mark.parametrize("library", ["keras", "tf_keras"])
@pytest.mark.parametrize("seed", range(5))
def test_layers_have_the_order_that_keras_gives_them(library, seed):
    keras = pytest.importorskip(library)
    chance = random.Random(seed)
    tensors = [keras.Input((2,), name=f"in_{at}") for at in range(2)]
    shared = keras.layers.Dense(2, name="shared")
    for at in range(12):
        sources = chance.sample(tensors, 2)
        kinds = [
            lambda at=at: keras.layers.Dense(2, name=f"d_{at}")(sources[0]),  # noqa: B023
            lambda at=at: keras.layers.Add(name=f"a_{at}")(sources),  # noqa: B023
            lambda: shared(sources[0]),  # noqa: B023
        ]
        tensors.append(chance.choice(kinds)())
    outputs = [tensors[-1], *chance.sample(tensors[2:], 2)]
    config = json.loads(keras.Model(tensors[:2], outputs).to_json())
    chance.shuffle(config["config"]["layers"])
    loaded = keras.models.model_from_json(json.dumps(config))
    ours = as_loaded(config, before_keras_3=library == "tf_keras")
    assert [name_of(layer) for layer in layers_of(ours)] == [one.name for one in loaded.layers]


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library", ["keras", "tf_keras"])
@pytest.mark.parametrize("names", ["xyz", "cab", "bxa"])
def test_a_whole_model_of_other_names_than_its_weights_is_loaded_by_order(library, names, tmp_path):
    keras = pytest.importorskip(library)
    layers = [keras.layers.Dense(2, name=n, kernel_regularizer="l2") for n in "abc"]
    layers[1].kernel_regularizer = None
    model = keras.Sequential([keras.layers.Input((2,)), *layers])
    model.layers[0].set_weights([np.full((2, 2), 5.0), np.ones(2)])
    file = tmp_path / "m.h5"
    model.save(file)
    with h5py.File(file, "r+") as hdf5:
        config = hdf5.attrs["model_config"]
        for old, new in zip("abc", names, strict=True):
            config = config.replace(f'"name": "{old}"', f'"name": "={new}"')
        hdf5.attrs["model_config"] = config.replace('"name": "=', '"name": "')
    loaded = keras.models.load_model(file)
    report = regaudit.audit(file)
    assert report.penalty == pytest.approx(sum(float(loss) for loss in loaded.losses))
    assert "as load_model does" in remarks(report)
