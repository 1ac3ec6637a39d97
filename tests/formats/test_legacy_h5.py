"""Legacy HDF5 files: the corpus against its oracles, and hand-made files for what it lacks.

Each oracle is what the very Keras that wrote the file makes of it on loading.
"""

import json
from math import isclose

import h5py
import numpy as np
import pytest
from oracles import assert_known, oracle_of
from paths import CORPUS

import regaudit
from regaudit.formats.legacy_h5 import LegacyH5
from regaudit.keras_semantics.describe import NO_CONFIGURATION
from regaudit.keras_semantics.quantization import MATRICES
from regaudit.model import Status


def is_legacy(file):
    with h5py.File(file) as hdf5:
        return bool({"model_config", "layer_names"} & set(hdf5.attrs))


CANDIDATES = sorted([*CORPUS.glob("*/*.h5"), *CORPUS.glob("*/*.plain.keras")])
FILES = [file for file in CANDIDATES if is_legacy(file)]
OTHERS = [file for file in CANDIDATES if not is_legacy(file)]
WHOLE = [file for file in FILES if not file.name.endswith(".legacy.h5")]
ALONE = [file for file in FILES if file.name.endswith(".legacy.h5")]
SWAPPED = {
    # Keras 3 fills a group by order, trainable weights first. Thawing d2 inside a frozen model
    # moved it to the front of what is loaded but not of what was saved.
    "swapped": {"keras-3": {"inner/d1/": "inner/d2/", "inner/d2/": "inner/d1/"}},
    # Keras 2 loads by order too, and the flag of a Sequential is not in its configuration:
    # b, thawed, was saved behind pre and is loaded in its place.
    "nested_outer_frozen": {
        "tf": {"middle/pre/": "middle/inner/b/", "middle/inner/b/": "middle/pre/"}
    },
}
"""Files whose weights Keras itself mixes up on loading; the audit goes by their names."""
UNTOLD = {
    # The flags of single sublayers of attention are in no file; these oracles are of the model in
    # memory, since no Keras loads the file. A flag set after building reloads thawed in Keras 3.
    "attention_frozen": ("later/", "part/query/"),
    # Custom layers: nothing in the file says which of their own variables train.
    "custom_layer": ("gate/gain", "g/gain"),
    "custom_model": ("gate/gain", "exit/"),
}
"""Weights whose `trainable` only the model in memory knew."""


def close(left, right, tolerance=1e-5):
    if left is None or right is None:
        return left is right
    return isclose(left, right, rel_tol=tolerance, abs_tol=1e-9)


def name_of(file):
    return f"{file.parent.name}/{file.name}"


def audit(file):
    report = regaudit.audit(file)
    assert report.failure is None, report.failure
    assert report.format == "h5"
    return report


def weights_of(report):
    audited = {weight.path: (layer, weight) for layer, weight in report.model.weights()}
    assert len(audited) == report.coverage.weights == report.coverage.measured
    return audited


def counterpart(file, path):
    """Return the path under which Keras puts these values when it loads the file."""
    for flavour, moved in SWAPPED.get(file.stem, {}).items():
        if file.parent.name.startswith(flavour):
            for source, target in moved.items():
                if path.startswith(source):
                    return target + path.removeprefix(source)
    return path


def same_numbers(report, weight, expected):
    moments = report.moments[weight.stored_path]
    if weight.dtype == "int8" and weight.role in MATRICES:
        assert close(moments.l2_norm, expected["dequantized_l2_norm"]), weight.path
        return
    for key in ("l1_norm", "l2_norm", "max_abs"):
        assert close(getattr(moments, key), expected[key]), (weight.path, key)
    assert (moments.zeros, moments.nonfinite) == (expected["zeros"], expected["nonfinite"])


def same_regularizer(report, layer, weight, expected):
    """Compare the regularizer, and where the values are those Keras has, the penalty."""
    found, wanted = weight.regularizer, expected["regularizer"]
    if not layer.known:
        assert found is None or (weight.placed_by and found.status is Status.UNKNOWN)
        return
    if found is not None and found.status is Status.INERT and wanted is None:
        assert weight.dtype == "int8"  # in the configuration, but dropped with the float kernel
        return
    assert (found is None) == (wanted is None), weight.path
    if found is None:
        return
    if found.status is Status.OPAQUE:
        assert found.class_name.rpartition(">")[2] == wanted["class_name"]
        assert report.penalties[weight.stored_path] is None
        return
    assert found.class_name == wanted["class_name"]
    assert close(found.l1, wanted["l1"], 1e-6)
    assert close(found.l2, wanted["l2"], 1e-6)


def test_the_corpus_holds_legacy_files_of_both_lines_of_keras():
    lines = {file.parent.name.split("-")[0] for file in FILES}
    assert {"tf", "keras"} <= lines
    assert len(FILES) > 80
    assert ALONE


