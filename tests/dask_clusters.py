"""A real Dask cluster for tests: a scheduler and worker processes on loopback."""

import json
import os
import subprocess
import sys
import time

import pytest

distributed = pytest.importorskip("distributed")

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(sys.path),
    # A lost worker is noticed by its closed connection; nothing here waits for a timeout.
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "120s",
}


class Dask:
    """A scheduler and workers without nannies: who is killed stays dead.

    Args:
        folder: for its file.
        workers: how many there are at first.
        preload: a module that they import when they start.
        environment: variables that they have besides.
    """

    def __init__(self, folder, workers=2, preload=None, environment=None):
        self.file = folder / "scheduler.json"
        self.started = []
        self.preload = ("--preload", preload) if preload else ()
        self.environment = {**ENVIRONMENT, **(environment or {})}
        self._start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        until = time.monotonic() + 120
        while not (self.file.exists() and self.file.read_text().strip()):
            assert time.monotonic() < until
            time.sleep(0.1)
        self.address = json.loads(self.file.read_text())["address"]
        self.workers = [self.add() for _ in range(workers)]

    def add(self):
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0")
        return self._start("dask_worker", *options, *self.preload)

    def _start(self, what, *options):
        command = [sys.executable, "-m", f"distributed.cli.{what}", "--scheduler-file", self.file]
        process = subprocess.Popen(
            [*command, *options],
            env=self.environment,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.started.append(process)
        return process

    def until(self, workers):
        """Wait until so many workers are known to the scheduler."""
        with distributed.Client(self.address, timeout=120) as client:
            client.wait_for_workers(workers, timeout=120)

    def end(self):
        for process in reversed(self.started):
            process.kill()
            process.wait()
