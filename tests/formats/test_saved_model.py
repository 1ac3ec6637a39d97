"""SavedModels held against the oracles of the Keras that saved them, and their readers alone."""

import json
import shutil
import struct

import numpy as np
import pytest
from msgspec.structs import replace
from oracles import assert_known, oracle_of
from paths import CORPUS

import regaudit
from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.formats.saved_model import NO_KERAS, SavedModel
from regaudit.limits import Limits, allowing
from regaudit.model import Status
from regaudit.tensors import protobuf, tensorflow_checkpoint
from regaudit.tensors.leveldb_table import masked_crc32c, table
from regaudit.tensors.tensorflow_checkpoint import read_checkpoint

SAVED = sorted(CORPUS.glob("*/*.savedmodel"))
EXPORTED = sorted(CORPUS.glob("*/*.export"))
CNN = CORPUS / "tf-keras-2.21" / "cnn.savedmodel"
PLACED = (
    "custom layer: regularizers are placed by the names of its weights, but its code decides what "
    "regularizes them"
)
SAID = "custom layer: measured, but the regularizers of its weights are unknown"


def named(folder):
    return f"{folder.parent.name}/{folder.name}"


def audited(folder):
    report = regaudit.audit(folder)
    assert report.failure is None, report.failure
    assert report.format == "saved_model"
    assert report.model is not None
    return report


def same_values(report, weight, said):
    moments = report.moments[weight.stored_path]
    assert list(weight.shape) == said["shape"]
    assert weight.dtype == said["dtype"]
    for name in ("l1_norm", "l2_norm", "max_abs", "mean", "std"):
        assert getattr(moments, name) == pytest.approx(said[name], rel=1e-5, abs=1e-9), name
    assert moments.zeros == said["zeros"]


# Against the oracles -----------------------------------------------------------------------------


def test_the_corpus_is_there():
    assert len(SAVED) >= 12
    assert EXPORTED


@pytest.mark.parametrize("folder", SAVED, ids=named)
def test_every_weight_is_what_keras_makes_of_it(folder):
    oracle, report = oracle_of(folder), audited(folder)
    assert_known(report, oracle)
    weights = {weight.path: (layer, weight) for layer, weight in report.model.weights()}
    assert sorted(weights) == sorted(said["path"] for said in oracle["weights"])
    for said in oracle["weights"]:
        layer, weight = weights[said["path"]]
        assert (weight.role, weight.trainable) == (said["role"], said["trainable"])
        assert weight.stored_path.endswith("/.ATTRIBUTES/VARIABLE_VALUE")
        assert weight.shared_with is None
        same_values(report, weight, said)
        found = weight.regularizer
        if not layer.known and not weight.placed_by:
            assert found is None
            continue
        found = found and (found.class_name, found.l1, found.l2)
        stated = said["regularizer"]
        assert found == (stated and (stated["class_name"], stated["l1"], stated["l2"]))
        placed = report.penalty_if_applied(weight)
        assert (placed is None) == layer.known
        penalty = report.penalties[weight.stored_path] if placed is None else placed
        assert penalty == pytest.approx(said["penalty_f64"] or 0.0, rel=1e-6)


@pytest.mark.parametrize("folder", SAVED, ids=named)
def test_the_whole_model_is_what_keras_makes_of_it(folder):
    oracle, report = oracle_of(folder), audited(folder)
    model, said = report.model, oracle["model"]
    for name in ("name", "class_name", "parameters", "trainable_parameters"):
        assert getattr(model, name) == said[name]
    assert model.keras_version == oracle["keras_version"]
    layers = {layer["path"]: layer for layer in oracle["layers"]}
    assert [layer.path for layer in model.layers if layer.path not in layers] == []
    for layer in model.layers:
        assert layer.trainable == layers[layer.path]["trainable"]
        assert layer.class_name.rpartition(">")[2] == layers[layer.path]["class_name"]
    nodes = {node.path for node in model.nodes}
    models = {layer.path for layer in model.layers if "layers" in layer.config}
    assert {layer.node for layer in model.layers} - models <= nodes
    assert model.outputs
    active = {layer.path: layer.activity_regularizer for layer in model.layers}
    for entry in oracle["activity"]:
        found = active[entry["layer"]]
        assert found.class_name == entry["class_name"]
        stated = pytest.approx((entry["l1"], entry["l2"]))  # its config keeps them in float64
        assert (found.l1, found.l2) == stated
    if "custom" in folder.name:
        assert not report.penalty_complete
        assert [skip.reason for skip in report.skipped] == [SAID, PLACED]
    else:
        assert report.penalty_complete
        assert report.skipped == ()
        assert report.penalty == pytest.approx(oracle["losses_total"], rel=oracle["tolerance"])


