"""Regularizers written into files: what changes, what stays, and what real Keras makes of it."""

import errno
import hashlib
import importlib
import json
import os
import shutil
import time
import zipfile
from functools import partial

import command_line
import h5py
import numpy as np
import pytest
from paths import CORPUS, FIXTURES, MODELS
from samples import sampled

import regaudit
from regaudit import Edit, RefusedEditError, UsageError
from regaudit.editing.config_edit import entries
from regaudit.editing.request import read_edits, regularizer, settings
from regaudit.editing.validity import keys_of, refusal
from regaudit.formats.interface import recognize
from regaudit.keras_semantics.dialect import Dialect
from regaudit.live.predictions import compared

DIGITS = MODELS / "digits-cnn.keras"
EVERYTHING = MODELS / "everything.keras"
CURRENT = CORPUS / "keras-3.15.1"
KERAS_2 = CORPUS / "tf-keras-2.21"
L2 = {"class_name": "L2", "config": {"l2": 1e-4}}
real_keras = pytest.mark.keras
quiet = pytest.mark.filterwarnings("ignore")


def misplaced(file):
    """Whether Keras loads weights of the file into other layers, edited or not."""
    keras_3 = file.parent.name.startswith("keras-3")
    return file.name == "nested_outer_frozen.h5" or (file.name == "swapped.h5" and keras_3)


def writable(*folders):
    """All fixtures of the formats that can be written."""
    found = [
        file
        for folder in folders
        for file in sorted(folder.rglob("*"))
        if file.name.endswith((".keras", ".h5", ".directory"))
        and ".weights." not in file.name
        and ".legacy." not in file.name
        and not misplaced(file)
    ]
    return [pytest.param(file, id=str(file.relative_to(FIXTURES))) for file in found]


def everything(file, *, force=False):
    """Edits for every slot of every layer that takes one, each of another strength."""
    report = regaudit.audit(file)
    if report.failure:
        pytest.skip("not readable")
    dialect = Dialect.of(report.model.keras_version)
    with recognize(file).read(file) as artifact:
        places = entries(next(iter(artifact.documents.values())), dialect)
    values = {}
    edits = {}
    for layer in report.model.layers:
        for key in keys_of(layer, dialect).values():
            strength = 1e-4 * (1 + len(values) % 9)
            kind = ("L1", "L2")[len(values) % 2]
            fresh = {"class_name": kind, "config": {kind.lower(): strength}}
            place = (id(places.get(layer.path)), key)
            edit = Edit(layer.path, key, values.setdefault(place, fresh))
            if not refusal(report.model, edit, force=force):
                edits[layer.path, key] = edit
    for layer, weight in report.model.weights():  # what shares a variable needs the same value
        first = next((w for w in report.model.weights() if w[1].path == weight.shared_with), None)
        if first and (layer.path, weight.regularizer_key) in edits:
            other = edits.get((first[0].path, first[1].regularizer_key))
            value = other.value if other else L2
            edits[layer.path, weight.regularizer_key] = Edit(
                layer.path, weight.regularizer_key, value
            )
    if not edits:
        pytest.skip("nothing in it takes a regularizer")
    return tuple(edits.values())


def datasets(file):
    found = {}

    def note(name, item):
        if isinstance(item, h5py.Dataset):
            values = item[()] if item.shape is not None else b""
            found[name] = hashlib.sha256(np.asarray(values).tobytes()).hexdigest()

    with h5py.File(file) as hdf5:
        hdf5.visititems(note)
    return found


def weights(file):
    """Digests of all that is not the configuration."""
    if file.is_dir():
        return {
            str(part.relative_to(file)): hashlib.sha256(part.read_bytes()).hexdigest()
            for part in sorted(file.rglob("*"))
            if part.is_file() and not part.name.startswith("config.json")
        }
    if not zipfile.is_zipfile(file):
        return datasets(file)
    with zipfile.ZipFile(file) as archive:
        return {
            info.filename: (
                hashlib.sha256(archive.read(info)).hexdigest(),
                *(info.date_time, info.compress_type, info.compress_size, info.external_attr),
            )
            for info in archive.infolist()
            if info.filename != "config.json"
        }


