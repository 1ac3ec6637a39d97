"""Work shared with a copy of this process: the same results, whatever becomes of the copy."""

import os
import signal
import time

import numpy as np
import pytest

from regaudit import halves, measures
from regaudit.halves import in_halves
from regaudit.tensor import StoredTensor, UnitView

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def test_results_come_in_order_and_from_two_processes():
    found = in_halves(lambda job: (job, os.getpid()), range(9), [5, 1, 1, 9, 2, 2, 7, 1, 1])
    assert [job for job, _ in found] == list(range(9))
    pids = {pid for _, pid in found}
    assert len(pids) == 2
    assert os.getpid() in pids


@pytest.mark.parametrize("end", [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: 1 / 0])
def test_what_the_copy_fails_to_do_is_done_here(end):
    here = os.getpid()

    def work(job):
        if os.getpid() != here:
            end()
        return job * job

    assert in_halves(work, range(5), [1] * 5) == [0, 1, 4, 9, 16]


def test_an_error_here_ends_the_copy():
    here = os.getpid()

    def work(job):
        if os.getpid() != here:
            time.sleep(60)
        raise ValueError(job)

    start = time.monotonic()
    with pytest.raises(ValueError, match="0"):
        in_halves(work, range(4), [4, 3, 2, 1])
    assert time.monotonic() - start < 30


def test_a_model_is_measured_the_same_in_two_processes(tmp_path, monkeypatch):
    values = np.random.default_rng(1).normal(size=(3000, 1000)).astype("f4")
    values[:, 7] = 0
    values[5, 5] = np.nan
    file = tmp_path / "values"
    file.write_bytes(values.tobytes() * 2)
    view = UnitView(3000, 1000, 1)
    work = [(StoredTensor(file, at, values.shape, values.dtype), view) for at in (0, values.nbytes)]
    alone = measures.measure(work, threads=2)
    monkeypatch.setattr(measures, "PART", 1 << 18)
    monkeypatch.setattr(measures, "WORTH_COPYING", 0)
    monkeypatch.setattr(halves._Allowed, "here", True)
    shared = measures.measure(work, threads=2)
    for one, other in zip(alone, shared, strict=True):
        assert (one.zeros, one.nonfinite, one.dead) == (other.zeros, other.nonfinite, other.dead)
        assert (one.near_zeros, one.threshold) == (other.near_zeros, other.threshold)
    assert shared[0] == shared[1]


def test_what_is_open_already_is_not_shared(tmp_path, monkeypatch):
    """A store's client has threads, and two processes would read from one connection."""

    class Remote:
        def __init__(self, file):
            self.open = file.open

    file = tmp_path / "values"
    file.write_bytes(np.ones(4000, "f4").tobytes())
    monkeypatch.setattr(measures, "WORTH_COPYING", 0)
    monkeypatch.setattr(halves._Allowed, "here", True)
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("it was shared"))
    tensor = StoredTensor(Remote(file), 0, (4000,), np.dtype("f4"))
    (moments,) = measures.measure([(tensor, None)], threads=2)
    assert moments.l1_norm == 4000