@pytest.mark.parametrize("folder", EXPORTED, ids=named)
def test_an_export_is_measured_and_its_regularizers_are_unknown(folder):
    oracle, report = oracle_of(folder), audited(folder)
    weights = {weight.path: (layer, weight) for layer, weight in report.model.weights()}
    assert sorted(weights) == sorted(said["keras_path"] for said in oracle["weights"])
    for said in oracle["weights"]:
        layer, weight = weights[said["keras_path"]]
        assert not layer.known
        assert weight.regularizer is None
        same_values(report, weight, said)
    assert [tuple(skip) for skip in report.skipped] == [("(model)", NO_KERAS)]
    assert not report.penalty_complete


@pytest.mark.parametrize("version", ["tf-2.12", "tf-2.15", "tf-keras-2.21"])
def test_the_optimizer_is_read_and_its_variables_are_no_weights(version):
    report = audited(CORPUS / version / "mlp.savedmodel")
    optimizer = report.model.optimizer
    assert (optimizer.class_name, optimizer.weight_decay) == ("Adam", 0.004)
    assert optimizer.learning_rate == pytest.approx(0.001)
    assert optimizer.iterations is not None
    assert report.model.loss == "sparse_categorical_crossentropy"
    assert not any("optimizer" in weight.stored_path for _, weight in report.model.weights())


def test_a_frozen_weight_still_pays_in_keras_2():
    report = audited(CORPUS / "tf-2.15" / "nested_outer_frozen.savedmodel")
    by_path = {weight.path: weight for _, weight in report.model.weights()}
    frozen = by_path["middle/inner/b/kernel"]
    assert not frozen.trainable
    assert frozen.regularizer.status is Status.FROZEN
    assert report.penalties[frozen.stored_path] > 0


def test_the_file_in_the_folder_stands_for_the_folder():
    assert SavedModel().sniff(CNN)
    assert SavedModel().sniff(CNN / "saved_model.pb")
    assert not SavedModel().sniff(CNN / "keras_metadata.pb")
    assert not SavedModel().sniff(CNN.parent)
    whole, inside = audited(CNN), audited(CNN / "saved_model.pb")
    assert inside.penalties == whole.penalties


# Made by hand: older TensorFlow, missing and foreign parts ---------------------------------------


def number(value):
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def wire(field, value):
    """Write one protobuf field: a number, or bytes, or text."""
    if isinstance(value, int):
        return number(field << 3) + number(value)
    value = value.encode() if isinstance(value, str) else value
    return number(field << 3 | 2) + number(len(value)) + value


def without_metadata_file(folder, into, version="2.3.2"):
    """Move the metadata into the object graph, where TensorFlow 2.4 and earlier had it.

    Those cannot be run on the Pythons of today, so their files are made of later ones.
    """
    saved = shutil.copytree(folder, into)
    raw = (saved / "keras_metadata.pb").read_bytes()
    texts = {node.integer(2): bytes(node.raw(5)) for node in protobuf.Message.of(raw).messages(1)}
    (saved / "keras_metadata.pb").unlink()
    message = protobuf.Message.of((saved / "saved_model.pb").read_bytes())
    objects = next(next(message.messages(2)).messages(7))
    nodes = b""
    for index, node in enumerate(objects.every(1)):
        parts = b"".join(
            wire(field, bytes(value) if isinstance(value, memoryview) else value)
            for field, value in protobuf.fields(node)
            if field != 4
        )
        for user in protobuf.Message.of(node).every(4):
            metadata = wire(3, texts[index]) if index in texts else b""
            parts += wire(4, bytes(user) + metadata)
        nodes += wire(1, parts)
    info = wire(5, version)
    (saved / "saved_model.pb").write_bytes(wire(2, wire(1, info) + wire(7, nodes)))
    return saved