@pytest.mark.parametrize("file", WHOLE, ids=name_of)
def test_every_weight_agrees_with_the_keras_that_wrote_it(file):
    oracle, report = oracle_of(file), audit(file)
    assert_known(report, oracle)
    audited = weights_of(report)
    values = {weight["path"]: weight for weight in oracle["weights"]}
    told = file.name != "attention_frozen.h5"
    seen, moved = set(), False
    for expected in oracle["weights"]:
        path = next(p for p in (expected["path"], *expected["also_at"]) if p in audited)
        layer, weight = audited[path]
        seen.add(path)
        assert weight.role == expected["role"], path
        assert list(weight.shape) == expected["shape"], path
        assert weight.dtype == expected["dtype"], path
        same_regularizer(report, layer, weight, expected)
        loaded_at = counterpart(file, path)
        moved = moved or loaded_at != path
        same_numbers(report, weight, values[loaded_at] if loaded_at != path else expected)
        if not path.startswith(UNTOLD.get(file.stem, ())):
            assert weight.trainable == expected["trainable"], path
            regularizer = weight.regularizer
            opaque = regularizer is None or regularizer.status is Status.OPAQUE
            if not opaque and loaded_at == path and expected["penalty_f64"] is not None:
                placed = report.penalty_if_applied(weight)
                adds = report.penalties[weight.stored_path] if placed is None else placed
                assert close(adds, expected["penalty_f64"]), path
    for path in audited.keys() - seen:
        assert audited[path][1].shared_with in seen, path  # tied.h5 stores one variable twice
    assert oracle["same_values"] is not True or not moved
    if report.penalty_complete and told and not moved and oracle["losses_total_f64"] is not None:
        assert close(report.penalty, oracle["losses_total_f64"], max(oracle["tolerance"], 1e-6))


@pytest.mark.parametrize("file", WHOLE, ids=name_of)
def test_the_model_around_the_weights_agrees_too(file):
    oracle, report = oracle_of(file), audit(file)
    assert report.model.name == oracle["model"]["name"]
    assert report.model.parameters == oracle["model"]["parameters"]
    assert report.model.keras_version == oracle["keras_version"]
    known = {layer.path: layer for layer in report.model.layers if layer.known}
    theirs = {layer["path"]: layer["class_name"] for layer in oracle["layers"]}
    assert known.keys() - {""} <= theirs.keys()
    for path in known.keys() & theirs.keys():
        assert known[path].class_name.rpartition(">")[2] == theirs[path], path


def test_every_dataset_is_accounted_for():
    for file in FILES:
        report = audit(file)
        stored = set()
        with h5py.File(file) as hdf5:
            hdf5.visititems(lambda n, o: stored.add(n) if isinstance(o, h5py.Dataset) else None)  # noqa: B023
        stored = {path for path in stored if not path.startswith("optimizer_weights/")}
        assert {weight.stored_path for _, weight in report.model.weights()} == stored, file


@pytest.mark.parametrize("file", ALONE, ids=name_of)
def test_weights_alone_are_measured_by_name(file):
    oracle, report = oracle_of(file), audit(file)
    audited = weights_of(report)
    assert report.skipped[0] == (
        "(model)",
        NO_CONFIGURATION,
    )
    assert not report.penalty_complete
    assert not any(layer.known for layer in report.model.layers)
    assert len(audited) == len(oracle["weights"])
    for expected in oracle["weights"]:
        # Keras 2 names no outer model, so models inside models are not to be seen.
        path = expected["path"].replace("middle/inner/", "middle/")
        _, weight = audited[path]
        assert weight.role == expected["role"]
        assert weight.regularizer is None
        same_numbers(report, weight, expected)


@pytest.mark.parametrize("file", OTHERS, ids=name_of)
def test_files_of_the_later_layout_are_left_to_others(file):
    assert not LegacyH5().sniff(file)


def test_optimizer_and_loss_are_read():
    for folder in ("tf-2.15", "tf-keras-2.21", "keras-3.15.1"):
        model = audit(CORPUS / folder / "mlp.h5").model
        assert model.optimizer.class_name == "Adam"
        assert model.optimizer.weight_decay == 0.004
        assert model.optimizer.iterations is not None
        assert model.loss == "sparse_categorical_crossentropy"


# Hand-made files ---------------------------------------------------------------------------------

L2 = {"class_name": "L2", "config": {"l2": 0.5}}


def save(file, groups, config=None, *, version="2.15.0", userblock=0):
    """Write a legacy file: `groups` by layer name, each with arrays by weight name, in order."""
    with h5py.File(file, "w", userblock_size=userblock) as hdf5:
        root = hdf5
        if config is not None:
            hdf5.attrs["model_config"] = json.dumps(config)
            root = hdf5.create_group("model_weights")
        if version:
            hdf5.attrs["keras_version"] = version
        root.attrs["layer_names"] = [name.encode() for name in groups if name]
        for name, weights in groups.items():
            group = root.require_group(name or "top_level_model_weights")
            group.attrs["weight_names"] = [key.encode() for key in weights]
            for key, values in weights.items():
                group.create_dataset(key, data=np.asarray(values, np.float32))
    return file


