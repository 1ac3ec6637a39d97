"""Audits on a real Dask cluster: a scheduler and worker processes on loopback."""

import json
import os
import shutil
import signal
import sys
import time
import zipfile
from pathlib import Path
from threading import Thread

import h5py
import large
import pytest
from command_line import run
from dask_clusters import Dask
from doc_pages import pages
from doc_reader import follow
from msgspec.structs import replace
from paths import CORPUS, FIXTURES, MODELS

import regaudit
from regaudit.errors import UsageError
from regaudit.running import dask_cluster
from regaudit.running.shares import Split
from regaudit.settings.config import Config

distributed = pytest.importorskip("distributed")

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # Dask's own
    pytest.mark.skipif(os.name == "nt", reason="sends signals"),
]

GOOD = MODELS / "regularized-cnn.keras"
HANGS = FIXTURES / "hostile" / "hdf5-heap-loop.h5"
MANY = 80


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    made = Dask(tmp_path_factory.mktemp("dask"))
    made.until(2)
    yield made
    made.end()


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Eighty models, named as one does from their folder."""
    monkeypatch.chdir(tmp_path)
    for number in range(MANY):
        shutil.copy(GOOD, f"{number:02}.keras")
    return [f"{number:02}.keras" for number in range(MANY)]


def test_a_poisoned_file_fails_alone_and_the_rest_is_as_here(dask, models):
    files = [models[0], str(HANGS), str(MODELS), "gone.keras", models[1]]
    config = Config.default().allowing(["cpu_seconds=1"])
    there = list(regaudit.audit_files(files, config, dask=dask.address))
    here = list(regaudit.audit_files(files, config, isolate=True))
    assert there == here
    assert [bool(report.failure) for report in there[:2]] == [False, True]
    assert "processor time" in there[1].failure.message
    assert all(worker.poll() is None for worker in dask.workers)


def test_data_that_a_search_meets_are_skipped(dask, models):
    Path("folder").mkdir()
    shutil.copy(models[0], "folder")
    with h5py.File("folder/train.h5", "w") as data:
        data["images"] = [1.0, 2.0]
    for how in (["--dask", dask.address], []):
        result = run("inspect", "folder", "--format", "jsonl", *how)
        assert result.exit_code == 0, result.output
        assert result.stdout.count("\n") == 1
        assert "folder/train.h5: skipped: an HDF5 file" in result.stderr
        assert run("inspect", "folder/train.h5", *how).exit_code == 3


def test_the_cache_is_the_workers(dask, models):
    command = ["inspect", *models[:4], "--dask", dask.address, "--format", "json", "--cache=kept"]
    first, again = (run(*command) for _ in range(2))
    assert first.exit_code == again.exit_code == 0, first.output
    assert first.stdout == again.stdout
    plain = run("inspect", *models[:4], "--format", "json")
    assert first.stdout == plain.stdout
    assert len(list(Path("kept").glob("??/*.msgpack"))) == 4


def test_very_large_files_are_measured_in_shares_and_the_rest_is_as_here(dask, models, monkeypatch):
    monkeypatch.setattr(dask_cluster, "SPLIT", Split(above=20_000, share=5 << 20))
    storage = [{}, {"dtype": "bfloat16"}, {"chunks": (700, 800), "compression": "gzip"}]
    for number, how in enumerate(storage):
        large.write(Path(f"large-{number}.keras"), **how)
    large.write(Path("packed.keras"), packing=zipfile.ZIP_DEFLATED)
    files = [
        *(models[0], "large-0.keras", "packed.keras", "large-1.keras", models[1]),
        *(str(HANGS), "gone.keras", "large-2.keras", models[2]),
        *(str(CORPUS / "keras-3.10.0" / "mlp.weights.json"), str(CORPUS / "tf-2.15" / "mlp.h5")),
        *(str(CORPUS / "tf-2.15" / "mlp.savedmodel"), str(FIXTURES / "hostile" / "hdf5-nan.keras")),
    ]
    split = []
    monkeypatch.setattr(dask_cluster._Task, "_split", noting(split, dask_cluster._Task._split))
    config = replace(Config.default(), detailed=True).allowing(["cpu_seconds=1"])
    there = list(regaudit.audit_files(files, config, dask=dask.address))
    here = list(regaudit.audit_files(files, config, isolate=True))
    assert repr(there) == repr(here)  # where a NaN equals a NaN
    assert set(split) == {"large-0.keras", "large-1.keras", "large-2.keras"}


def noting(names, method):
    """Return a method of tasks that also notes their files."""

    def noted(task, *arguments):
        names.append(task.file)
        return method(task, *arguments)

    return noted


def test_nobody_is_left_after_a_run(dask, models):
    list(regaudit.audit_files(models[:2], dask=dask.address))
    with distributed.Client(dask.address) as client:
        assert set(client.run(lambda: len(dask_cluster._RUNS)).values()) == {0}


def test_a_killed_worker_loses_no_result_and_doubles_none(dask, models):
    lost = dask.workers.pop()
    files = []
    for report in regaudit.audit_files(models, dask=dask.address):
        assert report.failure is None
        files.append(report.file)
        if len(files) == 3:
            lost.send_signal(signal.SIGKILL)
    assert lost.wait(10) == -signal.SIGKILL
    assert files == models


def test_a_worker_killed_with_shares_of_a_file_loses_no_result(dask, models, monkeypatch):
    monkeypatch.setattr(dask_cluster, "SPLIT", Split(above=20_000, share=50_000))
    dask.workers.append(dask.add())
    dask.until(len(dask.workers))
    storage = {"chunks": (700, 800), "compression": "gzip", "compression_opts": 1}
    large.write(Path("large.keras"), **storage)
    files = [models[0], "large.keras", "large.keras", "large.keras", models[1]]
    here = list(regaudit.audit_files(files, isolate=True))
    name = dask_cluster._measure.__name__.strip("_")  # as Dask calls it

    def holders(dask_scheduler):
        tasks = [task for task in dask_scheduler.tasks.values() if task.prefix.name == name]
        return [worker.pid for task in tasks for worker in task.who_has or ()]

    def kill():
        until = time.monotonic() + 60
        with distributed.Client(dask.address) as client:
            while not (held := client.run_on_scheduler(holders)) and time.monotonic() < until:
                time.sleep(0.01)
        lost.extend(worker for worker in dask.workers if worker.pid in held[:1])
        lost[0].send_signal(signal.SIGKILL)

    lost = []
    thread = Thread(target=kill)
    thread.start()
    there = list(regaudit.audit_files(files, dask=dask.address))
    thread.join()
    assert lost[0].wait(10) == -signal.SIGKILL
    dask.workers.remove(lost[0])
    assert repr(there) == repr(here)


def test_a_kept_report_of_a_very_large_file_is_taken(dask, tmp_path, monkeypatch):
    monkeypatch.setattr(dask_cluster, "SPLIT", Split(above=20_000, share=5 << 20))
    monkeypatch.chdir(tmp_path)
    large.write(Path("large.keras"))
    split = []
    monkeypatch.setattr(dask_cluster._Task, "_split", noting(split, dask_cluster._Task._split))
    command = ["inspect", "large.keras", "--dask", dask.address, "--format", "json", "--cache=kept"]
    first = run(*command)
    assert set(split) == {"large.keras"}
    split.clear()
    assert len(list(Path("kept").glob("??/*.msgpack"))) == 1
    assert run(*command).stdout == first.stdout
    assert not split


def test_a_lost_scheduler_leaves_a_partial_report(models, tmp_path, monkeypatch):
    made = Dask(tmp_path, workers=1)
    made.until(1)
    rendered = dask_cluster.from_bytes
    done = []

    def counted(kind, raw):
        done.append(raw)
        if len(done) == 5:
            made.end()
        return rendered(kind, raw)

    monkeypatch.setattr(dask_cluster, "from_bytes", counted)
    monkeypatch.setattr(dask_cluster, "BATCH", 1)
    monkeypatch.setattr(dask_cluster, "PATIENCE", 5)
    command = ["inspect", *models, "--dask", made.address, "--format", "jsonl"]
    with pytest.importorskip("dask").config.set(
        {"distributed.comm.timeouts.connect": "3s"}
    ):  # not the default's 30
        result = run(*command)
    assert result.exit_code == 3
    *reports, last = map(json.loads, result.stdout.splitlines())
    assert [report["file"] for report in reports] == models[: len(reports)]
    assert 5 <= len(reports) < MANY
    assert last["failure"]["kind"] == "Interrupted"
    assert f"{MANY - len(reports)} of {MANY} models were not audited" in last["failure"]["message"]


def test_a_cluster_of_this_machine(models):
    reports = list(regaudit.audit_files(models[:5], dask="local", jobs=1))
    assert [report.file for report in reports] == models[:5]
    assert not any(report.failure for report in reports)


def test_what_is_wrong_is_one_line(models, monkeypatch):
    monkeypatch.setattr(dask_cluster, "PATIENCE", 1)
    result = run("inspect", models[0], "--dask", "tcp://127.0.0.1:9")
    assert result.exit_code == 2
    assert "no scheduler answers there" in result.output
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = run("inspect", models[0], "--dask", "local")
    assert result.exit_code == 2
    assert "pip install 'distributed>=2024.5'" in result.output


def test_a_worker_of_another_version_is_refused(dask, models, monkeypatch):
    monkeypatch.setattr(dask_cluster, "VERSION", "9.9")
    with pytest.raises(UsageError, match=r"has regaudit 0\.1\.0, this is 9\.9"):
        list(regaudit.audit_files(models[:1], dask=dask.address))


@pytest.mark.parametrize("page", pages("dask"))
def test_a_page_can_be_followed(page, dask, tmp_path, monkeypatch):
    """As shown, but for the address of the cluster."""
    monkeypatch.chdir(tmp_path)
    follow(page, tmp_path, {"tcp://scheduler:8786": dask.address})