@pytest.mark.parametrize(
    ("version", "thaws"),
    # By the source of load.py: up to 2.4 `revived_obj.trainable = ...`, which sets the flag of all
    # that is inside, too; from 2.5 on `revived_obj._trainable = ...`, which does not.
    [("2.3.4", True), ("2.4.4", True), ("2.5.3", False), ("2.6.0", False)],
)
def test_tensorflow_before_2_5_thaws_what_is_frozen_inside_a_model(version, thaws, tmp_path):
    folder = CNN.with_name("nested_outer_frozen.savedmodel")
    report = audited(without_metadata_file(folder, tmp_path / "old", version))
    weights = {weight.path: weight for _, weight in report.model.weights()}
    assert weights["middle/inner/a/kernel"].trainable is thaws
    assert weights["middle/inner/norm/gamma"].trainable is thaws
    assert not weights["middle/inner/norm/moving_mean"].trainable
    assert weights["b/kernel"].trainable
    status = weights["middle/inner/a/kernel"].regularizer.status
    assert status is (Status.IN_FORCE if thaws else Status.FROZEN)
    said = [skip.reason for skip in report.skipped if "TensorFlow before 2.5" in skip.reason]
    assert len(said) == thaws
    assert report.penalty == pytest.approx(audited(folder).penalty)


@pytest.mark.parametrize("name", ["cnn", "rnn", "attention"])
def test_metadata_inside_the_graph_reads_the_same(name, tmp_path):
    folder = CNN.with_name(f"{name}.savedmodel")
    old = audited(without_metadata_file(folder, tmp_path / "old"))
    new = audited(folder)
    assert list(old.model.weights()) == list(new.model.weights())
    assert old.penalty == new.penalty
    assert old.model.keras_version in {new.model.keras_version, "2.3.2-tf"}


def with_metadata(folder, into, change):
    """Copy a model after a change to the description of its outermost layer."""
    saved = shutil.copytree(folder, into)
    file = saved / "keras_metadata.pb"
    nodes = b""
    for node in protobuf.Message.of(file.read_bytes()).messages(1):
        text = bytes(node.raw(5))
        if not node.integer(2):
            described = json.loads(text)
            change(described)
            text = json.dumps(described).encode()
        nodes += wire(1, wire(2, node.integer(2)) + wire(3, node.text(3)) + wire(5, text))
    file.write_bytes(nodes)
    return saved


def replace_layers(described):
    described["config"]["layers"] = {"0": 1}


def drop_layer(described):
    described["config"]["layers"][1] = 7


def drop_config(described):
    del described["config"]["layers"][1]["config"]


def number_name(described):
    described["config"]["name"] = 7


@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replace_layers, "config.layers is not a list"),
        (drop_layer, "config.layers[1] is no layer but 7"),
        (drop_config, "config.layers[1].config is missing"),
        (number_name, "config.name is no text but 7"),
        (lambda described: described.update(config="x"), "config is no object but 'x'"),
    ],
)
def test_a_broken_configuration_is_refused_with_the_path_of_the_fault(
    change, message, in_graph, tmp_path
):
    saved = with_metadata(CNN, tmp_path / "broken", change)
    if in_graph:
        saved = without_metadata_file(saved, tmp_path / "old")
    document = "saved_model.pb" if in_graph else "keras_metadata.pb"
    report = regaudit.audit(saved)
    assert report.failure is not None
    assert report.failure.message == f"node 0 of {document} is broken: {message}"


def test_without_any_metadata_the_weights_are_measured(tmp_path):
    saved = shutil.copytree(CNN, tmp_path / "cnn")
    (saved / "keras_metadata.pb").unlink()
    report = audited(saved)
    assert [tuple(skip) for skip in report.skipped] == [("(model)", NO_KERAS)]
    assert len(report.moments) == 18
    assert not report.penalty_complete
    assert {weight.path for _, weight in report.model.weights()} >= {"left/kernel", "dense/bias"}