def layer(class_name, name, **config):
    return {"class_name": class_name, "config": {"name": name, **config}}


def sequential(*layers, name="model"):
    return {"class_name": "Sequential", "config": {"name": name, "layers": list(layers)}}


def dense(name, **config):
    return layer("Dense", name, **config)


def kernel(value=1.0):
    return np.full((2, 3), value)


def paths_of(report):
    return {weight.path: weight.stored_path for _, weight in report.model.weights()}


def weight_at(report, path):
    return next(weight for _, weight in report.model.weights() if weight.path == path)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "model.bin"  # the suffix does not count


def test_keras_1_speaks_of_w_u_and_b(file):
    flat = {"name": "L1L2Regularizer", "l1": 0.0, "l2": 0.5}
    config = {
        "class_name": "Sequential",
        "config": [
            layer("Embedding", "embedding_1", input_dim=2, output_dim=3, W_regularizer=flat),
            layer("LSTM", "lstm_1", output_dim=1, W_regularizer=flat, U_regularizer=None),
            layer("BatchNormalization", "norm_1", gamma_regularizer=flat),
            layer("Dense", "dense_1", output_dim=3, b_regularizer=flat, bias=True),
        ],
    }
    gates = {
        f"lstm_1_{letter}_{gate}:0": np.ones((3, 1) if letter == "W" else 1)
        for gate in "icfo"
        for letter in "WUb"
    }
    norm = {f"norm_1_{role}:0": [1.0] for role in ("gamma", "beta", "running_mean", "running_std")}
    groups = {
        "embedding_1": {"embedding_1_W:0": kernel()},
        "lstm_1": gates,
        "norm_1": norm,
        "dense_1": {"dense_1_W:0": kernel(), "dense_1_b:0": [1.0, 1.0, 1.0]},
    }
    report = audit(save(file, groups, config, version=None))
    assert not report.skipped
    assert report.model.keras_version == "1.1 (assumed)"
    assert paths_of(report)["embedding_1/embeddings"].endswith("embedding_1/embedding_1_W:0")
    roles = [weight.role for _, weight in report.model.weights()]
    assert roles.count("kernel") == 5
    assert roles.count("recurrent_kernel") == 4
    assert {"lstm_1/i/kernel", "lstm_1/o/bias", "norm_1/moving_variance"} <= paths_of(report).keys()
    assert not weight_at(report, "norm_1/moving_mean").trainable
    assert report.penalty == pytest.approx(0.5 * (6 + 4 * 3 + 1 + 3))
    assert report.penalty_complete


def test_a_layer_may_be_called_like_a_parent_folder(file):
    config = sequential(dense("..", units=3, kernel_regularizer=L2))
    report = audit(save(file, {"..": {"../kernel:0": kernel(), "../bias:0": np.ones(3)}}, config))
    assert paths_of(report)["../kernel"] == "model_weights/../../kernel:0"
    assert report.penalty == pytest.approx(3.0)
    assert report.penalty_complete


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_keras_writes_and_reads_such_a_layer(library, tmp_path):
    keras = pytest.importorskip(library)
    made = keras.layers.Dense(2, name="..", kernel_regularizer="l2")
    keras.Sequential([keras.layers.Input((2,)), made]).save(tmp_path / "m.h5")
    loaded = keras.models.load_model(tmp_path / "m.h5")
    report = audit(tmp_path / "m.h5")
    assert report.penalty == pytest.approx(sum(float(loss) for loss in loaded.losses))


def gates_of(name):
    shapes = {"W": (3, 1), "U": (2, 1), "b": (1,)}
    return {f"{name}_{x}_{gate}:0": np.ones(shapes[x]) for gate in "icfo" for x in "WUb"}


@pytest.mark.parametrize(
    ("version", "strength"),
    [
        ("1.2.2", 0.5),  # held against the real thing
        (None, 0.25),
    ],
)
def test_keras_1_2_gives_recurrent_gates_the_regularizer_of_kernels(file, version, strength):
    regularizers = {
        "W_regularizer": {"name": "L1L2Regularizer", "l1": 0.0, "l2": 0.5},
        "U_regularizer": {"name": "L1L2Regularizer", "l1": 0.0, "l2": 0.25},
    }
    layers = [layer("LSTM", "lstm_1", output_dim=1, **regularizers)]
    config = {"class_name": "Sequential", "config": layers}
    report = audit(save(file, {"lstm_1": gates_of("lstm_1")}, config, version=version))
    assert report.penalty == pytest.approx(4 * (0.5 * 3 + strength * 2))
    unplaced = report.model.layers[0].unplaced
    assert [r.status for r in unplaced.values()] == ([Status.INERT] if version else [])


