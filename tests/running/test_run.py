"""Long runs: workers, order, progress, and the end by Ctrl-C."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from command_line import run
from paths import MODELS

from regaudit import audit_files
from regaudit.cli import progress as shown
from regaudit.cli.progress import line, line_of_one, progress_of_one
from regaudit.report.report import Report
from regaudit.running.ordered import in_order

GOOD = MODELS / "regularized-cnn.keras"
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def regaudit(*arguments):
    return [sys.executable, "-m", "regaudit", *map(str, arguments)]


def test_results_come_in_order_and_only_so_many_wait():
    started, first = [], Event()

    def work(item):
        started.append(item)
        if item == 0:
            first.wait(10)
        return item

    with ThreadPoolExecutor(3) as threads:
        results = in_order(lambda item: threads.submit(work, item), range(50), 5)
        first.set()
        assert next(results) == 0
        assert len(started) <= 6
        assert list(results) == list(range(1, 50))


@pytest.mark.parametrize(("given", "code"), [("auto", 0), ("3", 0), ("0", 2), ("-1", 2), ("x", 2)])
def test_jobs_is_a_number_or_auto(given, code, tmp_path):
    for number in range(3):
        shutil.copy(GOOD, tmp_path / f"{number}.keras")
    result = run("inspect", str(tmp_path), "--jobs", given, "--format", "json")
    assert result.exit_code == code, result.output
    if code == 0:
        files = [Path(report["file"]).name for report in json.loads(result.stdout)["reports"]]
        assert files == ["0.keras", "1.keras", "2.keras"]


def test_progress_is_spelled():
    said = line(250, 1000, 500_000_000, 2_000_000_000, 50)
    assert said == "250 of 1,000 files, 25%, 5.0 files/s, 10.0 MB/s, 2:31 left"
    assert line(10, 10, 1000, 1000, 2).endswith("100%, 5.0 files/s, 500 B/s, 0:00 left")
    assert line(1, 10_000, 0, 0, 2).endswith("5:33:19 left")


def test_progress_counts_the_bytes_of_stores_as_they_are_known(monkeypatch):
    monkeypatch.setattr(shown, "EVERY", 0)
    monkeypatch.setattr(sys, "stderr", Terminal())
    files = [f"s3://models/{number}.keras" for number in range(5)]
    reports = (Report(file, size=5_000_000) for file in files)
    lines = []
    monkeypatch.setattr(shown, "_show", lines.append)
    monkeypatch.setattr(shown.time, "monotonic", iter(range(100)).__next__)
    assert [one.file for one in shown.progress(reports, files)] == files
    assert "1 of 5 files, 20%" in lines[0]
    assert "2 of 5 files, 40%" in lines[1]
    assert " MB/s" in lines[1]
    assert "5 of 5 files, 100%" in lines[4]


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_progress_is_shown_on_a_terminal_and_nowhere_else(tmp_path):
    for number in range(30):
        shutil.copy(GOOD, tmp_path / f"{number:02}.keras")
    ours, theirs = os.openpty()
    command = regaudit("inspect", tmp_path, "--format", "json")
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    output, _ = process.communicate(timeout=120)
    told = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert len(json.loads(output)["reports"]) == 30
    assert " of 30 files, " in told
    assert " left" in told
    assert told.endswith("\r\x1b[2K")
    plain = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=True, timeout=120)
    assert plain.stdout == output
    assert plain.stderr == b""


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_of_one_large_model_the_bytes_are_told(monkeypatch):
    said = line_of_one(5_000_000_000, 20_000_000_000, 4)
    assert said == "5.0 GB of 20.0 GB measured, 25%, 1.2 GB/s, 0:13 left"
    for name in ("SOON", "EVERY"):
        monkeypatch.setattr(shown, name, 0)
    for terminal in (Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", terminal)
        with progress_of_one() as progress:
            (report,) = audit_files([str(GOOD)], progress=progress)
        assert report.failure is None
        told = terminal.getvalue()
        if terminal.isatty():
            assert " measured, 100%, " in told
            assert told.endswith("\r\x1b[2K")
        else:
            assert not told


@pytest.mark.skipif(os.name == "nt", reason="sends signals")
def test_an_interrupt_leaves_a_partial_report_that_says_so(tmp_path):
    for number in range(400):
        shutil.copy(GOOD, tmp_path / f"{number:03}.keras")
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        regaudit("inspect", tmp_path, "--format", "jsonl"),
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    os.close(theirs)
    told = os.read(ours, 1 << 16)  # progress: some are done
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    told += os.read(ours, 1 << 16)
    os.close(ours)
    assert process.returncode == 3
    *done, last = map(json.loads, output.splitlines())
    assert 0 < len(done) < 400
    assert [Path(report["file"]).name for report in done] == [
        f"{number:03}.keras" for number in range(len(done))
    ]
    assert not any(report["failure"] for report in done)
    left = f"{400 - len(done)} of 400 models were not audited"
    assert Path(last["file"]).name == f"{len(done):03}.keras"
    assert last["failure"] == {
        "kind": "Interrupted",
        "message": f"stopped by Ctrl-C: {left}, this one and those after it",
    }
    assert f"stopped by Ctrl-C: {left}; " in told.decode()