def test_a_variable_that_no_layer_claims_is_listed_all_the_same(tmp_path):
    saved = shutil.copytree(CNN, tmp_path / "cnn")
    prefix = saved / "variables" / "variables"
    write_checkpoint(
        prefix,
        {
            **stored(CNN),
            "extra/.ATTRIBUTES/VARIABLE_VALUE": np.ones(3, np.float32),
            "save_counter/.ATTRIBUTES/VARIABLE_VALUE": np.int64(7),
            "a/b/.OPTIMIZER_SLOT/optimizer/m/.ATTRIBUTES/VARIABLE_VALUE": np.ones(3, np.float32),
            "keras_api/metrics/0/total/.ATTRIBUTES/VARIABLE_VALUE": np.float32(1),
        },
        graph=graph_of(CNN),
    )
    report = audited(saved)
    extra = [layer for layer in report.model.layers if not layer.known]
    assert [weight.path for layer in extra for weight in layer.weights] == ["extra"]
    assert [skip.reason for skip in report.skipped] == [
        "no layer of the model has it: measured, but its role is unknown"
    ]
    assert len(report.moments) == 19


def test_a_model_in_several_shards(tmp_path):
    saved = shutil.copytree(CNN, tmp_path / "cnn")
    prefix = saved / "variables" / "variables"
    prefix.with_name("variables.data-00000-of-00001").unlink()
    write_checkpoint(prefix, stored(CNN), graph=graph_of(CNN), shards=3)
    assert len(list(prefix.parent.glob("*.data-*"))) == 3
    report = audited(saved)
    assert report.penalty == audited(CNN).penalty
    prefix.with_name("variables.data-00001-of-00003").unlink()
    failure = regaudit.audit(saved).failure
    assert "there is no variables.data-00001-of-00003" in failure.message


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("saved_model.pb", b"", "has no object graph"),
        ("saved_model.pb", b"\x08\x02", "has no object graph"),
        ("saved_model.pb", b"\x12\xff\xff\xff\x0f", "cut short"),
        ("saved_model.pb", wire(2, wire(7, wire(1, wire(1, wire(1, 9))))), "does not have"),
        ("keras_metadata.pb", wire(1, wire(2, 0) + wire(5, "{")), "not valid JSON"),
        ("keras_metadata.pb", wire(1, wire(2, 0) + wire(5, "[" * 200_000)), "nested too deeply"),
        ("keras_metadata.pb", b"\x0b", "wire type 3"),
        ("variables/variables.index", b"", "no footer"),
        ("variables/variables.index", None, "there is no variables/variables.index"),
    ],
)
def test_a_damaged_part_is_named_in_one_line(name, content, message, tmp_path):
    saved = shutil.copytree(CNN, tmp_path / "cnn")
    if content is None:
        (saved / name).unlink()
    else:
        (saved / name).write_bytes(content)
    failure = regaudit.audit(saved).failure
    assert failure.kind in {"UnreadableModelError", "UnsafeFileError"}
    assert message in failure.message
    assert "\n" not in failure.message


def test_layers_in_a_circle_end(tmp_path):
    """A layer that is its own child is visited once; a chain of layers is not followed for ever."""
    saved = shutil.copytree(CNN, tmp_path / "cnn")
    layer = wire(4, wire(1, "_tf_keras_layer") + wire(3, '{"class_name": "A", "config": {}}'))
    circle = wire(1, wire(1, wire(1, 0) + wire(2, "me")) + layer)
    (saved / "keras_metadata.pb").unlink()
    (saved / "saved_model.pb").write_bytes(wire(2, wire(7, circle)))
    assert regaudit.audit(saved).failure is None
    chain = b"".join(
        wire(1, wire(1, wire(1, index + 1) + wire(2, "inner")) + layer) for index in range(300)
    )
    chain += wire(1, layer)
    (saved / "saved_model.pb").write_bytes(wire(2, wire(7, chain)))
    failure = regaudit.audit(saved).failure
    assert failure.kind == "UnsafeFileError"
    assert "nested deeper than 100 levels" in failure.message


def test_a_short_shard_leaves_the_other_weights(tmp_path):
    saved = shutil.copytree(CNN, tmp_path / "cnn")
    shard = saved / "variables" / "variables.data-00000-of-00001"
    entries = read_checkpoint(saved / "variables" / "variables").entries
    graph = entries[tensorflow_checkpoint.OBJECT_GRAPH]
    assert graph.offset > 0
    data = bytearray(shard.read_bytes())
    shard.write_bytes(data[: graph.offset])
    assert regaudit.audit(saved).failure.kind == "UnreadableModelError"