def test_keras_1_2_with_all_gates_in_one_matrix(file):
    config = {"name": "L1L2Regularizer", "l1": 0.0, "l2": 0.5}
    options = {"output_dim": 1, "consume_less": "gpu", "U_regularizer": config}
    config = {"class_name": "Sequential", "config": [layer("LSTM", "lstm_1", **options)]}
    groups = {"lstm_1": {"lstm_1_W": kernel(), "lstm_1_U": np.ones((1, 4)), "lstm_1_b": [0.0] * 4}}
    report = audit(save(file, groups, config, version="1.2.2"))
    assert report.penalty == pytest.approx(2.0)


def test_names_of_keras_1_that_tensorflow_numbered(file):
    flat = {"name": "L1L2Regularizer", "l1": 0.0, "l2": 0.5}
    inner = {"name": "seq", "class_name": "Sequential", "config": [dense("d", output_dim=3)]}
    config = {
        "class_name": "Model",
        "config": {
            "name": "model",
            "layers": [inner, {**dense("d", W_regularizer=flat, output_dim=3), "name": "d"}],
            "input_layers": [],
            "output_layers": [],
        },
    }
    groups = {"seq": {"d_W:0": kernel(), "d_b:0": [0.0] * 3}, "d": {"d_W_1:0": kernel()}}
    report = audit(save(file, groups, config, version="1.2.2"))
    assert paths_of(report)["d/kernel"].endswith("d/d_W_1:0")
    assert report.penalty == pytest.approx(3.0)


def test_activations_of_keras_1_with_weights(file):
    config = {
        "class_name": "Sequential",
        "config": [layer("ParametricSoftplus", "soft"), layer("SReLU", "s")],
    }
    ends = ("t_left", "a_left", "t_right", "a_right")
    groups = {
        "soft": {"soft_alphas:0": [1.0], "soft_betas:0": [1.0]},
        "s": {f"s_{role}:0": [1.0] for role in ends},
    }
    report = audit(save(file, groups, config, version="1.2.2"))
    assert list(paths_of(report)) == ["soft/alpha", "soft/beta", *(f"s/{role}" for role in ends)]
    assert all(found.known for found in report.model.layers)


@pytest.mark.parametrize(
    ("version", "penalty"),
    [("2.0.9", 3.0), ("2.1.6", 3.0), ("2.1.6-tf", 6.0), ("2.2.4", 6.0), ("1.2.2", 6.0)],
)
def test_a_bidirectional_before_keras_2_2_forgets_its_backward_layer(file, version, penalty):
    options = {"kernel_regularizer": L2, "W_regularizer": L2, "output_dim": 1, "units": 1}
    options["consume_less"] = "gpu"
    memory = layer("LSTM", "memory", **options)
    config = sequential(layer("Bidirectional", "both", layer=memory))
    names = [
        "both/{}_memory/kernel:0",
        "both/{}_memory/recurrent_kernel:0",
        "both/{}_memory/bias:0",
    ]
    if version.startswith("1"):
        names = ["{}_memory_W:0", "{}_memory_U:0", "{}_memory_b:0"]
    groups = {"both": {n.format(at): kernel() for at in ("forward", "backward") for n in names}}
    report = audit(save(file, groups, config, version=version))
    assert report.penalty == pytest.approx(penalty)
    backward = weight_at(report, "both/backward_memory/lstm_cell/kernel").regularizer
    assert (backward.status is Status.INERT) == (penalty == 3.0)


@pytest.mark.parametrize(
    ("version", "accepted"), [("2.3.1", True), ("2.15.0", True), ("3.5.0", False)]
)
def test_negative_strengths_until_keras_3(file, version, accepted):
    negative = {"class_name": "L2", "config": {"l2": -0.5}}
    config = sequential(dense("a", units=3, kernel_regularizer=negative))
    groups = {"a": {"a/kernel:0": kernel(), "a/bias:0": np.ones(3)}}
    report = audit(save(file, groups, config, version=version))
    status = weight_at(report, "a/kernel").regularizer.status
    assert status is (Status.IN_FORCE if accepted else Status.UNKNOWN)
    assert report.penalty == pytest.approx(-3.0 if accepted else 0.0)


@pytest.mark.parametrize(
    ("version", "status"), [("tf-2.15", Status.IN_FORCE), ("keras-3.15.1", Status.OPAQUE)]
)
def test_keras_2_takes_a_custom_regularizer_for_its_own_of_that_name(version, status):
    file = CORPUS / version / "custom_regularizer.h5"
    oracle = oracle_of(file)
    report = audit(file)
    weight = weight_at(report, "dense_1/kernel")
    (real,) = (entry for entry in oracle["weights"] if entry["path"] == weight.path)
    assert weight.regularizer.status is status
    assert "regaudit_corpus>L2" in weight.regularizer.why
    assert weight.regularizer.l2 == pytest.approx(real["regularizer"]["l2"])
    if status is Status.IN_FORCE:
        assert report.penalties[weight.stored_path] == pytest.approx(real["penalty_f64"])


