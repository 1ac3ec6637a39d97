"""The audit of every archive, directory and weights file of the corpus agrees with its oracle.

Each oracle is what the very Keras that wrote the file makes of it on loading.
"""

import io
import re
import zipfile
from math import isclose

import h5py
import pytest
from msgspec.structs import replace
from oracles import assert_known, inside_custom_code, oracle_of
from paths import CORPUS

import regaudit
from regaudit.keras_semantics.configuration_file import parse_configuration
from regaudit.keras_semantics.describe import NO_CONFIGURATION
from regaudit.keras_semantics.group_names import group_names
from regaudit.keras_semantics.quantization import MATRICES
from regaudit.model import Status
from regaudit.settings.config import read_architecture

FILES = sorted(
    file
    for kind in ("*/*.keras", "*/*.directory", "*/*.weights.h5", "*/*.weights.json")
    for file in CORPUS.glob(kind)
    if not re.search(r"_\d{5}\.weights\.h5$", file.name)  # shards are read together
    and not file.name.endswith(".plain.keras")  # an HDF5 file by that name
)
WEIGHTS = [file for file in FILES if file.name.endswith((".weights.h5", ".weights.json"))]
THAWED = ("tf-keras-2.21", "nested_outer_frozen.weights.h5")
NUMBERS = ("l1_norm", "l2_norm", "max_abs", "mean", "std")


def agree(left, right, tolerance=1e-5):
    if left is None or right is None:
        return left == right
    return isclose(left, right, rel_tol=tolerance, abs_tol=1e-9)


def pairs(report, oracle):
    """Pair each weight of the oracle with the audited one; a layer without roles by its values."""
    audited = {weight.path: (layer, weight) for layer, weight in report.model.weights()}
    left = dict(audited)
    for expected in oracle["weights"]:
        paths = [expected["path"], *expected["also_at"]]
        # tf.keras 2.12 numbers the cells of a process, and the number is in no file.
        plain = {re.sub(r"_cell_\d+/", "_cell/", path): path for path in audited}
        found = next(
            (plain[p] for p in (re.sub(r"_cell_\d+/", "_cell/", p) for p in paths) if p in plain),
            None,
        )
        if found is None:
            found = next(
                (
                    path
                    for path, (layer, weight) in left.items()
                    if not layer.known
                    and list(weight.shape) == expected["shape"]
                    and same_values(report, weight, expected)
                ),
                None,
            )
        if found is None and expected["role"].startswith("lora_"):
            continue  # LoRA's factors are merged into the kernel before saving
        assert found is not None, expected["path"]
        left.pop(found, None)
        yield (*audited[found], expected)
    for layer, weight in left.values():
        # A variable that a custom model holds twice is stored twice.
        twin = any(same_values(report, weight, other) for other in oracle["weights"])
        assert weight.shared_with or (not layer.known and twin), weight.path


