"""A configuration alone: what it says of a model is what its Keras makes of it, and no more."""

import json
import re
import shutil
import zipfile
from itertools import chain
from pathlib import Path

import pytest
from command_line import run
from msgspec.structs import replace
from paths import CORPUS, FIXTURES, MODELS

import regaudit
from regaudit.keras_semantics.configuration_file import parse_configuration
from regaudit.keras_semantics.describe_configuration import describe_configuration
from regaudit.limits import Limits
from regaudit.renderers.interface import renderer
from regaudit.report.read_record import report_of
from regaudit.running.model_search import search

FOLDER = FIXTURES / "configurations"
FILES = sorted(file for file in FOLDER.iterdir() if not file.name.endswith(".oracle.json"))
ARCHIVES = sorted(CORPUS.glob("*/*.keras"))[::9]
MODEL = MODELS / "regularized-cnn.keras"


def config_of(archive):
    with zipfile.ZipFile(archive) as members:
        return json.loads(members.read("config.json"))


def reports(*arguments):
    """Return what an inspection reports, by file."""
    found = json.loads(run("inspect", *arguments, "--format", "json").stdout)["reports"]
    return {one["file"]: one for one in found if not one["failure"]}


@pytest.fixture
def write(tmp_path):
    def written(text, name="model.json"):
        file = tmp_path / name
        file.write_text(text if isinstance(text, str) else json.dumps(text))
        return file

    return written


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_it_says_what_its_keras_makes_of_it(file):
    of = re.fullmatch(r"(.+\.\w*(convnet|branches))\..+", file.name)[1]
    oracle = json.loads((FOLDER / f"{of}.oracle.json").read_text())
    report = regaudit.audit(file)
    assert report.failure is None
    assert report.format == "configuration"
    found = {}
    for layer in report.model.layers:
        assert not layer.unshaped
        if layer.weights:
            found[layer.name] = layer
    assert found.keys() == oracle.keys()
    for name, real in oracle.items():
        weights = sorted((list(w.shape), w.trainable) for w in found[name].weights)
        assert weights == sorted((shape, trained) for _, shape, trained in real["weights"]), name
        held = {w.regularizer_key: w.regularizer for w in found[name].weights if w.regularizer}
        strengths = {key: [one.l1, one.l2] for key, one in held.items()}
        expected = {key: pytest.approx(one) for key, one in real["regularizers"].items()}
        assert strengths == renamed(expected), name


def renamed(regularizers):
    """Return regularizers by the options of Keras 2, without those of layers that hold none."""
    names = {"W_regularizer": "kernel_regularizer", "b_regularizer": "bias_regularizer"}
    return {names.get(key, key): one for key, one in regularizers.items()}


@pytest.mark.parametrize("file", ARCHIVES, ids=lambda file: f"{file.parent.name}/{file.name}")
@pytest.mark.parametrize("noted", [True, False], ids=["shapes noted", "shapes followed"])
def test_it_says_of_each_weight_what_the_whole_file_says(file, noted):
    whole = regaudit.audit(file)
    if whole.model is None:
        pytest.skip("cannot be read")
    config = {**config_of(file), "keras_version": whole.model.keras_version}
    config = config if noted else without_shapes(config)
    alone = describe_configuration(config, "model.json").model
    real = {weight.path: weight for _, weight in whole.model.weights()}
    missing = {skip.path for skip in whole.skipped}
    for _, weight in alone.weights():
        if weight.path not in real:
            assert weight.path in missing
        elif not real[weight.path].dequantized_from:
            stored = real[weight.path]
            assert weight.shape == stored.shape
            assert (weight.trainable, weight.units) == (stored.trainable, stored.units)
            assert (weight.regularizer, weight.constraint) == (
                stored.regularizer,
                stored.constraint,
            )


def without_shapes(value):
    if isinstance(value, dict):
        return {key: without_shapes(one) for key, one in value.items() if key != "build_config"}
    return [without_shapes(one) for one in value] if isinstance(value, list) else value


def unshaped():
    """Return a configuration that does not tell the shape of what the model is fed."""
    config = without_shapes(config_of(MODEL))
    del config["config"]["layers"][0]
    config["config"].pop("build_input_shape", None)
    return config


