"""The command line in a process of its own, forked from one that has imported everything."""

import atexit
import json
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from paths import MODELS, ROOT

_SERVER = """
import json, os, signal, sys
from importlib.util import find_spec
from click.testing import CliRunner
from regaudit.__main__ import main
from regaudit.cli import main as command

APPLY = "apply M --dry-run --suggested"
for words in ("inspect M", "report M --format html", "suggest M", "diff M M", APPLY):
    CliRunner().invoke(command, [sys.argv[1] if one == "M" else one for one in words.split()])
if find_spec("pyarrow"):
    import pyarrow.parquet
for line in sys.stdin:
    arguments, before, folder, stdout, stderr = json.loads(line)
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        os.chdir(folder)
        for number, file in enumerate(("/dev/null", stdout, stderr)):
            os.dup2(os.open(file, os.O_RDWR | os.O_CREAT), number)
        sys.stdout = open(1, "w", closefd=False)  # which knows what it writes to
        sys.stderr = open(2, "w", buffering=1, closefd=False)
        sys.argv = ["regaudit", *arguments]
        exec(before, {})
        main()
        sys.exit()
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(child, signal.SIGKILL))
    signal.alarm(120)
    _, status, usage = os.wait4(child, 0)
    signal.alarm(0)
    print(json.dumps([os.waitstatus_to_exitcode(status), usage.ru_maxrss << 10]), flush=True)
"""


HURRIED = """
import signal
timer = signal.setitimer
signal.setitimer = lambda which, seconds: timer(which, seconds / 10)
"""
"""Statements that shorten the limits on time, but for those of workers."""


class Ended(subprocess.CompletedProcess):
    """How a command ended; `memory` is the most that one of its processes had, in bytes."""

    memory: int


def forked(*arguments, before="", cwd=ROOT, terminal=None):
    """Run a command as a user does, after some statements.

    With the device file of a terminal all is written there, and nothing of it returned.
    """
    arguments = [str(argument) for argument in arguments]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, terminal or name) for name in ("stdout", "stderr")]
        server = _server()
        server.stdin.write(json.dumps([arguments, before, str(cwd), *map(str, files)]) + "\n")
        server.stdin.flush()
        code, memory = json.loads(server.stdout.readline())
        texts = ["" if terminal else file.read_text("utf-8", "surrogateescape") for file in files]
    ended = Ended(["regaudit", *arguments], code, *texts)
    ended.memory = memory
    return ended


@cache
def _server():
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(MODELS / "tutorial-l2.keras")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    atexit.register(server.kill)
    return server