def test_a_custom_regularizer_with_options_of_its_own_stays_opaque(file):
    custom = {"class_name": "L2", "registered_name": "my>L2", "config": {"strength": 0.5}}
    groups = {"a": {"a/kernel:0": kernel(), "a/bias:0": np.ones(3)}}
    config = sequential(dense("a", units=3, kernel_regularizer=custom))
    report = audit(save(file, groups, config, version="2.15.0"))
    assert weight_at(report, "a/kernel").regularizer.status is Status.OPAQUE


@pytest.mark.parametrize(
    ("version", "divided"),
    [("1.2.2", False), ("2.3.1", False), ("2.2.4-tf", True), ("2.4.0", True)],
)
def test_only_keras_of_tensorflow_divides_activity_penalties(file, version, divided):
    config = sequential(dense("a", units=3, activity_regularizer=L2, output_dim=3))
    names = ("a_W:0", "a_b:0") if version.startswith("1") else ("a/kernel:0", "a/bias:0")
    groups = {"a": {names[0]: kernel(), names[1]: np.ones(3)}}
    report = audit(save(file, groups, config, version=version))
    assert ("not divided" in report.model.layers[0].activity_regularizer.why) != divided


def test_a_model_inside_a_keras_1_sequential_was_stored_flat(file):
    inner = {"class_name": "Sequential", "config": [dense("a", W_regularizer=None, output_dim=3)]}
    config = {"class_name": "Sequential", "config": [inner, dense("b", output_dim=3)]}
    groups = {"a": {"a_W:0": kernel()}, "b": {"b_W:0": kernel(), "b_b:0": [0.0] * 3}}
    report = audit(save(file, groups, config, version="1.2.2"))
    assert [p.rpartition("/")[2] for p in paths_of(report)] == ["kernel", "kernel", "bias"]
    assert all(layer.known for layer in report.model.layers)


@pytest.mark.parametrize(
    ("version", "penalty"),
    [("1.1.0", 9.0), ("1.2.2", 3.0)],  # 1.2.2 held against the real thing
)
def test_keras_1_2_forgets_the_branches_that_a_sequential_merges(file, version, penalty):
    branches = [
        {
            "class_name": "Sequential",
            "config": [dense(name, W_regularizer=L2, output_dim=3, bias=False)],
        }
        for name in ("left", "right")
    ]
    merge = layer("Merge", "merge_1", layers=branches, mode="sum")
    last = dense("last", W_regularizer=L2, output_dim=3, bias=False)
    config = {"class_name": "Sequential", "config": [merge, last]}
    groups = {name: {f"{name}_W:0": kernel()} for name in ("left", "right", "last")}
    report = audit(save(file, groups, config, version=version))
    assert report.penalty == pytest.approx(penalty)
    inert = {w.path.split("/")[-2] for _, w in report.model.weights() if w.regularizer.why}
    assert inert == ({"left", "right"} if penalty == 3.0 else set())


def test_theanos_order_puts_outputs_first(file):
    shape = {"nb_filter": 5, "dim_ordering": "th", "output_dim": 5}
    config = {"class_name": "Sequential", "config": [layer("Convolution2D", "conv", **shape)]}
    groups = {"conv": {"conv_W": np.ones((5, 2, 3, 3)), "conv_b": np.ones(5)}}
    report = audit(save(file, groups, config, version="1.1.0"))
    assert weight_at(report, "conv/kernel").units[:3] == (1, 5, 18)


def test_a_bare_list_of_layers_in_keras_2(file):
    nested = {"class_name": "Sequential", "config": [dense("a", kernel_regularizer=L2)]}
    config = {"class_name": "Sequential", "config": [dense("z", use_bias=False), nested]}
    groups = {
        "z": {"z/kernel:0": kernel()},
        "sequential_1": {"a/kernel:0": kernel(), "a/bias:0": np.ones(3)},
    }
    report = audit(save(file, groups, config, version="2.0.9"))
    assert list(paths_of(report)) == ["z/kernel", "sequential_1/a/kernel", "sequential_1/a/bias"]
    assert report.penalty == pytest.approx(3.0)
    assert not report.skipped


def test_no_version_and_nothing_of_keras_1_is_read_as_keras_2(file):
    config = sequential(dense("a", units=3, trainable=False, kernel_regularizer=L2))
    groups = {"a": {"a/kernel:0": kernel(), "a/bias:0": np.ones(3)}}
    report = audit(save(file, groups, config, version=None))
    assert report.model.keras_version == "2.0 (assumed)"
    assert report.penalty == pytest.approx(3.0)  # frozen, and paid for all the same
    assert weight_at(report, "a/kernel").regularizer.status is Status.FROZEN


