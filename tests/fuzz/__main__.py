"""Give every command inputs that were changed at random, and note what none may make it do.

    python -m tests.fuzz --executions 20000 --seed 1

Each execution follows from the seed and its number: `--only NUMBER` repeats one (with the same
`--kind`), leaves its files in ./fuzzed and prints all. Commands run in child processes under the
limits of a worker; a child that dies is replaced. The kernel ends what takes too long or too much:
that is what isolation is for, and counted. Faults are what `checks.py` looks for.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
sys.modules["regaudit.templates"] = None  # type: ignore[assignment] - those of this checkout

from regaudit.limits import Limits  # noqa: E402
from regaudit.live import verify  # noqa: E402
from regaudit.running.process_limits import confined, timed  # noqa: E402
from tests.fuzz import models, texts  # noqa: E402
from tests.fuzz.checks import execute  # noqa: E402
from tests.fuzz.kinds import KINDS  # noqa: E402

A_CHILD = 500
"""Executions of a child: a fresh one keeps memory in check."""
ENDED = {"SIGPROF", "SIGALRM"}
"""Signals of limits."""


class Line(NamedTuple):
    """What came of one execution."""

    number: int
    kind: str
    command: str
    code: str
    fault: str
    seconds: float


def one(number: int, seed: int, only: str | None, folder: Path) -> Line:
    """Make the input of a number in an empty folder, and run its command there."""
    dice = random.Random(f"{seed}:{number}:{only or ''}")
    kind = only or dice.choices(list(KINDS), [share for _, share in KINDS.values()])[0]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    os.chdir(folder)
    start = time.monotonic()
    now = folder.parent / f"{folder.name}.now"
    now.write_text(json.dumps([kind, ["(made)"]]))
    command = KINDS[kind][0](dice, folder)
    now.write_text(json.dumps([kind, command]))
    with timed(Limits(), 0):
        found = execute(command, folder)
    return Line(number, kind, command[0], *found, time.monotonic() - start)


def without_keras() -> None:
    """Have real Keras and the stores missing: neither is asked."""
    verify.find_spec = lambda _name: None  # type: ignore[attr-defined]
    sys.modules["fsspec"] = None  # type: ignore[assignment]


def work(numbers: list[int], options: argparse.Namespace, folder: Path, answers: int) -> None:
    """Be a child: execute until killed."""
    try:
        confined(Limits()).__enter__()
        for number in numbers:
            line = one(number, options.seed, options.kind, folder)
            os.write(answers, json.dumps(line).encode() + b"\n")
    except BaseException:  # noqa: BLE001 - nothing of the parent's may run here
        traceback.print_exc()
        os._exit(70)
    os._exit(0)


def run(numbers: list[int], options: argparse.Namespace, folder: Path) -> list[Line]:
    """Execute, child after child, and return what came of each number."""
    lines: list[Line] = []
    start = time.monotonic()
    while len(lines) < len(numbers):
        sys.stderr.flush()
        readable, writable = os.pipe()
        child = os.fork()
        if not child:
            os.close(readable)
            work(numbers[len(lines) : len(lines) + A_CHILD], options, folder, writable)
        os.close(writable)
        with os.fdopen(readable, "rb") as answers:
            lines += [Line(*json.loads(line)) for line in answers]
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code:
            kind, command = json.loads((folder.parent / f"{folder.name}.now").read_text())
            name = signal.Signals(-code).name if code < 0 else f"exit {code}"
            fault = "" if name in ENDED else f"killed: {name}"
            lines.append(Line(numbers[len(lines)], kind, command[0], name, fault, 0))
        if len(numbers) > 2000:
            seen = sorted({line.fault for line in lines if line.fault})
            print(f"{len(lines):,} of {len(numbers):,}", *seen, sep="\n  ", file=sys.stderr)
        if options.seconds and time.monotonic() - start > options.seconds:
            break
    return lines


def shared_out(options: argparse.Namespace, place: Path) -> list[Line]:
    """Have some processes each take a share of the numbers."""
    last, jobs = options.first + options.executions, options.jobs
    children = []
    for job in range(jobs):
        child = os.fork()
        if not child:
            lines = run(list(range(options.first + job, last, jobs)), options, place / f"job{job}")
            (place / f"{job}.json").write_text(json.dumps(lines))
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    return [
        Line(*line)
        for job in range(jobs)
        for line in json.loads((place / f"{job}.json").read_text())
    ]


def summary(lines: list[Line]) -> list[str]:
    """Return a table of outcomes by kind and command, and the faults, the most frequent first."""
    told = []
    for kind, command in sorted({(line.kind, line.command) for line in lines}):
        ours = [line for line in lines if (line.kind, line.command) == (kind, command)]
        codes = Counter(line.code for line in ours).most_common()
        pace = 1000 * sum(line.seconds for line in ours) / len(ours)
        outcomes = "  ".join(f"{code}: {count:,}" for code, count in codes)
        told.append(f"{kind:13}{command:9}{len(ours):8,} {pace:6.1f} ms  {outcomes}")
    faults = Counter((line.kind, line.command, line.fault) for line in lines if line.fault)
    for found, count in faults.most_common():
        first = min(line.number for line in lines if (line.kind, line.command, line.fault) == found)
        told.append(f"{count:6,}  {': '.join(found)}   --only {first}")
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--executions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side")
    parser.add_argument("--seconds", type=int, help="start no more after these")
    parser.add_argument("--kind", choices=KINDS, help="fuzz this input alone")
    parser.add_argument("--only", type=int, help="repeat this one in ./fuzzed")
    options = parser.parse_args()
    without_keras()
    texts.warm()
    if options.only is not None:
        line = one(options.only, options.seed, options.kind, Path("fuzzed").absolute())
        print(Path("..", "fuzzed.now").read_text(), line, sep="\n")
        sys.exit(bool(line.fault))
    start = time.monotonic()
    for seed in models.seeds():
        for part in models.parts(seed):
            models.content(part)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        prefix="fuzz-", dir=memory if memory.is_dir() else None
    ) as place:
        lines = shared_out(options, Path(place))
    print(f"{len(lines):,} executions in {time.monotonic() - start:.0f} s")
    print(*summary(lines), sep="\n")
    sys.exit(any(line.fault for line in lines))


if __name__ == "__main__":
    main()