def in_tensorflow_js(config):
    topology = {"keras_version": "2.15.0", "backend": "tensorflow", "model_config": config}
    return {"format": "layers-model", "modelTopology": topology, "weightsManifest": []}


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda config: config, id="to_json"),
        pytest.param(json.dumps, id="dumped twice"),
        pytest.param(lambda config: config["config"], id="get_config"),
        pytest.param(lambda config: config["config"]["layers"], id="a list of layers"),
        pytest.param(lambda config: dict(sorted(config.items())), id="sorted"),
        pytest.param(in_tensorflow_js, id="TensorFlow.js"),
    ],
)
def test_all_forms_say_the_same(form, write, tmp_path):
    config = config_of(MODEL)
    config["config"]["layers"] = config["config"]["layers"][1:]  # a list keeps no InputLayer
    config["config"]["layers"][0]["config"]["batch_shape"] = [None, 8, 8, 1]
    file = write(json.dumps(form(config)))
    expected = [w for _, w in regaudit.audit(MODEL).model.weights()]
    found = [w for _, w in regaudit.audit(file).model.weights()]
    assert [w.shape for w in found] == [w.shape for w in expected]
    assert [w.regularizer and w.regularizer.l2 for w in found] == [
        w.regularizer and w.regularizer.l2 for w in expected
    ]
    assert reports(tmp_path).keys() == {str(file)}  # a search takes it for a model, too


def test_what_has_no_values_is_said_to_be_unknown(write):
    result = run("inspect", write(config_of(MODEL)), "--format", "json")
    (report,) = json.loads(result.stdout)["reports"]
    kernel = next(w for layer in report["layers"] for w in layer["weights"] if w["regularizer"])
    assert kernel["regularizer"]["l2"] == 0.0001
    assert kernel["stored_path"] is None
    assert {kernel[key] for key in ("penalty", "l1_norm", "l2_norm", "zeros", "sparsity")} == {None}
    assert report["penalty"] == {"total": None, "complete": False}
    assert report["model"]["compiled_known"] is True
    reason = "no weights in the file: norms and penalties are unknown"
    assert {"path": "(weights)", "reason": reason} in report["coverage"]["skipped"]
    needs = {one["code"]: one["needs"] for one in report["not_run"] if not one["partly"]}
    assert needs["REG401"] == "the values of the weights, which a configuration alone does not have"
    assert result.exit_code == 0


def test_shapes_that_do_not_follow_are_unknown_and_their_regularizers_shown(write):
    file = write(unshaped())
    (report,) = json.loads(run("inspect", file, "--format", "json").stdout)["reports"]
    conv = report["layers"][0]
    assert conv["unshaped_weights"] == ["conv/kernel"]
    assert conv["unplaced_regularizers"]["kernel_regularizer"]["l2"] == 0.0001
    assert conv["unplaced_regularizers"]["kernel_regularizer"]["status"] == "in force"
    assert report["model"]["parameters_known"] is False
    assert report["penalty"] == {"total": None, "complete": False}
    partly = {one["code"]: one for one in report["not_run"] if one["partly"]}
    assert "conv" in partly["REG101"]["layers"]
    page = run("inspect", file).output
    assert "at least" in page
    assert "kernel_regularizer" in page


def test_rules_that_need_no_values_find_their_fault(write):
    file = write(config_of(FIXTURES / "rules" / "REG101" / "bad.keras"))
    result = run("check", file)
    assert result.exit_code == 1
    assert "REG101" in result.output


@pytest.mark.parametrize("name", ["terminal", "html", "markdown", "sarif", "junit", "csv", "jsonl"])
def test_every_renderer_copes(name, write, tmp_path):
    into = ("-o", tmp_path / "out") if renderer(name).binary else ()
    result = run("inspect", write(unshaped()), "--format", name, *into)
    assert result.exit_code == 0, result.output


def test_a_report_is_read_back_as_it_was(write):
    record = reports(write(unshaped()))
    (record,) = record.values()
    again = report_of(record)
    assert not again.measured
    assert not again.penalty_complete
    assert again.model.layers[0].unshaped == ("conv/kernel",)


class TestForeignJson:
    @pytest.mark.parametrize(
        "value",
        [
            {"class_name": "Adam", "config": {"learning_rate": 0.1}},
            {"module": "keras_hub.x", "class_name": "BertTokenizer", "config": {}},
            {"trial_id": "1", "hyperparameters": {"space": [{"class_name": "Int", "config": {}}]}},
            {"architectures": ["BertModel"], "model_type": "bert"},
            {"loss": [1, 2], "val_loss": [1, 2]},
            {"name": "package", "version": "1.0"},
            [1, 2],
        ],
    )
    def test_is_not_searched_for_and_refused(self, value, write, tmp_path):
        file = write(value, "config.json")
        assert "no saved model found" in run("check", tmp_path).output
        result = run("check", file)
        assert result.exit_code == 3
        assert "configuration" in result.output

    def test_members_of_an_unzipped_model_are_no_models_of_their_own(self, tmp_path):
        shutil.copytree(CORPUS / "keras-3.15.1" / "mlp.directory", tmp_path / "mlp")
        assert reports(tmp_path).keys() == {str(tmp_path / "mlp")}

    def test_a_graph_model_of_tensorflow_js_is_named(self, write):
        file = write({"format": "graph-model", "modelTopology": {"node": [], "versions": {}}})
        result = run("check", file)
        assert result.exit_code == 3
        assert "a graph model of TensorFlow.js" in result.output


