"""Edits without effect: nothing is written, one line says so, and the exit code is 0."""

import importlib
import json
import os
import shutil
import zipfile

import h5py
import pytest
from click.testing import CliRunner
from paths import FIXTURES

import regaudit
from regaudit import Edit, RefusedEditError, UsageError
from regaudit.cli import main
from regaudit.editing.config_edit import same
from regaudit.keras_semantics.dialect import CURRENT, Dialect
from regaudit.keras_semantics.regularizers import parse_regularizer

APPLY = FIXTURES / "apply"
CORPUS = FIXTURES / "corpus"
REGULARIZED = [APPLY / f"regularized{ending}" for ending in (".keras", ".h5", ".directory")]
OLD = [CORPUS / "tf-keras-2.21" / "mlp.h5", CORPUS / "tf-2.12" / "mlp.keras"]
L2 = {"class_name": "L2", "config": {"l2": 0.01}}
WAYS = [("-o", "out"), ("--in-place",), ("--dry-run",)]
real_keras = pytest.mark.keras
quiet = pytest.mark.filterwarnings("ignore")


def content(path):
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {str(file.relative_to(path)): file.read_bytes() for file in files if file.is_file()}


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def run(*arguments):
    return CliRunner().invoke(main, ["apply", *(str(argument) for argument in arguments)])


def copied(file, folder):
    copy = folder / file.name
    shutil.copytree(file, copy) if file.is_dir() else shutil.copy(file, copy)
    return copy


def writes_nothing(file, way, folder, *arguments):
    """Run an edit that must have no effect, and return the line that says so."""
    copy = copied(file, folder)
    where = [folder / part if part == "out" else part for part in way]
    result = run(copy, *where, *arguments)
    assert result.exit_code == 0, result.output
    assert not result.stderr
    (line,) = result.stdout.splitlines()
    assert "Nothing was written" in line
    assert ("no file was made" in line) == ("-o" in way)
    assert content(copy) == content(file)
    assert names(folder) == [file.name]
    return line


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("file", REGULARIZED, ids=lambda file: file.suffix)
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "a:kernel=l2(0.01)"], "already has what was asked for"),
        (["--set", "a:kernel=l1_l2(1e-4, 1)", "--set", "a:kernel=l2(0.01)"], "already"),
        (["--set", "a:kernel=l2(0.01)", "--remove", "b"], "'b' has no regularizer to remove. "),
        (["--remove", "b"], "'b' has no regularizer to remove"),
        (["--remove", "*:bias"], "'*:bias' has no bias regularizer to remove"),
        (["--remove", "b:gamma"], "'b:gamma' has no gamma regularizer to remove"),
        (["--suggested", "--train-loss", "0.5", "--val-loss", "0.5"], "Leave it, it does not"),
    ],
    ids=str,
)
def test_what_is_so_already_is_not_written(arguments, said, file, way, tmp_path):
    if "--remove" in arguments:
        said = said.replace("'*:bias'", "'*'").replace("'b:gamma'", "'b'")
    if "--suggested" in arguments:
        arguments = [*arguments, "--target-variance", "1"]
    assert said in writes_nothing(file, way, tmp_path, *arguments)


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("file", [*REGULARIZED, *OLD], ids=lambda file: file.name)
def test_the_same_once_more_changes_nothing(file, way, tmp_path):
    made = tmp_path / "made" / file.name
    made.parent.mkdir()
    for recipe in (["--set", "*:kernel=l1_l2(1e-5, 3e-4)"], ["--recipe", "VGG16"]):
        (tmp_path / "empty").mkdir()
        shutil.rmtree(made, ignore_errors=True) if made.is_dir() else made.unlink(missing_ok=True)
        assert run(file, "-o", made, *recipe).exit_code == 0
        writes_nothing(made, way, tmp_path / "empty", *recipe)
        shutil.rmtree(tmp_path / "empty")


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_edits_of_a_file_that_change_nothing(way, tmp_path):
    edits = tmp_path / "edits.json"
    (tmp_path / "model").mkdir()
    for found in (
        [],
        [{"layer": "a", "key": "kernel_regularizer", "value": L2}],
        [{"layer": "b", "key": "kernel_regularizer", "value": None}],
    ):
        edits.write_text(json.dumps({"edits": found}))
        writes_nothing(REGULARIZED[0], way, tmp_path / "model", "--from", edits)
        (tmp_path / "model" / REGULARIZED[0].name).unlink()