def test_attributes_split_over_several_and_written_as_bytes(file):
    config = json.dumps(sequential(*(dense(f"d{at}", kernel_regularizer=L2) for at in range(4))))
    groups = {
        f"d{at}": {f"d{at}/kernel:0": kernel(), f"d{at}/bias:0": np.ones(3)} for at in range(4)
    }
    save(file, groups, {})
    with h5py.File(file, "r+") as hdf5:
        weights = hdf5["model_weights"]
        del hdf5.attrs["model_config"], weights.attrs["layer_names"]
        middle = len(config) // 2
        hdf5.attrs["model_config0"] = np.bytes_(config[:middle].encode())
        hdf5.attrs["model_config1"] = np.bytes_(config[middle:].encode())
        weights.attrs["layer_names0"] = [b"d0", b"d1"]
        weights.attrs["layer_names1"] = [b"d2", b"d3"]
        for name in groups:
            del weights[name].attrs["weight_names"]
            weights[name].attrs["weight_names0"] = [f"{name}/kernel:0".encode()]
            weights[name].attrs["weight_names1"] = [f"{name}/bias:0".encode()]
    report = audit(file)
    assert len(paths_of(report)) == 8
    assert report.penalty == pytest.approx(12.0)
    assert not report.skipped


def test_the_bare_names_of_keras_3_0(file):
    config = sequential(
        layer("TimeDistributed", "outer", layer=dense("inner", kernel_regularizer=L2)),
        layer("LSTM", "lstm", units=1),
    )
    lstm = {"kernel": np.ones((3, 4)), "recurrent_kernel": np.ones((1, 4)), "bias": np.ones(4)}
    groups = {"outer": {"kernel": kernel(), "bias": np.ones(3)}, "lstm": lstm}
    report = audit(save(file, groups, config, version="3.1.0"))
    assert list(paths_of(report)) == [
        "outer/inner/kernel",
        "outer/inner/bias",
        "lstm/lstm_cell/kernel",
        "lstm/lstm_cell/recurrent_kernel",
        "lstm/lstm_cell/bias",
    ]
    assert report.penalty == pytest.approx(3.0)


def test_numbers_that_tensorflow_added_do_not_mislead(file):
    inner = sequential(dense("d_1", kernel_regularizer=L2), dense("d_2"), name="inner")
    lstm = layer("LSTM", "memory", units=1)
    both = layer("Bidirectional", "both", layer=lstm)
    groups = {
        "inner": {
            "d_2_1/kernel:0": kernel(2.0),
            "d_2_1/bias:0": np.ones(3),
            "d_1_1/kernel_1:0": kernel(),
            "d_1_1/bias_1:0": np.ones(3),
        },
        "both": {
            f"both/{way}_memory/lstm_cell_{at}/{role}:0": np.full((2, 4), at)
            for at, way in ((7, "backward"), (6, "forward"))
            for role in ("kernel", "recurrent_kernel", "bias")
        },
    }
    report = audit(save(file, groups, sequential(inner, both), version="2.4.0"))
    assert not report.skipped
    assert report.penalty == pytest.approx(3.0)
    assert weight_at(report, "inner/d_1/kernel").stored_path.endswith("d_1_1/kernel_1:0")
    assert weight_at(report, "both/forward_memory/lstm_cell/bias").stored_path.endswith("6/bias:0")
    assert weight_at(report, "both/backward_memory/lstm_cell/kernel").role == "kernel"


def test_wrappers_of_keras_2_drop_inner_names_and_frozen_ones_move_back(file):
    inner = sequential(
        layer("TimeDistributed", "t1", trainable=False, layer=dense("a", kernel_regularizer=L2)),
        layer("TimeDistributed", "t2", layer=dense("b")),
        name="inner",
    )
    groups = {
        "inner": {
            "t2/kernel:0": kernel(3.0),
            "t2/bias:0": np.ones(3),
            "t1/kernel:0": kernel(),
            "t1/bias:0": np.ones(3),
        }
    }
    report = audit(save(file, groups, sequential(inner)))
    assert report.penalty == pytest.approx(3.0)
    assert not weight_at(report, "inner/t1/a/kernel").trainable
    assert weight_at(report, "inner/t2/b/kernel").trainable


def test_stacked_cells(file):
    cells = [layer("LSTMCell", "lstm_cell", units=1), layer("GRUCell", "gru_cell", units=1)]
    stacked = layer("StackedRNNCells", "stack", cells=cells)
    config = sequential(layer("RNN", "rnn", cell=stacked))
    roles = ("kernel", "recurrent_kernel", "bias")
    names = [f"rnn/stack/{cell}/{role}:0" for cell in ("lstm_cell", "gru_cell") for role in roles]
    groups = {"rnn": {name: np.ones((1, 12)) for name in names}}
    report = audit(save(file, groups, config))
    assert [f"{path}:0" for path in paths_of(report)] == names
    assert all(layer.known for layer in report.model.layers)