BACKBONE = {
    "module": "keras_hub.src.models.bert.bert_backbone",
    "class_name": "BertBackbone",
    "config": {"name": "bert_backbone", "trainable": True, "num_layers": 1, "dropout": 0.1},
    "registered_name": "keras_hub>BertBackbone",
}


def test_a_backbone_of_keras_hub_is_shown_and_nothing_made_up(write, tmp_path):
    file = write(BACKBONE, "config.json")
    (report,) = json.loads(run("inspect", tmp_path, "--format", "json").stdout)["reports"]
    assert report["file"] == str(file)
    assert report["model"]["class_name"] == "keras_hub>BertBackbone"
    assert report["model"]["parameters_known"] is False
    assert report["penalty"] == {"total": None, "complete": False}
    needs = {one["code"] for one in report["not_run"]}
    assert "REG101" in needs
    assert "how many parameters" in " ".join(run("inspect", file).output.split())


class TestPairs:
    @pytest.fixture
    def folder(self, tmp_path):
        source = CORPUS / "keras-3.15.1"
        shutil.copy(source / "built_by_call.json", tmp_path / "m.json")
        shutil.copy(source / "built_by_call.weights.h5", tmp_path / "m.weights.h5")
        return tmp_path

    def test_they_are_told_and_not_joined_unasked(self, folder):
        result = run("check", folder)
        assert "2 models audited" in result.output
        hint = "m.json may be the configuration of"
        assert hint in result.stderr
        assert "--pair audits them together" in result.stderr

    @pytest.mark.parametrize("named", ["asked for", "named together"])
    def test_they_are_joined(self, folder, named):
        pair = (folder / "m.json", folder / "m.weights.h5")
        given = (folder, "--pair") if named == "asked for" else pair
        result = run("inspect", *given, "--format", "json")
        (report,) = json.loads(result.stdout)["reports"]
        assert report["file"] == str(pair[1])
        assert report["penalty"]["total"] > 0
        expected = run("inspect", pair[1], "--config", pair[0], "--format", "json")
        (other,) = json.loads(expected.stdout)["reports"]
        assert report["layers"] == other["layers"]
        assert "m.json" in report["coverage"]["skipped"][0]["reason"]
        assert "--pair" not in result.stderr

    def test_a_checkpoint_is_paired_by_its_prefix(self, tmp_path):
        source = FIXTURES / "checkpoints" / "tf-2.15.1" / "functional"
        shutil.copy(source / "model.json", tmp_path / "cp.json")
        for part in source.glob("cp.ckpt.*"):
            shutil.copy(part, tmp_path)
        found = reports(tmp_path, "--pair")
        assert len(found) == 1
        (report,) = found.values()
        assert report["model"]["class_name"]
        assert report["penalty"]["total"] is not None

    def test_a_whole_model_is_not_paired(self, tmp_path):
        shutil.copy(CORPUS / "keras-3.15.1" / "mlp.h5", tmp_path / "m.h5")
        (tmp_path / "m.json").write_text(json.dumps(config_of(MODEL)))
        result = run("check", tmp_path, "--pair")
        assert "2 models audited" in result.output
        assert "--pair" not in result.stderr

    def test_other_names_are_not_paired(self, folder):
        (folder / "m.json").rename(folder / "n.json")
        assert "2 models audited" in run("check", folder, "--pair").output

    def test_of_two_configurations_none_is_chosen(self, folder):
        shutil.copy(folder / "m.json", folder / "m.yaml")
        result = run("check", folder, "--pair")
        assert "are configurations of one name" in result.stderr
        assert "3 models audited" in result.output

    def test_the_cache_sees_the_configuration_change(self, folder, tmp_path):
        command = ("inspect", folder, "--pair", "--format", "json", f"--cache={tmp_path / 'kept'}")
        assert '"class_name": "Dense"' in run(*command).stdout
        config = json.loads((folder / "m.json").read_text())
        for layer in config["config"]["layers"]:
            layer["config"]["kernel_regularizer"] = None
        (folder / "m.json").write_text(json.dumps(config))
        before = json.loads(run(*command).stdout)["reports"][0]
        kernels = [w for one in before["layers"] for w in one["weights"] if w["role"] == "kernel"]
        assert not any(kernel["regularizer"] for kernel in kernels)

    def test_a_broken_configuration_fails_the_pair(self, folder):
        (folder / "m.json").write_text('{"class_name": "Sequential", "config": {')
        result = run("check", folder, "--pair")
        assert result.exit_code == 3
        assert "m.json is not valid JSON" in result.output