def test_adamw_once_more_changes_nothing(tmp_path):
    made = tmp_path / "made" / "m.keras"
    made.parent.mkdir()
    assert run(REGULARIZED[0], "-o", made, "--to-adamw").exit_code == 0
    (tmp_path / "1").mkdir()
    line = writes_nothing(made, ("-o", "out"), tmp_path / "1", "--to-adamw")
    assert "AdamW already" in line
    model = regaudit.audit(made).model
    decay = {"class_name": "AdamW", "weight_decay": model.optimizer.weight_decay}
    assert not regaudit.apply(made, [Edit("", "optimizer", decay)], tmp_path / "out").edits
    with pytest.raises(RefusedEditError, match="already has a weight decay"):
        regaudit.apply(made, [Edit("", "optimizer", {**decay, "weight_decay": 0.5})])


def test_one_of_several_edits_changes_something(tmp_path):
    out = tmp_path / "out.keras"
    arguments = ["--set", "*:kernel=l2(0.01)", "--remove", "b:bias"]
    result = run(REGULARIZED[0], "-o", out, *arguments)
    assert result.exit_code == 0, result.output
    assert "skipped: 1 edit that the file already has" in result.stdout
    assert "skipped: 'b' has no bias regularizer to remove" in result.stdout
    assert "1 edit written" in result.stdout
    change = regaudit.apply(REGULARIZED[0], [Edit(x, "kernel_regularizer", L2) for x in "ab"])
    assert [edit.layer for edit in change.edits] == ["b"]
    assert [edit.layer for edit in change.idle] == ["a"]
    assert [place for place, _, _ in change.lines()] == ["b: kernel_regularizer"]
    assert regaudit.audit(out).penalty == change.after.penalty


def test_a_suggestion_of_nothing_does_not_drop_other_edits(tmp_path):
    known = ["--train-loss", "0.5", "--val-loss", "0.5", "--target-variance", "1"]
    result = run(
        *(REGULARIZED[0], "-o", tmp_path / "out", "--suggested", *known),
        *("--set", "b:kernel=l2(0.5)"),
    )
    assert result.exit_code == 0, result.output
    assert "Leave it" in result.stdout
    assert "1 edit written" in result.stdout


@pytest.mark.parametrize("file", REGULARIZED, ids=lambda file: file.suffix)
@pytest.mark.parametrize("edits", [[], [Edit("a", "kernel_regularizer", L2)]], ids=len)
def test_the_library_returns_a_change_without_edits(file, edits, tmp_path):
    copy = copied(file, tmp_path)
    for how in ({"out": tmp_path / "out"}, {"in_place": True}, {}):
        change = regaudit.apply(copy, edits, **how)
        assert change.edits == change.lines() == ()
        assert change.jump == 0
        assert change.after.file == str(copy)
    assert names(tmp_path) == [file.name]
    assert content(copy) == content(file)


def test_a_frozen_layer_that_has_it_is_not_refused(tmp_path):
    file = tmp_path / "frozen.keras"
    with zipfile.ZipFile(REGULARIZED[0]) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if name == "config.json":
                config = json.loads(text)
                config["config"]["layers"][1]["config"]["trainable"] = False
                text = json.dumps(config)
            new.writestr(name, text)
    assert run(file, "--dry-run", "--set", "a:kernel=l2(0.01)").exit_code == 0
    assert run(file, "--dry-run", "--set", "a:kernel=l2(0.02)").exit_code == 3
    result = run(file, "--in-place", "--set", "*:kernel=l2(0.01)")
    assert result.exit_code == 0, result.output
    assert "1 edit written" in result.stdout


def test_what_a_file_does_not_tell_is_not_taken_for_absent(tmp_path):
    """A file of weights alone: whether there is a regularizer is not known."""
    file = CORPUS / "keras-3.15.1" / "names.weights.h5"
    result = run(file, "-o", tmp_path / "out", "--remove", "*")
    assert result.exit_code == 3
    assert "weights only" in result.stderr
    layer = regaudit.audit(file).model.layers[0].path
    with pytest.raises(RefusedEditError, match="weights only"):
        regaudit.apply(file, [Edit(layer, "kernel_regularizer", None)])


def test_a_saved_model_that_has_it_needs_no_writing(tmp_path):
    file = CORPUS / "tf-2.15" / "mlp.savedmodel"
    layer, weight = next(
        (layer, weight)
        for layer, weight in regaudit.audit(file).model.weights()
        if weight.regularizer and weight.regularizer.class_name == "L2"
    )
    slot = weight.regularizer_key.removesuffix("_regularizer")
    setting = f"{layer.path}:{slot}=l2({weight.regularizer.l2})"
    result = run(file, "-o", tmp_path / "out", "--set", setting)
    assert (result.exit_code, names(tmp_path)) == (0, [])
    assert run(file, "-o", tmp_path / "out", "--set", f"{layer.path}:{slot}=l2(9)").exit_code == 3


