"""Sweeps on a real Dask cluster, most of them with a stand-in for Keras."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from command_line import run as command
from dask_clusters import Dask
from paths import MODELS
from stub_trainers import StubTrainers

from regaudit.auditing.audit_file import audit_file
from regaudit.errors import UnreadableModelError
from regaudit.running import dask_cluster
from regaudit.sweeping.journal import opened
from regaudit.sweeping.on_dask import OnDask
from regaudit.sweeping.plan import Plan, Wanted
from regaudit.sweeping.sweep import run
from regaudit.sweeping.task import Opening
from regaudit.sweeping.write import write

distributed = pytest.importorskip("distributed")

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # Dask's own
    pytest.mark.skipif(os.name == "nt", reason="sends signals"),
]

MODEL = MODELS / "digits-cnn.keras"


@pytest.fixture(scope="module")
def stubs(tmp_path_factory):
    """Two workers that do not train."""
    made = Dask(tmp_path_factory.mktemp("stubs"), preload="stub_sites")
    made.until(2)
    yield made
    made.end()


def swept(folder, trainers, done=lambda _: None):
    """Sweep; return what was found, and the chosen file's content."""
    folder.mkdir(exist_ok=True)
    opening = Opening(str(MODEL), "train.npz", "val.npz", None)
    with opened(folder / "sweep.jsonl") as journal:
        add, count = journal.add, iter(range(1000))

        def added(name, trained):
            add(name, trained)
            done(next(count))

        journal.add = added
        try:
            plan = Plan(MODEL, audit_file(MODEL), opening, Wanted(repeats=2))
            found, file = run(plan, trainers, journal)
            write(trainers, file, folder / "chosen.h5")
        finally:
            trainers.close()
        journal.remove()
    return found, (folder / "chosen.h5").read_bytes()


def test_a_cluster_finds_what_one_process_finds(stubs, tmp_path):
    there = swept(tmp_path / "there", OnDask(stubs.address))
    assert there == swept(tmp_path / "here", StubTrainers())
    assert [file.name for file in (tmp_path / "there").iterdir()] == ["chosen.h5"]


def test_a_killed_worker_changes_nothing(stubs, tmp_path):
    lost = stubs.workers.pop()

    def kill(number):
        if number == 2:
            lost.send_signal(signal.SIGKILL)
            lost.wait()

    there = swept(tmp_path / "there", OnDask(stubs.address), kill)
    assert lost.returncode == -signal.SIGKILL
    assert there == swept(tmp_path / "here", StubTrainers())
    stubs.add()
    stubs.until(2)


def test_a_scheduler_that_is_lost_leaves_the_journal(tmp_path, monkeypatch):
    monkeypatch.setattr(dask_cluster, "PATIENCE", 5)
    made = Dask(tmp_path, workers=1, preload="stub_sites")
    made.until(1)
    with (
        pytest.importorskip("dask").config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(UnreadableModelError, match="the cluster is lost"),
    ):
        swept(tmp_path / "there", OnDask(made.address), lambda n: made.end() if n == 3 else None)
    assert len((tmp_path / "there" / "sweep.jsonl").read_bytes().splitlines()) == 5
    there = swept(tmp_path / "there", StubTrainers())  # the same sweep goes on elsewhere
    assert there == swept(tmp_path / "here", StubTrainers())


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Work in a folder with the digits that the model was trained on, or the like."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("train", "val"):
        shape = (40, 8, 8, 1)
        np.savez(f"{name}.npz", x=rng.normal(size=shape), y=rng.integers(0, 10, 40))
    Path("mine.py").write_text(
        "import numpy as np\ndef train():\n    return dict(np.load('train.npz'))\n"
        "def fails():\n    raise ValueError('no luck')\n"
    )
    return tmp_path


def test_what_is_wrong_with_a_cluster_is_one_line(data, monkeypatch):
    arguments = ("sweep", str(MODEL), "--data", "train.npz", "--val-data", "val.npz", "--dask")
    monkeypatch.setattr(dask_cluster, "PATIENCE", 1)
    for address, text in (
        ("tcp://127.0.0.1:9", "no scheduler answers there"),
        ("nonsense://", "no scheduler answers there"),
        ("tcp://me:secret@host:1", "has no user"),
    ):
        result = command(*arguments, address)
        assert result.exit_code == 2, result.output
        assert text in " ".join(result.stderr.split())
        assert "secret" not in result.stderr
    assert sorted(file.name for file in data.iterdir()) == ["mine.py", "train.npz", "val.npz"]


def test_workers_without_keras_are_said(data, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "keras.py").write_text("import missing", encoding="utf-8")
    path = os.pathsep.join([str(bare), *map(str, sys.path)])
    made = Dask(bare, workers=1, environment={"PYTHONPATH": path})
    try:
        made.until(1)
        result = command(
            *("sweep", str(MODEL), "--data", "train.npz", "--val-data", "val.npz"),
            *("--dask", made.address),
        )
    finally:
        made.end()
    assert result.exit_code == 3, result.output
    assert "No module named 'missing'" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(data.glob("sweep*"))


@pytest.mark.slow
@pytest.mark.keras
def test_real_training_on_a_cluster_that_loses_a_worker(data, tmp_path_factory):
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(16, "relu"))
    model.add(keras.layers.Dense(10, "softmax"))
    model.compile("adam", "sparse_categorical_crossentropy")
    arrays = np.load("train.npz")
    model.fit(arrays["x"], arrays["y"], epochs=8, verbose=0)
    model.save("model.keras")
    made = Dask(tmp_path_factory.mktemp("real"))
    made.until(2)
    lost, journal = made.workers[0], Path("sweep.jsonl")

    def kill():
        until = time.monotonic() + 120
        while time.monotonic() < until:
            if journal.exists() and journal.read_bytes().count(b"\n") > 1:
                break
            time.sleep(0.01)
        lost.send_signal(signal.SIGKILL)

    thread = Thread(target=kill)
    thread.start()
    arguments = ("--data", "mine:train", "--val-data", "val.npz", "--format", "json")
    arguments += ("--rungs", "2", "--budget", "1")
    try:
        there = command("sweep", "model.keras", *arguments, "--dask", made.address)
        thread.join()
    finally:
        made.end()
    assert there.exit_code == 0, there.stderr
    here = command("sweep", "model.keras", *arguments)
    assert here.exit_code == 0, here.stderr
    assert json.loads(there.stdout) == json.loads(here.stdout)
    assert lost.returncode == -signal.SIGKILL
    wrong = command("sweep", "model.keras", "--data", "mine:gone", "--val-data", "val.npz")
    assert wrong.exit_code == 2
    assert "mine has no 'gone'" in wrong.stderr
    assert not list(data.glob("sweep*"))