@pytest.mark.parametrize("name", ["m.json", "m.yaml"])
def test_it_completes_weights_by_config(name, tmp_path):
    source = CORPUS / "keras-3.15.1"
    (tmp_path / name).write_text((source / "built_by_call.json").read_text())
    given = (source / "built_by_call.weights.h5", "--config", tmp_path / name)
    (report,) = json.loads(run("inspect", *given, "--format", "json").stdout)["reports"]
    assert report["penalty"]["total"] > 0


class TestHostile:
    def refused(self, file, **limits):
        limits = replace(Limits(), **limits)
        report = regaudit.audit(file, replace(regaudit.Config.default(), limits=limits))
        assert report.failure is not None
        assert report.failure.kind != "InternalError", report.failure
        return report.failure.message

    @pytest.mark.parametrize(
        "tag",
        [
            '!!python/object/apply:os.system ["touch {}"]',
            "!!python/object/new:os.system [1]",
            "!!python/name:os.system",
            "!!python/module:os",
            "!!python/object:os.Stat {{}}",
            "!!python/bytes 'YQ=='",
            "!!python/complex 1j",
        ],
    )
    def test_no_object_of_a_program_is_made(self, tag, write, tmp_path):
        text = f"class_name: Sequential\nconfig:\n  layers: {tag.format(tmp_path / 'made')}\n"
        assert "an object of a program: it is not made" in self.refused(write(text, "m.yaml"))
        assert not (tmp_path / "made").exists()

    def test_other_tags_are_refused(self, write):
        text = "class_name: Sequential\nconfig: !mine {a: 1}\n"
        assert "not valid YAML" in self.refused(write(text, "m.yaml"))

    @pytest.mark.parametrize("args", ["[1, 2]", "[]", "[i8, !!binary YQ==]", "{a: 1}", "x"])
    def test_a_number_of_numpy_that_is_none(self, args, write):
        tag = "!!python/object/apply:numpy.core.multiarray.scalar"
        text = f"class_name: Sequential\nconfig:\n  layers: {tag} {args}\n"
        assert "not valid YAML" in self.refused(write(text, "m.yaml"))

    def test_what_multiplies_by_reference_is_counted(self, write):
        laughs = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 10}]" for n in range(1, 12))]
        text = "class_name: Sequential\nconfig:\n  layers: []\n" + "\n".join(laughs)
        assert "more than 1,000,000 values" in self.refused(write(text, "m.yaml"))

    def test_what_holds_itself_ends(self, write):
        text = "class_name: Sequential\nconfig: &c\n  layers: [*c]\n"
        assert "nested deeper" in self.refused(write(text, "m.yaml"))

    def test_merged_mappings_are_refused(self, write):
        text = "class_name: Sequential\nconfig:\n  a: &a {k: 1}\n  b:\n    <<: [*a, *a]\n"
        assert "not valid YAML" in self.refused(write(text, "m.yaml"))

    @pytest.mark.parametrize(
        "text",
        [
            "class_name: Sequential\nconfig: " + "[" * 100_000,
            "class_name: Sequential\nconfig:\n" + "\n".join(" " * n + "- " for n in range(300)),
            '{"class_name": "Sequential", "config": ' + "[" * 100_000,
            '{"class_name": "Sequential", "config": ' + '{"a":' * 300 + "1" + "}" * 301,
        ],
        ids=["flow", "block", "lists", "objects"],
    )
    def test_depth(self, text, write):
        name = "m.json" if text.startswith("{") else "m.yaml"
        assert self.refused(write(text, name))

    def test_numbers_beyond_all_bounds_are_no_shapes(self, write):
        config = config_of(MODEL)
        config["config"]["layers"][1]["config"]["filters"] = 10**300
        result = run("inspect", write(config))
        assert result.exit_code in {0, 3}
        assert "bug" not in result.output

    def test_a_reference_to_no_name(self, write):
        text = (FOLDER / "keras-3.15.branches.json").read_text()
        assert "is no reference to a layer" in self.refused(
            write(text.replace('"words", 0, 0', "[], 0, 0"))
        )

    @pytest.mark.parametrize("value", [{}, [], 1, None])
    def test_options_of_another_kind_are_no_shapes(self, value, write):
        config = without_shapes(config_of(MODEL))
        config["config"]["layers"][1]["config"]["padding"] = value
        assert regaudit.audit(write(config)).failure is None

    def test_a_number_of_too_many_digits(self, write):
        text = '{"class_name": "Sequential", "config": {"layers": [], "a": ' + "9" * 5000 + "}}"
        assert "not valid JSON" in self.refused(write(text))

    def test_of_two_equal_keys_the_last_counts_as_for_keras(self, write):
        text = json.dumps(config_of(MODEL))
        twice = text.replace('"l2": 0.0001', '"l2": 7, "l2": 0.0001')
        weights = regaudit.audit(write(twice)).model.weights()
        assert {w.regularizer.l2 for _, w in weights if w.regularizer} == {0.0001}

    def test_too_many_layers(self, write):
        layer = {"class_name": "Dropout", "config": {"name": "d", "rate": 0.5}}
        file = write({"class_name": "Sequential", "config": {"layers": [layer] * 20_001}})
        assert "more than 20,000 layers" in self.refused(file)

    def test_a_million_layers(self, write):
        layers = ",".join(['{"class_name":"D","config":{}}'] * 400_000)
        text = '{"class_name": "Sequential", "config": {"layers": [' + layers + "]}}"
        assert "more than 1,000,000 values" in self.refused(write(text))

    def test_half_a_file(self, write):
        text = json.dumps(config_of(MODEL))
        assert "not valid JSON" in self.refused(write(text[: len(text) // 2]))

    @pytest.mark.parametrize("value", ["2020-01-01", "!!binary YQ==", "!!set {a}"])
    def test_values_that_json_has_not(self, value, write):
        text = f"class_name: Sequential\nconfig:\n  layers: []\n  name: {value}\n"
        assert self.refused(write(text, "m.yaml"))

    def test_nothing_breaks_on_what_is_cut_or_changed(self, write):
        text = (FOLDER / "keras-3.15.branches.json").read_text()
        cuts = (text[:at] for at in range(0, len(text), 997))
        swaps = (text.replace(a, b) for a, b in (("[", "{"), ("null", "[]"), ("true", "null")))
        numbers = (text.replace(a, b) for a, b in (("3", "-3"), ("2", "1e308"), ("4", '"x"')))
        for changed in chain(cuts, swaps, numbers):
            failure = regaudit.audit(write(changed)).failure
            assert failure is None or failure.kind != "InternalError", failure


def test_without_pyyaml_the_way_to_get_it_is_said(monkeypatch, write):
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    failure = regaudit.audit(write("class_name: Sequential\nconfig: {}\n", "m.yaml")).failure
    assert "pip install 'pyyaml>=6'" in failure.message


def test_the_same_in_yaml():
    yaml = pytest.importorskip("yaml")
    config = config_of(MODEL)
    config["config"]["layers"][1]["config"]["kernel_size"] = (3, 3)
    text = yaml.dump(config)
    assert "!!python/tuple" in text
    plain = parse_configuration(json.dumps(config).encode(), "m")
    assert parse_configuration(text.encode(), "m") == plain


def test_a_byte_order_mark_is_no_part_of_it(tmp_path):
    """As Windows writes it."""
    plain = FIXTURES / "checkpoints/tf-2.15.1/sequential/model.json"
    (tmp_path / "model.json").write_bytes(b"\xef\xbb\xbf" + plain.read_bytes())
    found = regaudit.audit(tmp_path / "model.json")
    assert found.failure is None
    assert found.model.layers == regaudit.audit(plain).model.layers
    assert [Path(one).name for one in search(str(tmp_path)).models] == ["model.json"]


def test_no_strength_is_promised_for_a_configuration(tmp_path):
    file = tmp_path / "model.json"
    file.write_bytes((FIXTURES / "checkpoints/tf-2.15.1/sequential/model.json").read_bytes())
    assert "How strong" not in run("check", file).output
    refused = run("sweep", file, "--data", "d.npz", "--val-data", "v.npz")
    assert refused.exit_code in {2, 3}
    assert "File format not supported" not in refused.output