def test_usage_errors_stay_what_they_are(tmp_path):
    there = tmp_path / "there"
    there.write_text("mine")
    setting = ["--set", "a:kernel=l2(0.01)"]
    assert run(REGULARIZED[0], "-o", there, *setting).exit_code == 2
    assert run(REGULARIZED[0], "-o", there, "--force", *setting).exit_code == 0
    assert there.read_text() == "mine"
    assert run(REGULARIZED[0], "--dry-run", "--remove", "c").exit_code == 2
    with pytest.raises(UsageError, match="no layer is called"):
        regaudit.apply(REGULARIZED[0], [Edit("c", "kernel_regularizer", None)])
    with pytest.raises(UsageError, match="not the key of a regularizer"):
        regaudit.apply(REGULARIZED[0], [Edit("a", "there_is_none", None)])


@pytest.mark.parametrize(
    ("stored", "value", "equal"),
    [
        (None, None, True),
        ("l2", None, False),
        (None, L2, False),
        ("l2", L2, True),
        ("L2", L2, True),
        ({"class_name": "L2", "config": {}}, L2, True),
        ({"class_name": "L2", "config": {"l2": 0.009999999776482582}}, L2, True),
        ({"class_name": "L2", "config": {"l2": 0.01000001}}, L2, False),
        ({"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.01}}, L2, True),
        ({"class_name": "L1L2", "config": {"l1": 1e-9, "l2": 0.01}}, L2, False),
        ({"class_name": "L1", "config": {"l1": 0.01}}, L2, False),
        ({"class_name": "L2", "config": {"l2": 0.0}}, L2, False),
        ({"class_name": "L2", "config": {"l2": 1e300}}, L2, False),
        ({"class_name": "L2", "config": {"l2": "0.01"}}, L2, False),
        ({"class_name": "L2", "config": {"l2": 0.01}, "registered_name": "x>L2"}, L2, False),
        ([L2], L2, False),
        (0.01, L2, False),
        (
            {"class_name": "OrthogonalRegularizer", "config": {"factor": 0.01}},
            {"class_name": "OrthogonalRegularizer", "config": {"factor": 0.01, "mode": "rows"}},
            True,
        ),
        (
            {"class_name": "OrthogonalRegularizer", "config": {"factor": 0.01}},
            {"class_name": "OrthogonalRegularizer", "config": {"factor": 0.01, "mode": "columns"}},
            False,
        ),
        ({"class_name": "OrthogonalRegularizer", "config": {"factor": 0.01}}, L2, False),
    ],
    ids=str,
)
def test_regularizers_are_equal_in_meaning(stored, value, equal):
    assert same(stored, value, Dialect(CURRENT)) is equal


def test_a_class_that_keras_2_mistakes_is_not_what_was_asked_for():
    stored = {"class_name": "L2", "config": {"l2": 0.01}, "registered_name": "x>L2"}
    dialect = Dialect((2, 15, 0), of_hdf5=True)
    assert parse_regularizer(stored, dialect).l2 == 0.01
    assert not same(stored, L2, dialect)


def test_strengths_that_keras_2_rounded_are_the_same(tmp_path):
    """It wrote 0.01 as 0.009999999776482582."""
    file, out = OLD[0], tmp_path / "out.h5"
    layer = next(x.path for x, w in regaudit.audit(file).model.weights() if w.role == "kernel")
    assert run(file, "-o", out, "--set", f"{layer}:kernel=l2(0.03)").exit_code == 0
    with h5py.File(out, "r+") as hdf5:
        hdf5.attrs["model_config"] = hdf5.attrs["model_config"].replace(
            '{"l2": 0.03}', '{"l2": 0.029999999329447746}'
        )
        assert "0.029999999329447746" in hdf5.attrs["model_config"]
    assert not regaudit.apply(out, [Edit(layer, "kernel_regularizer", _l2(0.03))]).edits


def _l2(strength):
    return {"class_name": "L2", "config": {"l2": strength}}


# Custom layers, wrappers, nested models ----------------------------------------------------------


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    keras = pytest.importorskip("keras")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FIXTURES)
        importlib.import_module("apply_models")  # registers its custom classes
    return keras


KERNELS = {
    "regularized.keras": 2,
    "regularized.h5": 2,
    "regularized.directory": 2,
    "custom.keras": 2,
    "custom.h5": 2,
    "custom_l2.keras": 2,
    "custom_l2.h5": 2,
    "nested.keras": 4,
    "nested.h5": 4,
    "block.keras": 3,
    "block.h5": 3,
    "wrappers.keras": 5,
    "wrappers.h5": 4,  # HDF5 does not tell of one custom in another
}


@real_keras
@quiet
@pytest.mark.parametrize("name", KERNELS)
def test_keras_counts_what_is_set_and_nothing_that_is_removed(keras, name, tmp_path):
    out, none = tmp_path / f"out-{name}", tmp_path / f"none-{name}"
    result = run(APPLY / name, "-o", out, "--set", "*:kernel=l2(0.25)")
    assert result.exit_code == 0, result.output
    model = keras.models.load_model(out, compile=False)
    kernels = [v for v in model.trainable_variables if v.regularizer and v.name == "kernel"]
    assert len(kernels) == KERNELS[name]
    expected = sum(0.25 * float(keras.ops.sum(v.value**2)) for v in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-6)  # biases are zero
    assert run(out, "-o", none, "--remove", "*").exit_code == 0
    model = keras.models.load_model(none, compile=False)
    assert not [v for v in model.trainable_variables if v.regularizer]


@real_keras
@quiet
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_an_activity_regularizer_of_a_custom_layer_is_paid(keras, suffix, tmp_path):
    out = tmp_path / f"out{suffix}"
    result = run(APPLY / f"custom_l2{suffix}", "-o", out, "--set", "mine:activity=l2(0.5)")
    assert result.exit_code == 0, result.output
    model = keras.models.load_model(out, compile=False)
    x = keras.ops.ones((4, 3))
    output = float(keras.ops.sum(model.get_layer("mine")(x) ** 2))
    paid = [float(loss) for loss in model.get_layer("mine").losses]
    assert pytest.approx(0.5 * output / len(x)) in paid


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_custom_layers_are_edited_or_refused_before_anything_is_written(suffix, way, tmp_path):
    for name, arguments, code in (
        ("custom", ["--set", "*:kernel=l2(1e-4)"], 0),
        ("custom_l2", ["--set", "mine:bias=l2(1e-4)", "--remove", "mine:kernel"], 0),
        ("in_a_list", ["--set", "mine:kernel=l2(1e-4)"], 3),
        ("in_a_list", ["--remove", "*"], 3),
        ("in_a_list", ["--set", "mine:gamma=l2(1e-4)"], 3),
    ):
        folder = tmp_path / f"{name}-{arguments[1].partition(':')[2]}-{arguments[0]}"
        folder.mkdir()
        file = copied(APPLY / f"{name}{suffix}", folder)
        before = file.read_bytes()
        result = run(file, *(folder / part if part == "out" else part for part in way), *arguments)
        assert result.exit_code == code, result.output
        if code:
            assert (names(folder), file.read_bytes()) == ([file.name], before)
            assert len(result.stderr.splitlines()) == 1
        elif way == ("--in-place",):
            assert (folder / f"{file.name}.before-apply").read_bytes() == before


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_regularizer_is_not_taken_for_the_layer_of_its_name(suffix, tmp_path):
    """`block` has a regularizer L2 and a layer called L2."""
    file, out = APPLY / f"block{suffix}", tmp_path / f"out{suffix}"
    change = regaudit.apply(file, [Edit("block/L2", "kernel_regularizer", L2)], out)
    assert [(place, old) for place, old, _ in change.lines()] == [
        ("block/L2: kernel_regularizer", None)
    ]
    assert change.jump > 0
    assert regaudit.audit(out).penalty == change.after.penalty


def test_a_glob_removes_what_it_can(tmp_path):
    file, out = tmp_path / "in.keras", tmp_path / "out.keras"
    assert run(APPLY / "in_a_list.keras", "-o", file, "--set", "out:kernel=l2(1)").exit_code == 0
    result = run(file, "-o", out, "--remove", "*")
    assert result.exit_code == 0, result.output
    assert "skipped: mine is a custom layer that stores its kernel_regularizer" in result.stdout
    assert "1 edit written" in result.stdout


def test_of_two_layers_with_one_path_none_is_edited(tmp_path):
    file, out = APPLY / "twins.keras", tmp_path / "out.keras"
    result = run(file, "-o", out, "--set", "block/d:kernel=l2(1)")
    assert result.exit_code == 3
    assert "more than one layer called block/d" in result.stderr
    assert not out.exists()
    result = run(file, "-o", out, "--set", "*:kernel=l2(1)")
    assert result.exit_code == 0, result.output
    assert "skipped: the file has more than one layer called block/d" in result.stdout
    assert "2 edits written" in result.stdout
    assert "'block/d' has no regularizer" in run(file, "--dry-run", "--remove", "block/d").stdout