# The checkpoint ----------------------------------------------------------------------------------


def stored(folder):
    """Return the arrays of a checkpoint by key."""
    found = read_checkpoint(folder / "variables" / "variables")
    arrays = {}
    for key in found.entries:
        if found.unfit(key) is None:
            tensor = found.tensor(key)
            values = np.concatenate([np.array(block) for block in tensor.blocks()])
            arrays[key] = values.reshape(tensor.shape)
    return arrays


def graph_of(folder):
    """Return the object graph of a checkpoint."""
    return bytes(
        read_checkpoint(folder / "variables" / "variables").text(tensorflow_checkpoint.OBJECT_GRAPH)
    )


def sealed(block, kind=0):
    return block + bytes([kind]) + struct.pack("<I", masked_crc32c(block + bytes([kind])))


def block_of(pairs):
    """Write a block; every key shares what it can with the one before."""
    raw, previous = b"", b""
    for key, value in pairs:
        shared = 0
        while shared < min(len(key), len(previous)) and key[shared] == previous[shared]:
            shared += 1
        raw += number(shared) + number(len(key) - shared) + number(len(value))
        raw += key[shared:] + value
        previous = key
    return raw + struct.pack("<II", 0, 1)


def table_of(pairs, per_block=5):
    """Write a table of LevelDB."""
    pairs = sorted(pairs)
    raw, handles = b"", []
    for start in range(0, len(pairs), per_block):
        part = pairs[start : start + per_block]
        block = block_of(part)
        handles.append((part[-1][0], number(len(raw)) + number(len(block))))
        raw += sealed(block)
    meta = number(len(raw)) + number(len(block_of([])))
    raw += sealed(block_of([]))
    index = block_of(handles)
    footer = meta + number(len(raw)) + number(len(index))
    raw += sealed(index)
    return raw + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


DTYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "float16": 19, "complex64": 8}


def entry_of(array, shard, offset):
    shape = b"".join(wire(2, wire(1, size)) for size in np.shape(array))
    dtype = DTYPES[np.asarray(array).dtype.name]
    size = np.asarray(array).nbytes
    return wire(1, dtype) + wire(2, shape) + wire(3, shard) + wire(4, offset) + wire(5, size)


def write_checkpoint(prefix, arrays, graph=b"", shards=1):
    """Write a checkpoint, tensor k into shard k modulo `shards`."""
    files = [b""] * shards
    pairs = [(b"", wire(1, shards) + wire(3, b""))]
    for index, (key, array) in enumerate(arrays.items()):
        shard = index % shards
        pairs.append((key.encode(), entry_of(array, shard, len(files[shard]))))
        files[shard] += np.asarray(array).tobytes()
    if graph:
        text = number(len(graph)) + b"\0\0\0\0" + graph
        entry = wire(1, 7) + wire(4, len(files[0])) + wire(5, len(text))
        pairs.append((tensorflow_checkpoint.OBJECT_GRAPH.encode(), entry))
        files[0] += text
    prefix.parent.mkdir(exist_ok=True)
    prefix.with_name(f"{prefix.name}.index").write_bytes(table_of(pairs))
    for shard, content in enumerate(files):
        name = f"{prefix.name}.data-{shard:05d}-of-{shards:05d}"
        prefix.with_name(name).write_bytes(content)


ARRAYS = {
    f"layer_with_weights-{index}/{role}/.ATTRIBUTES/VARIABLE_VALUE": np.full(
        (index + 1, 2), index, dtype
    )
    for index, dtype in enumerate(["float32", "float64", "float16", "int32", "int64"])
    for role in ("bias", "kernel")
}


@pytest.fixture
def prefix(tmp_path):
    write_checkpoint(tmp_path / "ckpt", ARRAYS, shards=2)
    return tmp_path / "ckpt"


def test_a_table_of_several_blocks_reads_back(prefix):
    found = read_checkpoint(prefix)
    assert found.shards == 2
    assert found.entries.keys() == ARRAYS.keys()
    assert found.variables() == {}
    for key, array in ARRAYS.items():
        tensor = found.tensor(key)
        assert tensor.dtype == array.dtype
        assert np.array_equal(next(tensor.blocks()).reshape(tensor.shape), array)