def same_values(report, weight, expected):
    moments = report.moments[weight.stored_path]
    if weight.dtype in {"int8", "uint8"} and weight.role in MATRICES:
        assert weight.dequantized_from in {"int8", "int4", "gptq"}
        real = expected.get("dequantized_l2_norm")
        return real is None or agree(moments.l2_norm, real)
    return all(agree(getattr(moments, name), expected[name]) for name in NUMBERS) and (
        (moments.zeros, moments.nonfinite) == (expected["zeros"], expected["nonfinite"])
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_every_weight_agrees_with_the_keras_that_wrote_it(file):
    holds(regaudit.audit(file), oracle_of(file), described=file not in WEIGHTS)


@pytest.mark.parametrize("file", WEIGHTS, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_the_architecture_completes_a_file_of_weights(file):
    named = file.with_name(f"{file.name.split('.')[0]}.json")
    architecture = named if named.exists() else CORPUS / "keras-3.15.1/mlp.directory/config.json"
    config = replace(regaudit.Config.default(), architecture=read_architecture(architecture))
    report = regaudit.audit(file, config)
    assert report.model.layers
    assert NO_CONFIGURATION not in {skip.reason for skip in report.skipped}
    # Flags set after building the oracle's model are not in its JSON: tf-keras makes `b` trainable.
    holds(report, oracle_of(file), flags=file.parts[-2:] != THAWED)


@pytest.mark.parametrize(
    "file", sorted(CORPUS.glob("*/*.legacy.h5")), ids=lambda file: f"{file.parent.name}/{file.name}"
)
def test_it_completes_weights_of_keras_2_as_well(file):
    with zipfile.ZipFile(file.with_name(file.name.replace(".legacy.h5", ".keras"))) as archive:
        architecture = parse_configuration(archive.read("config.json"), "config.json")
    config = replace(regaudit.Config.default(), architecture=architecture)
    report = regaudit.audit(file, config)
    assert all(layer.known for layer in report.model.layers)
    holds(report, oracle_of(file))


def holds(report, oracle, *, flags=True, described=True):
    """Assert that the report says of each weight what the oracle says.

    Args:
        report: the audit of the file.
        oracle: what its Keras makes of it.
        flags: whether the configuration has the flags `trainable` of the oracle's model.
        described: whether there is a configuration; without one, no layer can be known.
    """
    assert report.failure is None
    if described:
        assert_known(report, oracle)
    else:
        assert not any(layer.known for layer in report.model.layers)
    assert report.coverage.measured == report.coverage.weights
    for layer, weight, expected in pairs(report, oracle):
        at = weight.path
        assert list(weight.shape) == expected["shape"], at
        if oracle["same_values"] is not False:
            assert same_values(report, weight, expected), at
        if not layer.known:
            continue
        assert weight.role == expected["role"], at
        if oracle["loads"] and flags:
            assert weight.trainable == expected["trainable"], at
        regularizer, real = weight.regularizer, expected["regularizer"]
        if real is None:
            assert regularizer is None or regularizer.status is not Status.IN_FORCE, at
        elif real["l1"] is not None:
            assert agree(regularizer.l1, real["l1"]), at
            assert agree(regularizer.l2, real["l2"]), at
        penalty = report.penalties[weight.stored_path]
        if oracle["loads"] and penalty is not None and expected["penalty_f64"] is not None:
            assert agree(penalty, expected["penalty_f64"]), at
    if oracle["loads"] and report.penalty_complete and oracle["losses_total_f64"] is not None:
        assert agree(report.penalty, oracle["losses_total_f64"])


def test_the_corpus_is_there():
    assert len(FILES) > 200


def test_activity_regularizers_are_those_of_the_loaded_layers():
    compared = 0
    for file in sorted(set(FILES) - set(WEIGHTS)):
        oracle, report = oracle_of(file), regaudit.audit(file)
        layers = {layer.path: layer for layer in report.model.layers}
        audited = {
            path: layer.activity_regularizer
            for path, layer in layers.items()
            if layer.activity_regularizer
        }
        classes = {layer["path"]: layer["class_name"] for layer in oracle["layers"]}
        for real in oracle["activity"]:
            path = real["layer"]
            if inside_custom_code(oracle, path) or classes[path] == "TimeDistributed":
                continue  # Keras 2's wrapper shows what it wraps
            if path not in layers:  # sublayers of attention have their layer's
                assert "Attention" in classes[path.rpartition("/")[0]], (file, path)
                continue
            found = audited.pop(path)
            if real["l1"] is not None:
                assert agree(found.l1, real["l1"]), (file, real)
                assert agree(found.l2, real["l2"]), (file, real)
                compared += 1
        for path in audited:  # attention has handed it on to its sublayers
            assert any(real["layer"].startswith(f"{path}/") for real in oracle["activity"]), file
    assert compared > 50


def as_on_windows(file, target):
    """Write an archive as tf.keras 2.12 and 2.13 did on Windows: paths of groups as one name."""
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(target, "w") as new:
        buffer = io.BytesIO()
        weights = io.BytesIO(old.read("model.weights.h5"))
        with h5py.File(weights) as source, h5py.File(buffer, "w") as copy:

            def add(path, item):
                folder, _, last = path.rpartition("/")
                if isinstance(item, h5py.Group) and last == "vars":
                    group = copy.create_group(folder.replace("/", "\\")) if folder else copy
                    source.copy(item, group, name="vars")

            source.visititems(add)
        for name in ("metadata.json", "config.json"):
            new.writestr(name, old.read(name))
        new.writestr("model.weights.h5", buffer.getvalue())


@pytest.mark.parametrize("name", ["mlp", "bidirectional_frozen", "custom_layer"])
def test_groups_that_windows_named_by_backslashes(name, tmp_path):
    file, target = CORPUS / "tf-2.12" / f"{name}.keras", tmp_path / "windows.keras"
    as_on_windows(file, target)
    here, there = regaudit.audit(file), regaudit.audit(target)
    assert there.failure is None
    stored = {
        weight.path: weight.stored_path.replace("\\", "/") for _, weight in there.model.weights()
    }
    assert stored == {weight.path: weight.stored_path for _, weight in here.model.weights()}
    assert any("\\" in path for path in there.moments)
    assert there.penalty == here.penalty
    assert [layer.known for layer in there.model.layers] == [
        layer.known for layer in here.model.layers
    ]


def test_layers_of_one_class_in_several_lists_keep_apart(tmp_path):
    file = tmp_path / "model.weights.h5"
    with h5py.File(file, "w") as hdf5:
        for place, values in (("many/dense", [1.0]), ("pair/dense", [2.0, 2.0]), ("dense", [3.0])):
            hdf5[f"layers/block/{place}/vars/0"] = values
        hdf5["metrics/mean/vars/0"] = 0.0  # of training, as the optimizer's
        hdf5["optimizer/vars/0"] = 0
    report = regaudit.audit(file)
    weights = {weight.path: weight.stored_path for _, weight in report.model.weights()}
    assert len(weights) == report.coverage.weights == 3
    assert {path.partition("block/")[2] for path in weights.values()} == {
        "many/dense/vars/0",
        "pair/dense/vars/0",
        "dense/vars/0",
    }


def test_a_custom_class_counts_by_its_own_name_without_its_package():
    """Keras 2.12 wrote `my_layers>Dense` for a custom class; its group is `dense`."""
    layers = [{"class_name": "my_layers>Dense"}, {"class_name": "Dense"}]
    assert group_names(layers, None) == ["dense", "dense_1"]