def content(path):
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {str(file.relative_to(path)): file.read_bytes() for file in files if file.is_file()}


def names(folder):
    return sorted(file.name for file in folder.iterdir())


run = partial(command_line.run, "apply")


# What changes and what stays ---------------------------------------------------------------------


@pytest.mark.parametrize("file", sampled(writable(MODELS, FIXTURES / "rules", CORPUS), every=9))
def test_weights_stay_and_the_announced_penalty_is_that_of_the_file(file, tmp_path):
    edits, out = everything(file), tmp_path / file.name
    change = regaudit.apply(file, edits, out)
    assert weights(out) == weights(file)
    after = regaudit.audit(out)
    assert after.penalty == change.after.penalty
    layers = {layer.path: layer for layer in after.model.layers}
    assert all(layers[edit.layer].config[edit.key] for edit in edits)
    shutil.copytree(file, tmp_path / "m") if file.is_dir() else shutil.copy(file, tmp_path / "m")
    regaudit.apply(tmp_path / "m", edits, in_place=True)
    assert weights(tmp_path / "m") == weights(out)
    regaudit.undo(tmp_path / "m")
    assert content(tmp_path / "m") == content(file)


@pytest.mark.parametrize("file", writable(MODELS, FIXTURES / "rules", CORPUS)[::9])
def test_the_same_edits_once_more_write_nothing(file, tmp_path):
    edits, out = everything(file), tmp_path / file.name
    regaudit.apply(file, edits, out)
    again = regaudit.apply(out, edits, tmp_path / "again")
    assert again.edits == again.lines() == ()
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("file", [DIGITS, CURRENT / "mlp.h5", KERAS_2 / "mlp.keras"])
def test_the_same_edits_make_the_same_bytes(file, tmp_path):
    edits = everything(file)
    regaudit.apply(file, edits, tmp_path / "a")
    time.sleep(1.1)
    regaudit.apply(file, edits, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def packed(file, out, *, method=zipfile.ZIP_STORED, order=None, wide=False, **how):
    """Pack an archive in another of the ways that Keras accepts."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with (
        out.open("wb") as stream,
        zipfile.ZipFile(_Pipe(stream) if how.get("streamed") else stream, "w") as new,
    ):
        for name in order or members:
            info = zipfile.ZipInfo(name, (2024, 5, 6, 7, 8, 10))
            info.compress_type = method
            with new.open(info, "w", force_zip64=wide) as member:
                member.write(members[name])
        new.comment = how.get("comment", b"")


class _Pipe:
    """A file that cannot seek, so that sizes follow the data."""

    def __init__(self, stream):
        self.stream = stream

    def write(self, data):
        return self.stream.write(data)

    def flush(self):
        self.stream.flush()


@pytest.mark.parametrize(
    "how",
    [
        {"method": zipfile.ZIP_DEFLATED},
        {"method": zipfile.ZIP_BZIP2},
        {"method": zipfile.ZIP_LZMA},
        {"order": ["model.weights.h5", "metadata.json", "config.json"]},
        {"order": ["config.json", "model.weights.h5", "metadata.json"], "wide": True},
        {"streamed": True, "method": zipfile.ZIP_DEFLATED},
        {"streamed": True, "wide": True},
        {"comment": b"by hand"},
    ],
    ids=str,
)
def test_archives_packed_in_other_ways_keep_their_form(how, tmp_path):
    file, out = tmp_path / "model.keras", tmp_path / "out.keras"
    packed(DIGITS, file, **how)
    regaudit.apply(file, [Edit("hidden", "kernel_regularizer", L2)], out)
    assert weights(out) == weights(file)
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(out) as new:
        assert new.testzip() is None
        assert old.namelist() == new.namelist()
        assert old.comment == new.comment
        assert [i.date_time for i in old.infolist()] == [i.date_time for i in new.infolist()]
        assert new.getinfo("config.json").compress_type == how.get("method", zipfile.ZIP_STORED)
    assert out.read_bytes().startswith(b"PK")
    (weight,) = (w for _, w in regaudit.audit(out).model.weights() if w.regularizer)
    assert weight.path == "hidden/kernel"


@pytest.mark.parametrize("form", ["fixed", "parts", "ascii", "array"])
def test_attributes_of_hdf5_keep_their_form(form, tmp_path):
    file, out = tmp_path / "model.h5", tmp_path / "out.h5"
    shutil.copy(CURRENT / "mlp.h5", file)
    with h5py.File(file, "r+") as hdf5:
        text = hdf5.attrs["model_config"]
        del hdf5.attrs["model_config"]
        if form == "fixed":
            hdf5.attrs["model_config"] = np.bytes_(text)
        elif form == "ascii":
            hdf5.attrs.create("model_config", text, dtype=h5py.string_dtype("ascii"))
        elif form == "array":
            hdf5.attrs["model_config"] = [text]
        else:
            for number, at in enumerate(range(0, len(text), 700)):
                hdf5.attrs[f"model_config{number}"] = np.bytes_(text[at : at + 700])
    edits = everything(file)
    change = regaudit.apply(file, edits, out)
    assert datasets(out) == datasets(file)
    assert regaudit.audit(out).penalty == change.after.penalty > 0
    with h5py.File(file) as old, h5py.File(out) as new:
        for key, value in old.attrs.items():
            assert new.attrs[key].__class__ is value.__class__
            kinds = [h5py.h5a.open(h.id, key.encode()).get_type() for h in (old, new)]
            assert kinds[0].is_variable_str() == kinds[1].is_variable_str()
            if form == "parts" and key.startswith("model_config"):
                assert len(new.attrs[key]) <= 700
    back = regaudit.apply(out, [Edit(e.layer, e.key, None) for e in edits], tmp_path / "back.h5")
    assert back.after.penalty == 0


def test_a_dry_run_leaves_no_trace_in_later_audits():
    assert regaudit.apply(DIGITS, everything(DIGITS)).after.penalty > 0
    assert regaudit.audit(DIGITS).penalty == 0


def test_edits_follow_each_keras():
    """Every version gets the spelling that it writes itself."""
    edits = [Edit("hidden", "kernel_regularizer", L2)]
    change = regaudit.apply(DIGITS, edits)
    assert [new for _, _, new in change.lines()] == [
        {
            "module": "keras.regularizers",
            "class_name": "L2",
            "config": {"l2": 1e-4},
            "registered_name": None,
        }
    ]
    old = CORPUS / "tf-2.12" / "mlp.keras"
    layer = next(x for x in regaudit.audit(old).model.layers if x.class_name == "Dense")
    ((_, _, spelled),) = regaudit.apply(
        old, [Edit(layer.path, "bias_regularizer", {"class_name": "L1", "config": {"l1": 0.5}})]
    ).lines()
    assert spelled == {"class_name": "L1", "config": {"l1": 0.5}}


def keras_1_model(file):
    """A file as Keras 1.2 wrote it."""
    dense = {
        "class_name": "Dense",
        "config": {
            "name": "dense_1",
            "output_dim": 3,
            "input_dim": 4,
            "bias": True,
            "activation": "linear",
            "W_regularizer": None,
            "b_regularizer": None,
            "trainable": True,
            "batch_input_shape": [None, 4],
            "init": "glorot_uniform",
        },
    }
    with h5py.File(file, "w") as hdf5:
        hdf5.attrs["keras_version"] = b"1.2.2"
        hdf5.attrs["model_config"] = json.dumps(
            {"class_name": "Sequential", "config": [dense]}
        ).encode()
        root = hdf5.create_group("model_weights")
        root.attrs["layer_names"] = [b"dense_1"]
        group = root.create_group("dense_1")
        group.attrs["weight_names"] = [b"dense_1_W", b"dense_1_b"]
        group["dense_1_W"] = np.ones((4, 3), "float32")
        group["dense_1_b"] = np.zeros(3, "float32")


def test_keras_1_is_spelled_its_way(tmp_path):
    file, out = tmp_path / "old.h5", tmp_path / "new.h5"
    keras_1_model(file)
    change = regaudit.apply(file, [Edit("dense_1", "kernel_regularizer", L2)], out)
    assert change.lines() == (
        ("dense_1: W_regularizer", None, {"name": "L1L2Regularizer", "l1": 0.0, "l2": 1e-4}),
    )
    assert regaudit.audit(out).penalty == pytest.approx(12e-4)
    assert not regaudit.apply(out, [Edit("dense_1", "kernel_regularizer", L2)]).edits


# The command line --------------------------------------------------------------------------------


def test_a_dry_run_tells_and_writes_nothing():
    before = DIGITS.read_bytes()
    result = run(DIGITS, "--dry-run", "--set", "hidden:kernel=l2(1e-3)")
    assert result.exit_code == 0, result.output
    assert "hidden: kernel_regularizer  none -> l2(0.001)" in result.stdout
    assert "penalty  0 -> 0.52238" in result.stdout
    assert "Nothing was written." in result.stdout
    assert before == DIGITS.read_bytes()
    assert not list(DIGITS.parent.glob("*before-apply*"))


def test_settings_take_globs_and_later_ones_win(tmp_path):
    out = tmp_path / "out.keras"
    chosen = ["--set", "*:kernel=l2(1e-4)", "--set", "digit:kernel=l1_l2(1e-5, l2=2e-4)"]
    result = run(DIGITS, "-o", out, *chosen, "--set", "hidden:activity=l1(1e-6)")
    assert result.exit_code == 0, result.output
    model = regaudit.audit(out).model
    found = {
        w.path: (w.regularizer.l1, w.regularizer.l2) for _, w in model.weights() if w.regularizer
    }
    assert found == {
        "conv/kernel": (0.0, 1e-4),
        "hidden/kernel": (0.0, 1e-4),
        "digit/kernel": (1e-5, 2e-4),
    }
    (hidden,) = (layer for layer in model.layers if layer.path == "hidden")
    assert hidden.activity_regularizer.l1 == 1e-6
    again = run(out, "-o", tmp_path / "less.keras", "--remove", "*:kernel")
    assert again.exit_code == 0, again.output
    assert regaudit.audit(tmp_path / "less.keras").penalty == 0


def test_edits_come_from_json(tmp_path):
    file, out = tmp_path / "edits.json", tmp_path / "out.keras"
    report = regaudit.audit(DIGITS)
    edits = [
        {"layer": e.layer, "key": e.key, "value": dict(e.value)}
        for s in report.suggestions
        for e in s.edits
    ]
    file.write_text(json.dumps({"edits": edits}))
    result = run(DIGITS, "-o", out, "--from", file)
    assert result.exit_code == 0, result.output
    assert regaudit.audit(out).penalty == pytest.approx(report.suggestions[0].penalty)


def test_in_place_keeps_a_backup_and_undo_puts_it_back(tmp_path):
    file = tmp_path / "m.keras"
    shutil.copy(DIGITS, file)
    setting = ("--set", "*:kernel=l2(1e-4)")
    assert run(file, "--in-place", *setting).exit_code == 0
    assert run(file, "--in-place", *setting).exit_code == 0  # there is nothing to change
    second = run(file, "--in-place", "--set", "*:kernel=l2(2e-4)")
    assert second.exit_code == 2
    assert "--undo" in second.stderr
    assert run(file, "--undo").exit_code == 0
    assert file.read_bytes() == DIGITS.read_bytes()
    assert names(tmp_path) == ["m.keras"]
    assert run(file, "--undo").exit_code == 2


def test_undo_does_not_throw_training_away(tmp_path):
    file = tmp_path / "m.keras"
    shutil.copy(DIGITS, file)
    assert run(file, "--in-place", "--set", "*:kernel=l2(1e-4)").exit_code == 0
    shutil.copy(MODELS / "tutorial-l2.keras", file)
    refused = run(file, "--undo")
    assert refused.exit_code == 3
    assert "saved again" in refused.stderr
    assert run(file, "--undo", "--force").exit_code == 0


def test_adam_becomes_adamw_with_twice_the_l2(tmp_path):
    l2, out = tmp_path / "l2.keras", tmp_path / "adamw.keras"
    assert run(DIGITS, "-o", l2, "--set", "*:kernel=l2(1e-4)").exit_code == 0
    result = run(l2, "-o", out, "--to-adamw")
    assert result.exit_code == 0, result.output
    after = regaudit.audit(out)
    assert after.penalty == 0
    assert after.model.optimizer.class_name == "AdamW"
    assert after.model.optimizer.weight_decay == pytest.approx(2e-4)
    assert weights(out) == weights(DIGITS)
    assert run(DIGITS, "--dry-run", "--to-adamw").exit_code == 3


def test_recipes_halve_the_decay_of_the_paper(tmp_path):
    result = run(DIGITS, "-o", tmp_path / "r.keras", "--recipe", "vgg16")
    assert result.exit_code == 0, result.output
    model = regaudit.audit(tmp_path / "r.keras").model
    assert {w.regularizer.l2 for _, w in model.weights() if w.role == "kernel"} == {2.5e-4}
    assert run(DIGITS, "--dry-run", "--recipe", "vggg").exit_code == 2


# Bad input ---------------------------------------------------------------------------------------

BAD = [
    (["--set", "hiden:kernel=l2(1e-4)"], 2, "did you mean 'hidden'"),
    (["--set", "hidden:kernal=l2(1e-4)"], 2, "did you mean 'kernel'"),
    (["--set", "hidden:kernel=l3(1e-4)"], 2, "is not a regularizer"),
    (["--set", "hidden:kernel=l2(-1)"], 2, "above zero"),
    (["--set", "hidden:kernel=l2(nan)"], 2, "above zero"),
    (["--set", "hidden:kernel=l2(0)"], 2, "does nothing"),
    (["--set", "hidden:kernel=l2(1e9)"], 2, "not plausible"),
    (["--set", "hidden:kernel=l2(1e-40)"], 2, "not plausible"),
    (["--set", "hidden:kernel=l2()"], 2, "needs l2"),
    (["--set", "hidden:kernel=l2(x)"], 2, "'x' is not a number"),
    (["--set", "hidden:kernel=orthogonal(0.1, sideways)"], 2, "rows or columns"),
    (["--set", "hidden=l2(1e-4)"], 2, "is not of the form"),
    (["--set", "hidden:gamma=l2(1e-4)"], 3, "has no slot gamma: it has kernel, bias, activity"),
    (["--set", "conv:kernel=orthogonal(0.1)"], 3, "not a matrix"),
    (["--from", "missing.json"], 2, "cannot be read"),
    (
        ["--set", "*:kernel=l2(1e-4)", "--val-loss", "1"],
        2,
        "--val-loss is used only with --suggested",
    ),
    (["--undo"], 2, "no backup"),
    ([], 2, "say what to change"),
]


@pytest.mark.parametrize(("arguments", "code", "said"), BAD, ids=lambda value: str(value)[:40])
def test_bad_requests_get_one_line_and_change_nothing(arguments, code, said, tmp_path):
    file = tmp_path / "m.keras"
    shutil.copy(DIGITS, file)
    where = [] if arguments == ["--undo"] else ["-o", tmp_path / "out.keras"]
    result = run(file, *where, *arguments)
    assert result.exit_code == code
    message = [line for line in result.stderr.splitlines() if not line.startswith(("Usage", "Try"))]
    assert len(list(filter(None, message))) == 1
    assert said in result.stderr
    assert names(tmp_path) == ["m.keras"]
    assert file.read_bytes() == DIGITS.read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        *("nonsense", "[1]", '{"a": 1}', "[]", '[{"layer": 1, "key": "k", "value": null}]'),
        *(
            '[{"layer": "hidden", "key": "kernel_regularizer", "value": 3}]',
            '[{"layer": "hidden"}]',
        ),
    ],
)
def test_malformed_edits_are_usage_errors(text, tmp_path):
    file = tmp_path / "edits.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"edits\.json"):
        read_edits(file)


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        ([("hidden", "units", None)], "not the key of a regularizer"),
        ([("hidden", "kernel_regularizer", {"class_name": "L2", "config": {"l3": 1}})], "takes l2"),
        (
            [("hidden", "kernel_regularizer", {"class_name": "L2", "config": {"l2": -1}})],
            "hidden, ",
        ),
        ([("", "optimizer", {"class_name": "Lion", "weight_decay": 0.1})], "names the class AdamW"),
        ([("", "optimizer", {"class_name": "AdamW", "weight_decay": -1})], "above 0"),
        ([("", "optimizer", {"class_name": "AdamW", "weight_decay": float("nan")})], "above 0"),
        ([("", "optimizer", None)], "names the class AdamW"),
        ([("digit", "bias_regularizer", value) for value in (L2, None)], "that differ"),
    ],
    ids=str,
)
def test_edits_that_make_no_sense_are_usage_errors(edits, said, tmp_path):
    file, out = tmp_path / "edits.json", tmp_path / "out.keras"
    file.write_text(
        json.dumps([dict(zip(("layer", "key", "value"), e, strict=True)) for e in edits])
    )
    result = run(DIGITS, "-o", out, "--from", file)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("file", "edit", "why"),
    [
        (CURRENT / "names.weights.h5", Edit("d", "kernel_regularizer", L2), "weights only"),
        (CORPUS / "tf-2.15" / "mlp.savedmodel", Edit("d", "x", L2), "SavedModel"),
        (EVERYTHING, Edit("frozen", "kernel_regularizer", L2), "frozen"),
        (CURRENT / "dtype_layers.keras", Edit("dense", "kernel_regularizer", L2), "is float16"),
        (CURRENT / "dtype_mixed.keras", Edit("dense_1", "activity_regularizer", L2), "is bfloat16"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_with_the_reason(file, edit, why, tmp_path):
    with pytest.raises(RefusedEditError, match=why):
        regaudit.apply(file, [edit], tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_outputs_in_the_wrong_place_are_refused(tmp_path):
    file, other = tmp_path / "m.keras", tmp_path / "o.keras"
    shutil.copy(DIGITS, file)
    other.write_text("mine")
    setting = ("--set", "*:kernel=l2(1e-4)")
    for arguments in (["-o", file], ["-o", other], ["-o", tmp_path / "no" / "x"], ["-o", tmp_path]):
        assert run(file, *arguments, *setting).exit_code == 2, arguments
    folder = tmp_path / "m.directory"
    shutil.copytree(CURRENT / "mlp.directory", folder)
    inside = run(folder, "-o", folder / "inside", *setting)
    assert inside.exit_code == 2
    assert "of the model" in inside.stderr.replace("\n", " ")
    assert run(tmp_path / "missing.keras", "--undo").exit_code == 3
    assert run(file, *setting).exit_code == 2
    assert run(file, "--in-place", "--dry-run", *setting).exit_code == 2
    assert other.read_text() == "mine"
    assert file.read_bytes() == DIGITS.read_bytes()
    assert run(file, "-o", other, "--force", *setting).exit_code == 0


@pytest.mark.parametrize("file", [DIGITS, CURRENT / "mlp.h5", CURRENT / "mlp.directory"])
@pytest.mark.parametrize("in_place", [False, True])
def test_a_full_disk_changes_nothing(file, in_place, tmp_path, monkeypatch):
    if not file.exists():
        pytest.skip("no such fixture")
    copy = tmp_path / file.name
    shutil.copytree(file, copy) if file.is_dir() else shutil.copy(file, copy)

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    edits = everything(file)
    monkeypatch.setattr("regaudit.storage.atomic_write.os.fsync", full)
    monkeypatch.setattr("regaudit.formats.keras_directory.shutil.copy2", lambda *_, **__: full(0))
    out = None if in_place else tmp_path / "out"
    with pytest.raises(regaudit.UnreadableModelError, match="No space left"):
        regaudit.apply(copy, edits, out, in_place=in_place)
    assert content(copy) == content(file)
    assert names(tmp_path) == [file.name]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_or_a_device_is_never_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    result = run(DIGITS, "-o", pipe, "--force", "--set", "*:kernel=l2(1e-4)")
    assert result.exit_code == 3
    assert "a pipe or a device" in result.stderr
    assert pipe.is_fifo()


def test_a_name_inside_an_attention_layer_is_explained():
    model = regaudit.audit(CURRENT / "attention.keras").model
    layer = next(x for x in model.layers if x.class_name == "MultiHeadAttention")
    with pytest.raises(UsageError, match="apply to all of it"):
        settings(model, f"{layer.path}/query:kernel=l2(1e-4)")
    assert [e.layer for e in settings(model, f"{layer.path}:kernel=l2(1e-4)").edits] == [layer.path]


def test_one_configuration_for_both_directions_takes_one_value():
    file = KERAS_2 / "rnn_bidirectional.keras"
    model = regaudit.audit(file).model
    forward = [x.path for x in model.layers if "forward_" in x.path and keys_of(x, Dialect.of("2"))]
    with pytest.raises(RefusedEditError, match="one configuration for"):
        regaudit.apply(file, [Edit(forward[0], "kernel_regularizer", L2)])


def test_calls_are_read_as_keras_spells_them():
    assert regularizer("l1_l2(l1=1e-5, l2=1e-4)")["config"] == {"l1": 1e-5, "l2": 1e-4}
    assert regularizer("orthogonal(0.01, mode=columns)")["config"]["mode"] == "columns"


# Real Keras --------------------------------------------------------------------------------------


def test_what_keras_loads_into_other_layers_is_refused(tmp_path):
    file = CURRENT / "swapped.h5"
    layer = next(layer.path for layer, _ in regaudit.audit(file).model.weights())
    edit = Edit(layer, "kernel_regularizer", L2)
    with pytest.raises(regaudit.RefusedEditError, match="REG905"):
        regaudit.apply(file, [edit], tmp_path / "out.h5")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def keras():
    keras = pytest.importorskip("keras")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FIXTURES)
        importlib.import_module("corpus_models")  # registers its custom classes
    return keras


def loaded(keras, file):
    """The model, or a skip where Keras cannot load the file as it saved it."""
    try:
        return keras.models.load_model(file, compile=False)
    except Exception as error:  # noqa: BLE001 - Keras raises anything
        pytest.skip(f"Keras cannot load its own file: {str(error)[:80]}")


@real_keras
@quiet
@pytest.mark.parametrize("file", sampled(writable(MODELS, CURRENT)))
def test_keras_loads_it_predicts_the_same_and_adds_what_was_announced(keras, file, tmp_path):
    keras.utils.clear_session(free_memory=False)
    force = file.name.startswith("dtype_")  # not of float32: loads, and may not train
    edits, out = everything(file, force=force), tmp_path / file.name
    before = loaded(keras, file)
    change = regaudit.apply(file, edits, out, force=force)
    after = keras.models.load_model(out, compile=False)
    if change.after.penalty_complete:
        losses = sum(float(loss) for loss in after.losses)
        half = {"float16", "bfloat16"} & {w.dtype for _, w in change.after.model.weights()}
        assert losses == pytest.approx(change.after.penalty, rel=1e-2 if half else 1e-6)
    result = compared(after, before)
    not_run = file.stem in {"never_built", "rnn_bidirectional"}  # nor does the original
    assert result.startswith("not compared") if not_run else result == "equal"


@real_keras
@quiet
@pytest.mark.parametrize(
    ("make", "setting", "roles"),
    [
        pytest.param(lambda k: k.layers.LSTM(4), "*:recurrent=l2(1e-2)", 1, marks=pytest.mark.slow),
        pytest.param(lambda k: k.layers.GRU(4), "gru*:kernel=l1(1e-2)", 1, marks=pytest.mark.slow),
        (lambda k: k.layers.Bidirectional(k.layers.LSTM(4)), "*:recurrent=l2(1e-2)", 2),
        (lambda k: k.layers.TimeDistributed(k.layers.Dense(3)), "*:kernel=l2(1e-2)", 2),
        (lambda k: k.layers.SeparableConv1D(4, 2), "*:pointwise=l2(1e-2)", 1),
        (lambda k: k.layers.SeparableConv1D(4, 2), "*:depthwise=orthogonal(1e-2)", 0),
        (lambda k: k.layers.MultiHeadAttention(2, 3), "*:kernel=l2(1e-2)", 5),
        (lambda k: k.Sequential([k.layers.Dense(3, name="in")]), "inner/*:kernel=l2(1e-2)", 1),
    ],
)
def test_it_works_where_setting_the_attribute_does_not(keras, make, setting, roles, tmp_path):
    """Layers whose `kernel_regularizer = ...` after building crashes or does nothing."""
    keras.utils.clear_session(free_memory=False)
    inputs = keras.Input((6, 5))
    layer = make(keras)
    layer.name = "inner" if isinstance(layer, keras.Sequential) else layer.name
    outputs = (
        layer(inputs, inputs)
        if isinstance(layer, keras.layers.MultiHeadAttention)
        else layer(inputs)
    )
    outputs = keras.layers.Dense(2, name="last")(keras.layers.Flatten()(outputs))
    model = keras.Model(inputs, outputs)
    model.compile("adam", "mse")
    file, out = tmp_path / "m.keras", tmp_path / "o.keras"
    model.save(file)
    result = run(file, "-o", out, "--set", setting)
    if not roles:
        assert result.exit_code == 3
        return
    assert result.exit_code == 0, result.output
    new = keras.models.load_model(out)
    audited = regaudit.audit(out)
    regularized = [w for _, w in audited.model.weights() if w.regularizer]
    assert len(new.losses) == len(regularized) == roles
    assert float(sum(new.losses)) == pytest.approx(audited.penalty, rel=1e-6)
    x, y = np.ones((4, 6, 5)), np.ones((4, 2))
    difference = new.evaluate(x, y, verbose=0) - model.evaluate(x, y, verbose=0)
    assert difference == pytest.approx(audited.penalty, rel=1e-4)
    assert np.isfinite(new.fit(x, y, verbose=0).history["loss"][0])


@real_keras
@quiet
def test_a_shared_layer_is_edited_once(keras, tmp_path):
    inputs = keras.Input((4,))
    shared = keras.layers.Dense(4, name="shared")
    model = keras.Model(inputs, shared(shared(inputs)))
    file, out = tmp_path / "m.keras", tmp_path / "o.keras"
    model.save(file)
    change = regaudit.apply(file, [Edit("shared", "kernel_regularizer", L2)], out)
    new = keras.models.load_model(out)
    assert len(new.losses) == 1
    assert float(new.losses[0]) == pytest.approx(change.after.penalty, rel=1e-6)


@real_keras
@quiet
@pytest.mark.usefixtures("keras_in_this_process")
def test_verify_holds_the_new_file_against_the_old_one(tmp_path):
    out = tmp_path / "o.keras"
    result = run(DIGITS, "-o", out, "--set", "*:kernel=l2(1e-4)", "--verify")
    assert result.exit_code == 0, result.output
    assert "predictions equal" in result.stdout
    shutil.copy(DIGITS, tmp_path / "m.keras")
    again = run(tmp_path / "m.keras", "--in-place", "--to-adamw", "--verify")
    assert again.exit_code == 3
    in_place = run(tmp_path / "m.keras", "--in-place", "--set", "*:kernel=l2(1e-4)", "--verify")
    assert in_place.exit_code == 0, in_place.output


@real_keras
@quiet
def test_adamw_goes_on_from_the_state_of_adam(keras, tmp_path):
    l2, out = tmp_path / "l2.keras", tmp_path / "adamw.keras"
    assert run(DIGITS, "-o", l2, "--set", "*:kernel=l2(1e-4)").exit_code == 0
    assert run(l2, "-o", out, "--to-adamw").exit_code == 0
    model = keras.models.load_model(out)
    assert type(model.optimizer).__name__ == "AdamW"
    assert model.optimizer.weight_decay == pytest.approx(2e-4)
    old = keras.models.load_model(DIGITS)
    for ours, theirs in zip(model.optimizer.variables, old.optimizer.variables, strict=True):
        assert np.array_equal(np.asarray(ours), np.asarray(theirs))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_or_a_device_is_not_replaced(tmp_path):
    """Else `apply --force -o /dev/null` by root would make a file of it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    change = ["--set", "hidden:kernel=l2(2e-4)", "-o", pipe, "--force"]
    result = run(DIGITS, *change)
    assert result.exit_code == 3
    assert "it is a pipe or a device, which is not replaced" in result.stderr
    assert pipe.is_fifo()
