"""`regaudit sweep` with real Keras: what it prints and writes, and what it refuses."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from command_line import run

from regaudit.running import guard

keras = pytest.importorskip("keras")

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore")]

SHORT = ("--rungs", "2", "--budget", "1", "--epochs", "4")
ARGUMENTS = ("--data", "train.npz", "--val-data", "val.npz", "--batch-size", "20")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Return a folder with a model that overfits, and its data."""
    folder = tmp_path_factory.mktemp("source")
    rng = np.random.default_rng(1)
    x = rng.normal(size=(700, 12)).astype("float32")
    y = ((x[:, 0] + x[:, 1] > 0) ^ (rng.random(700) < 0.15)).astype("int32")
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((12,)),
            layers.Dense(48, "relu", name="hidden"),
            layers.Dense(2, "softmax", name="label"),
        ]
    )
    model.compile(keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy")
    model.fit(x[:100], y[:100], batch_size=20, epochs=40, verbose=0)
    model.save(folder / "model.keras")
    for name, rows in (
        ("train", slice(0, 100)),
        ("val", slice(100, 400)),
        ("test", slice(400, 700)),
    ):
        np.savez(folder / f"{name}.npz", x=x[rows], y=y[rows])
    return folder


@pytest.fixture
def here(source, tmp_path, monkeypatch):
    """Return a working directory with the same."""
    for file in source.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def loss_of(file, data):
    """Return the loss without the penalty."""
    model = keras.models.load_model(file)
    arrays = np.load(data)
    # All at once: Keras weighs a short last batch as much as the others.
    found = model.evaluate(arrays["x"], arrays["y"], batch_size=len(arrays["x"]), verbose=0)
    return found - float(sum(model.losses))


def killed(command, journal):
    """Start a command, and kill it when it has noted another result or two."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lines = journal.read_bytes().count(b"\n") if journal.exists() else 0
    until = time.monotonic() + 300
    while time.monotonic() < until and child.poll() is None:
        if journal.exists() and journal.read_bytes().count(b"\n") > max(lines, 1):
            break
        time.sleep(0.05)
    assert child.poll() is None
    child.send_signal(signal.SIGKILL)
    child.wait()
    time.sleep(5 * guard.LOOK)  # the process that it waited for ends, too


def test_the_model_it_writes_is_better(here):
    """Even if it was killed on its way."""
    before = {file.name: file.read_bytes() for file in here.iterdir()}
    outputs = ("-o", "chosen.keras", "--html", "sweep.html", "--edits", "edits.json")
    command = ("sweep", "model.keras", *ARGUMENTS, *outputs, "--format", "json")
    killed([sys.executable, "-m", "regaudit", *command], here / "sweep.jsonl")
    assert not {outputs[at] for at in (1, 3, 5)} & {file.name for file in here.iterdir()}
    result = run(*command)
    assert result.exit_code == 0, result.stderr
    plan, *_ = result.stderr.splitlines()
    assert "with at most 4 strengths of a penalty, 10 epochs each" in plan
    assert "At most 80 epochs in all (2 trainings of 40)" in plan
    found = json.loads(result.stdout)
    best = next(one for one in found["candidates"] if one["name"] == found["chosen"])
    assert best["role"] in {"rung", "soup"}
    assert best["val_loss"] == pytest.approx(loss_of("chosen.keras", "val.npz"), rel=1e-4)
    saved = found["candidates"][0]
    assert saved["val_loss"] == pytest.approx(loss_of("model.keras", "val.npz"), rel=1e-4)
    assert saved["train_loss"] == pytest.approx(loss_of("model.keras", "train.npz"), rel=1e-3)
    assert loss_of("chosen.keras", "test.npz") < 0.8 * loss_of("model.keras", "test.npz")
    # The strengths are in the file, as the edits say.
    assert run("apply", "chosen.keras", "--from", "edits.json", "--dry-run").exit_code == 0
    inspected = json.loads(run("inspect", "chosen.keras", "--format", "json").stdout)
    (hidden,) = (
        weight["regularizer"]["l2"]
        for layer in inspected["reports"][0]["layers"]
        for weight in layer["weights"]
        if weight["path"] == "hidden/kernel"
    )
    edits = json.loads((here / "edits.json").read_text(encoding="utf-8"))["edits"]
    (edit,) = (one for one in edits if one["layer"] == "hidden")
    assert hidden == pytest.approx(edit["value"]["config"]["l2"])
    # Nothing else is changed or left.
    after = {file.name: file.read_bytes() for file in here.iterdir()}
    assert set(after) - set(before) == {"chosen.keras", "sweep.html", "edits.json"}
    assert all(after[name] == content for name, content in before.items())


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_the_same_seed_gives_the_same_table_whatever_the_jobs():
    tables = [
        run("sweep", "model.keras", *ARGUMENTS, *SHORT, "--format", "csv", "--jobs", jobs).stdout
        for jobs in ("1", "2")
    ]
    assert tables[0] == tables[1]
    assert tables[0].count("\n") == 5


def test_functions_custom_objects_and_hdf5(here):
    (here / "mine.py").write_text(
        """
import keras
import numpy as np
import tensorflow as tf

@keras.saving.register_keras_serializable("mine")
class Scale(keras.layers.Layer):
    def build(self, shape):
        self.factor = self.add_weight(shape=(), initializer="ones")
    def call(self, x):
        return x * self.factor

def train():
    return tf.data.Dataset.from_tensor_slices(dict(np.load("train.npz"))).map(
        lambda one: (one["x"], one["y"])).batch(20)

def val():
    arrays = np.load("val.npz")
    return arrays["x"], arrays["y"]
""",
        encoding="utf-8",
    )
    sys.path.append(str(here))
    try:
        import mine  # noqa: PLC0415 - made just now
    finally:
        sys.path.remove(str(here))
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((12,)), keras.layers.Dense(8, "relu"), mine.Scale(), keras.layers.Dense(2)]
    )
    model.save("custom.h5")
    result = run(
        *("sweep", "custom.h5", "--data", "mine:train", "--val-data", "mine:val"),
        *("--custom-objects", "mine", "--optimizer", "adam", "--epochs", "40", "--rungs", "1"),
        *("--loss", "sparse_categorical_crossentropy", "--budget", "1", "-o", "chosen.h5"),
    )
    assert result.exit_code == 0, result.stderr
    assert (here / "chosen.h5").read_bytes()[:8] == b"\x89HDF\r\n\x1a\n"
    assert loss_of("chosen.h5", "val.npz") > 0


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--data", "train.npz"), 2, "give --val-data, or --val-split"),
        (("--data", "train.npz", "--val-data", "val.npz", "--val-split", "0.2"), 2, "not both"),
        (("--data", "trian.npz", "--val-split", "0.2"), 2, "did you mean 'train.npz'"),
        (("--data", "model.keras", "--val-split", "0.2"), 2, "model.keras"),
        ((*ARGUMENTS, "-o", "model.keras"), 2, "write to another file"),
        ((*ARGUMENTS, "-o", "val.npz"), 2, "must end with .keras or .h5"),
        ((*ARGUMENTS, "-o", "-"), 2, "standard output"),
        ((*ARGUMENTS, "-o", "gone/out.keras"), 2, "there is no folder gone"),
        ((*ARGUMENTS, "--html", "gone/sweep.html"), 2, "there is no folder gone"),
        ((*ARGUMENTS, "--journal", "gone/sweep.jsonl"), 2, "there is no folder gone"),
        ((*ARGUMENTS, "--html", "train.npz"), 2, "one of the files that are read"),
        ((*ARGUMENTS, "--journal", "model.keras"), 2, "write to another file"),
        ((*ARGUMENTS, "--aim", "l3"), 2, "'l3' is not one of l2, l1, activity, adamw"),
        ((*ARGUMENTS, "--rungs", "0"), 2, "--rungs"),
    ],
)
def test_wrong_usage_is_said_before_keras_starts(here, arguments, code, text):
    before = sorted(here.iterdir())
    result = run("sweep", "model.keras", *arguments)
    assert result.exit_code == code
    assert text in " ".join(result.stderr.split())
    assert sorted(here.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--data", "nan.npz", "--val-data", "val.npz"), 2, "NaN"),
        pytest.param(
            ("--data", "train.npz", "--val-data", "train.npz"),
            2,
            "the same data",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ("--data", "missing:f", "--val-data", "val.npz"), 2, "missing", marks=pytest.mark.slow
        ),
        pytest.param((*ARGUMENTS, "--monitor", "auc"), 2, "no such metric", marks=pytest.mark.slow),
    ],
)
def test_bad_data_is_one_line_and_nothing_is_left(here, arguments, code, text):
    arrays = dict(np.load("train.npz"))
    arrays["x"][3, 2] = np.nan
    np.savez("nan.npz", **arrays)
    before = sorted(here.iterdir())
    result = run("sweep", "model.keras", *arguments, "-o", "out.keras")
    assert result.exit_code == code, result.stderr
    assert text in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    assert sorted(here.iterdir()) == before


def test_a_file_that_is_no_model(here):
    (here / "bad.keras").write_bytes(b"no model")
    result = run("sweep", "bad.keras", *ARGUMENTS)
    assert result.exit_code == 3
    assert result.stderr.count("\n") == 1


@pytest.mark.slow
def test_killed_it_goes_on_where_it_was(here):
    command = [sys.executable, "-m", "regaudit", "sweep", "model.keras", *ARGUMENTS, *SHORT]
    outputs = ["--format", "json", "-o", "chosen.keras"]
    whole = subprocess.run([*command, "--format", "json"], check=True, capture_output=True)
    for _ in range(3):
        killed([*command, *outputs], here / "sweep.jsonl")
        assert not (here / "chosen.keras").exists()
    result = subprocess.run([*command, *outputs], check=True, capture_output=True)
    assert json.loads(result.stdout)["candidates"] == json.loads(whole.stdout)["candidates"]
    assert loss_of("chosen.keras", "val.npz") > 0
    assert not list(here.glob("sweep*"))