def test_layers_and_wrappers_that_only_keras_2_has(file):
    wrapped = layer("QuantizeWrapperV2", "quant_d", layer=dense("d", kernel_regularizer=L2))
    config = sequential(
        layer("CuDNNLSTM", "fast", kernel_regularizer=L2),
        layer("LocallyConnected1D", "local", bias_regularizer=L2),
        layer("DepthwiseConv2D", "deep", depthwise_regularizer=L2),
        wrapped,
    )
    fast = {"fast/kernel:0": kernel(), "fast/recurrent_kernel:0": kernel(), "fast/bias:0": [1.0]}
    groups = {
        "fast": fast,
        "local": {"local/kernel:0": np.ones((1, 2, 3)), "local/bias:0": np.ones((1, 3))},
        "deep": {"deep/depthwise_kernel:0": np.ones((1, 1, 2, 1)), "deep/bias:0": np.ones(2)},
        "quant_d": {
            "quant_d/kernel:0": kernel(),
            "quant_d/bias:0": np.ones(3),
            "quant_d/kernel_min:0": -1.0,
            "quant_d/kernel_max:0": 1.0,
        },
    }
    report = audit(save(file, groups, config))
    assert report.penalty == pytest.approx(0.5 * (6 + 3 + 2 + 6))
    assert report.penalty_complete
    assert not report.skipped
    assert not weight_at(report, "quant_d/kernel_min").trainable


def test_wrappers_of_the_optimization_toolkit(file):
    inner = {"units": 3, "kernel_regularizer": L2}
    config = sequential(
        layer("QuantizeLayer", "quantize_layer"),
        layer("ClusterWeights", "cluster_a", layer=dense("a", **inner)),
        layer("PruneLowMagnitude", "prune_b", layer=dense("b", **inner)),
    )
    groups = {
        "quantize_layer": {"quantize_layer/optimizer_step:0": 1.0},
        "cluster_a": {
            "a/kernel:0": kernel(),
            "a/bias:0": np.ones(3),
            "cluster_a/cluster_centroids_kernel:0": np.ones(4),
            "cluster_a/pulling_indices_kernel:0": kernel(),
        },
        "prune_b": {
            "b/kernel:0": kernel(),
            "b/bias:0": np.ones(3),
            "prune_b/mask:0": kernel(),
            "prune_b/threshold:0": 0.5,
            "prune_b/pruning_step:0": 7.0,
        },
    }
    report = audit(save(file, groups, config))
    assert not report.skipped
    assert report.penalty == pytest.approx(6.0)
    trained = {weight.path for _, weight in report.model.weights() if weight.trainable}
    assert trained == {
        "cluster_a/a/kernel",
        "cluster_a/a/bias",
        "cluster_a/cluster_centroids_kernel",
        "prune_b/b/kernel",
        "prune_b/b/bias",
    }


def test_weights_of_the_model_itself(file):
    config = sequential(dense("a", use_bias=False))
    groups = {"a": {"a/kernel:0": kernel()}, "": {"gain:0": [2.0]}}
    report = audit(save(file, groups, config))
    gain = weight_at(report, "gain")
    assert gain.stored_path == "model_weights/top_level_model_weights/gain:0"
    assert not report.penalty_complete


def test_values_behind_a_user_block_are_found(file):
    config = sequential(dense("a", use_bias=False, kernel_regularizer=L2))
    groups = {"a": {"a/kernel:0": kernel()}}
    report = audit(save(file, groups, config, userblock=1024))
    assert report.penalty == pytest.approx(3.0)


@pytest.mark.parametrize("counter", ["iter:0", "iteration", "iterations_1:0"])
def test_steps_taken_and_the_old_name_of_the_learning_rate(file, counter):
    save(file, {}, sequential())
    training = {"optimizer_config": {"class_name": "Custom>SGD", "config": {"lr": 0.5}}}
    with h5py.File(file, "r+") as hdf5:
        hdf5.attrs["training_config"] = json.dumps(training).encode()
        hdf5[f"optimizer_weights/{counter}"] = np.float32(12)
        hdf5["optimizer_weights/slot"] = np.ones(5)
    report = audit(file)
    assert report.model.optimizer.class_name == "SGD"
    assert report.model.optimizer.learning_rate == 0.5
    assert report.model.optimizer.iterations == 12
    assert not paths_of(report)


def test_weights_without_a_configuration(file):
    groups = {
        "dense": {"dense/kernel:0": kernel(), "dense/bias:0": np.ones(3)},
        "conv": {"conv_1/kernel:0": np.ones((3, 3, 2, 4))},
        "rnn": {"rnn/cell/recurrent_kernel:0": np.ones((2, 8)), "rnn/cell/bias:0": np.ones(8)},
        "dense_1": {"sequential/dense_1/kernel": kernel()},
    }
    report = audit(save(file, groups))
    assert list(paths_of(report)) == [
        "dense/kernel",
        "dense/bias",
        "conv/kernel",
        "rnn/cell/recurrent_kernel",
        "rnn/cell/bias",
        "dense_1/kernel",
    ]
    assert weight_at(report, "dense/kernel").units[:3] == (2, 3, 1)
    assert weight_at(report, "dense/kernel").stored_path == "dense/dense/kernel:0"
    assert len(report.skipped) == 1
    assert not report.penalty_complete