def test_crc32c_is_the_published_one():
    """Check value of CRC-32C (Castagnoli) over "123456789": E3069283."""
    crc = 0xE3069283
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert masked_crc32c(b"123456789") == masked


def read_or_refused(prefix, raw):
    """Read an index; None if it is refused as it should be."""
    prefix.with_name(f"{prefix.name}.index").write_bytes(raw)
    try:
        found = read_checkpoint(prefix)
        found.variables()
        return {key: (found.unfit(key), entry) for key, entry in found.entries.items()}
    except UnreadableModelError:
        return None


def test_every_truncation_is_refused(prefix):
    raw = prefix.with_name("ckpt.index").read_bytes()
    assert read_or_refused(prefix, raw) is not None
    for length in range(len(raw)):
        assert read_or_refused(prefix, raw[:length]) is None


def test_every_flipped_byte_is_refused_or_harmless(prefix):
    raw = prefix.with_name("ckpt.index").read_bytes()
    whole = read_or_refused(prefix, raw)
    assert whole is not None
    for at in range(len(raw)):
        flipped = raw[:at] + bytes([raw[at] ^ 0xFF]) + raw[at + 1 :]
        assert read_or_refused(prefix, flipped) in (None, whole)


def test_every_flipped_byte_without_checksums(prefix):
    """What a forger can do: the bytes make no sense, and nothing but an error comes of it."""
    raw = prefix.with_name("ckpt.index").read_bytes()
    with allowing(Limits(checked_bytes=0)):
        assert read_or_refused(prefix, raw) is not None
        for at in range(len(raw)):
            for mask in (0x01, 0x7F, 0x80, 0xFF):
                read_or_refused(prefix, raw[:at] + bytes([raw[at] ^ mask]) + raw[at + 1 :])


def test_a_real_index_survives_truncation(tmp_path):
    shutil.copytree(CNN / "variables", tmp_path / "v")
    raw = (CNN / "variables" / "variables.index").read_bytes()
    assert read_or_refused(tmp_path / "v" / "variables", raw) is not None
    for length in range(0, len(raw), 7):
        assert read_or_refused(tmp_path / "v" / "variables", raw[:length]) is None


def test_a_compressed_index_is_refused_by_name():
    pairs = [(b"", b"\x08\x01")]
    block = block_of(pairs)
    index = block_of([(b"", number(0) + number(len(block)))])
    raw = sealed(block, kind=1)
    footer = (b"\0\0" + number(len(raw)) + number(len(index))).ljust(40, b"\0")
    raw += sealed(index) + footer + bytes.fromhex("57fb808b247547db")
    with pytest.raises(UnreadableModelError, match="compressed \\(Snappy\\)"):
        list(table(raw))


def raw_table(pairs_by_block, handles=None):
    """Write blocks exactly as given, in the given order."""
    raw, placed = b"", []
    for block in pairs_by_block:
        placed.append((b"k", number(len(raw)) + number(len(block))))
        raw += sealed(block)
    index = block_of(handles(placed) if handles else placed)
    footer = (b"\0\0" + number(len(raw)) + number(len(index))).ljust(40, b"\0")
    return raw + sealed(index) + footer + bytes.fromhex("57fb808b247547db")


@pytest.mark.parametrize(
    ("raw", "error", "message"),
    [
        (raw_table([block_of([(b"b", b""), (b"a", b"")])]), UnreadableModelError, "out of order"),
        (raw_table([block_of([(b"a", b""), (b"a", b"")])]), UnreadableModelError, "out of order"),
        (
            raw_table([block_of([(b"a", b"")])], lambda placed: placed * 3),
            UnreadableModelError,
            "overlap",
        ),
        (raw_table([block_of([(b"a" * 5000, b"")])]), UnsafeFileError, "longer than"),
        (raw_table([b"\x01\0\0\0"]), UnreadableModelError, "cut short"),
        (raw_table([b"\x05\0\0" + struct.pack("<II", 0, 1)]), UnreadableModelError, "cut short"),
        (raw_table([b"\0\x80" * 20]), UnreadableModelError, "cut short"),
        (raw_table([b"\0" * 12], lambda _: [(b"", b"\xff" * 11)]), UnreadableModelError, "longer"),
        (
            raw_table([], lambda _: [(b"", number(9) + number(1 << 60))]),
            UnreadableModelError,
            "out",
        ),
    ],
)
def test_a_forged_table_is_refused(raw, error, message):
    with pytest.raises(error, match=message):
        list(table(raw))


