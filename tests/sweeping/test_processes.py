"""The process that trains, and how its end is told."""

import os

import pytest

from regaudit.errors import UnreadableModelError
from regaudit.sweeping import processes
from regaudit.sweeping.processes import Process
from regaudit.sweeping.worker import Request


@pytest.mark.skipif(os.name == "nt", reason="sends signals")
@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("kill -SEGV $$", "was killed by SIGSEGV (no message)"),
        ("echo I0000 00:00:1.2 1 port.cc:153] on >&2; exit 4", "ended with code 4 (no message)"),
        ("echo out of luck >&2; exit 5", "ended with code 5 (out of luck)"),
    ],
)
def test_an_end_is_one_line_that_says_why(tmp_path, monkeypatch, program, text):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{program}\n", encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(processes.sys, "executable", str(python))
    with pytest.raises(UnreadableModelError) as caught:
        Process().ask(Request())
    assert str(caught.value) == f"the process that trains {text}"


@pytest.mark.skipif(os.name == "nt", reason="runs a script")
@pytest.mark.parametrize(("own", "grows"), [(None, "true"), ("false", "false")])
def test_several_may_share_a_gpu_unless_the_user_says_otherwise(tmp_path, monkeypatch, own, grows):
    python = tmp_path / "python"
    shown = "$TF_FORCE_GPU_ALLOW_GROWTH $XLA_PYTHON_CLIENT_PREALLOCATE"
    python.write_text(f"#!/bin/sh\necho {shown} >&2; exit 5\n", encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(processes.sys, "executable", str(python))
    if own is not None:
        monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", own)
    with pytest.raises(UnreadableModelError) as caught:
        Process().ask(Request())
    assert f"({grows} false)" in str(caught.value)