def test_the_weights_of_keras_0(file):
    with h5py.File(file, "w") as hdf5:
        hdf5.attrs["nb_layers"] = 2
        for at in range(2):
            group = hdf5.create_group(f"layer_{at}")
            group.attrs["nb_params"] = 1
            group["param_0"] = kernel()
    report = audit(file)
    assert list(paths_of(report)) == ["layer_0/param_0", "layer_1/param_0"]


@pytest.mark.parametrize(
    "name", ["../other/kernel:0", "/model_weights/other/kernel:0", "other/../kernel:0", "", "/"]
)
def test_a_weight_name_never_leads_out_of_its_group(file, name):
    config = sequential(dense("a", use_bias=False, kernel_regularizer=L2))
    save(file, {"a": {}, "other": {"kernel:0": kernel()}}, config)
    with h5py.File(file, "r+") as hdf5:
        hdf5["model_weights/a"].attrs["weight_names"] = [name]
    report = audit(file)
    assert any("not stored inside" in skip.reason for skip in report.skipped)
    assert list(paths_of(report)) == ["other/kernel"]
    assert report.penalty == 0


def test_layer_names_that_lead_elsewhere_are_reported(file):
    config = sequential(dense("a", use_bias=False))
    save(file, {"a": {"a/kernel:0": kernel()}}, config)
    with h5py.File(file, "r+") as hdf5:
        names = ["a", "/model_weights/a", "../model_weights/a", "gone", ""]
        hdf5["model_weights"].attrs["layer_names"] = names
    report = audit(file)
    assert list(paths_of(report)) == ["a/kernel"]
    assert sum("no such group" in skip.reason for skip in report.skipped) == 4


def test_a_soft_link_is_refused(file):
    save(file, {"a": {"a/kernel:0": kernel()}}, sequential(dense("a")))
    with h5py.File(file, "r+") as hdf5:
        hdf5["model_weights/a/a/bias:0"] = h5py.SoftLink("/model_weights/a/a/kernel:0")
    assert regaudit.audit(file).failure.kind == "UnsafeFileError"


def test_datasets_that_no_layer_lists_are_measured_and_reported(file):
    save(file, {"a": {"a/kernel:0": kernel()}}, sequential(dense("a", use_bias=False)))
    with h5py.File(file, "r+") as hdf5:
        hdf5["model_weights/a/hidden"] = kernel()
        hdf5["model_weights/stray"] = kernel()
        hdf5["model_weights/a/text"] = "no numbers"
    report = audit(file)
    assert paths_of(report)["a/hidden"] == "model_weights/a/hidden"
    assert "stray" in paths_of(report)
    assert not report.penalty_complete
    assert {"a/text", "a", "(model)"} <= {skip.path for skip in report.skipped}


def test_without_lists_of_names_the_datasets_speak_for_themselves(file):
    config = sequential(dense("a", kernel_regularizer=L2))
    save(file, {"a": {"a/kernel:0": kernel(), "a/bias:0": np.ones(3)}}, config)
    with h5py.File(file, "r+") as hdf5:
        del hdf5["model_weights"].attrs["layer_names"]
        del hdf5["model_weights/a"].attrs["weight_names"]
    report = audit(file)
    assert list(paths_of(report)) == ["a/kernel", "a/bias"]
    assert report.penalty == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("attribute", "kind"),
    [
        ("{", "UnreadableModelError"),
        ("[]", "UnreadableModelError"),
        ("{}", "UnreadableModelError"),
        ("[" * 200_000, "UnsafeFileError"),
        (7, "UnreadableModelError"),
        (np.zeros((2, 2)), "UnreadableModelError"),
    ],
)
def test_a_configuration_that_is_none(file, attribute, kind):
    save(file, {}, {})
    with h5py.File(file, "r+", libver="latest") as hdf5:
        del hdf5.attrs["model_config"]
        hdf5.attrs["model_config"] = attribute
    failure = regaudit.audit(file).failure
    assert failure is not None
    assert failure.kind == kind


def test_models_nested_without_end_are_refused(file):
    config = sequential(dense("a"))
    for _ in range(150):
        config = sequential(config, name="m")
    assert regaudit.audit(save(file, {}, config)).failure.kind == "UnsafeFileError"


def test_a_file_without_its_weights_or_cut_short_is_unreadable(file):
    save(file, {"a": {"a/kernel:0": kernel()}}, sequential(dense("a")))
    whole = file.read_bytes()
    with h5py.File(file, "r+") as hdf5:
        del hdf5["model_weights"]
    assert regaudit.audit(file).failure.kind == "UnreadableModelError"
    file.write_bytes(whole[: len(whole) // 2])
    assert regaudit.audit(file).failure.kind == "UnreadableModelError"


@pytest.mark.parametrize("content", [b"", b"\x89HDF", b"text", b"PK\x03\x04"])
def test_what_is_no_hdf5_is_not_claimed(file, content):
    file.write_bytes(content)
    assert not LegacyH5().sniff(file)
    assert not LegacyH5().sniff(file.parent)