def test_keys_that_unfold_are_refused():
    pairs = [(b"x" * 40 + bytes([number]), b"") for number in range(65, 70)]
    with allowing(Limits(index_bytes=100)), pytest.raises(UnsafeFileError, match="expands"):
        list(table(table_of(pairs)))


def index_of(*pairs, header=b"\x08\x01"):
    return table_of([(b"", header), *pairs])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (table_of([(b"a", b"")]), "no header"),
        (index_of(header=wire(1, 0)), "0 shards"),
        (index_of(header=wire(1, 1 << 40)), "shards"),
        (index_of(header=wire(1, 1) + wire(2, 1)), "big-endian"),
        (index_of((b"a", wire(1, 1) + wire(3, 1))), "outside its files"),
        (index_of((b"a", wire(1, 1) + wire(4, (1 << 64) - 1))), "outside its files"),
        (index_of((b"a", wire(1, 1) + wire(2, wire(2, wire(1, 1 << 63))))), "outside its files"),
        (index_of((b"a", wire(1, b"x"))), "not a number"),
        (index_of((b"a", wire(2, 1))), "is a number"),
        (index_of((b"a", b"\x0d\0")), "cut short"),
        (index_of((tensorflow_checkpoint.OBJECT_GRAPH.encode(), wire(1, 1))), "not a string"),
    ],
)
def test_a_forged_entry_is_refused(raw, message, prefix):
    write_checkpoint(prefix, {})
    prefix.with_name("ckpt.index").write_bytes(raw)
    with pytest.raises(UnreadableModelError, match=message):
        read_checkpoint(prefix).variables()


def test_what_cannot_be_measured_is_said(prefix):
    write_checkpoint(prefix, {"a": np.ones(2, np.complex64), "b": np.ones(2, np.float32)})
    found = read_checkpoint(prefix)
    assert "TensorFlow's type 8" in found.unfit("a")
    assert found.unfit("b") is None
    wrong = replace(found.entries["b"], shape=(1 << 40,))
    found = replace(found, entries={"b": wrong, "c": replace(wrong, sliced=True)})
    assert "does not match its shape" in found.unfit("b")
    assert "partitioned" in found.unfit("c")


# Protobuf ----------------------------------------------------------------------------------------


def test_fields_of_every_kind():
    raw = b"\x08\x96\x01" + b"\x12\x03abc" + b"\x1d\x01\0\0\0" + b"\x21\x02" + b"\0" * 7
    assert [(number, value) for number, value in protobuf.fields(memoryview(raw))] == [
        (1, 150),
        (2, memoryview(b"abc")),
        (3, 1),
        (4, 2),
    ]
    message = protobuf.Message.of(raw)
    assert (message.integer(1), message.text(2), message.integer(9)) == (150, "abc", 0)


def test_a_negative_number_and_bad_text():
    message = protobuf.Message.of(wire(1, (1 << 64) - 1) + wire(2, b"\xff"))
    assert message.integer(1) == -1
    assert message.text(2) == "\ufffd"


def test_every_truncated_message_is_refused_or_shorter():
    raw = wire(1, 300) + wire(2, "abc") + b"\x1d\x01\0\0\0" + b"\x21\x02" + b"\0" * 7
    whole = list(protobuf.fields(memoryview(raw)))
    read = set()
    for length in range(len(raw)):
        try:
            found = list(protobuf.fields(memoryview(raw[:length])))
        except UnreadableModelError:
            continue
        assert found == whole[: len(found)]
        read.add(len(found))
    assert read == {0, 1, 2, 3}  # where one of the four fields ends


@pytest.mark.parametrize("raw", [b"\x0b", b"\x0c", b"\x0e", b"\x0f", b"\x80" * 11, b"\x0a\x05a"])
def test_nonsense_is_refused(raw):
    with pytest.raises(UnreadableModelError):
        protobuf.Message.of(raw)


def test_too_many_fields_are_refused():
    with allowing(Limits(objects=10)), pytest.raises(UnsafeFileError):
        protobuf.Message.of(wire(1, 1) * 11)
