"""Audit files that were changed at random, and note what no file may do to an audit.

    python -m tests.fuzz --executions 20000 --seed 1

Every change follows from the seed and a number, so `--only NUMBER` repeats one. Audits run in a
child process under the limits of a worker; a child that dies is replaced. Findings are errors that
nobody foresaw (`InternalError`), errors in renderers, and audits that take more than ten seconds.
Children that the kernel had to end are counted: that is what isolation is for.
"""

import argparse
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
sys.modules["regaudit.templates"] = None  # type: ignore[assignment] - those of this checkout

import h5py  # noqa: E402
import numpy as np  # noqa: E402

from fixtures import hostile  # noqa: E402
from regaudit import audit  # noqa: E402
from regaudit.cli.targets import FORMATS  # noqa: E402
from regaudit.renderers.interface import renderer  # noqa: E402
from regaudit.report.view import View  # noqa: E402
from regaudit.running.process_limits import confined, timed  # noqa: E402
from regaudit.settings.config import Config  # noqa: E402
from regaudit.tensors import tensorflow_checkpoint  # noqa: E402

RENDERERS = [name for name in FORMATS if not renderer(name).missing()]
SLOW = 10
"""Seconds that no audit may take."""
LARGEST = 20_000
"""Bytes of the largest file that is a seed: small ones are changed where it counts."""
SCALARS = [
    *(None, True, False, 0, 1, -1, 2**31, 2**63, -(2**63), 10**400, 0.5, 1e308, -1e308, 5e-324),
    *(float("nan"), float("inf"), float("-inf"), "", "l2", "L1L2", "Dense", "\ud800", "\x1b[31m"),
    *("\u202e", "=1+1", "../..", "::error::x", "<script>", "a/b", "x" * 3000, [], {}, [[]], [None]),
]
NUMBERS = [0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 64) - 1]
MARKS = (b"OHDR", b"SNOD", b"HEAP", b"TREE", b"GCOL", b"FRHP", b"BTHD", b"\x89HDF", b"PK", b"name")


def seeds() -> list[Path]:
    """Return small files of every format, and directories."""
    found = []
    for file in sorted((ROOT / "fixtures").rglob("*")):
        inside = any((ROOT / "fixtures" / "corpus") in p.parents for p in (file,))
        if file.is_dir() and (file / "saved_model.pb").is_file():
            found.append(file)
        elif file.suffix in {".keras", ".h5", ".hdf5"} and file.is_file() and not file.is_symlink():
            odd = "hostile" in file.parts and "name" not in file.name and "hdf5" not in file.name
            if file.stat().st_size <= LARGEST and (inside or not odd):
                found.append(file)
    return [file for file in found if not {"loop", "crash"} & set(file.stem.split("-"))]


# Changes to bytes, JSON, zip, HDF5, tables and messages


def change_bytes(raw: bytes, dice: random.Random) -> bytes:  # noqa: C901 - a table of changes
    """Change some bytes, most often near where a format keeps its structure."""
    data = bytearray(raw)
    for _ in range(dice.choice((1, 1, 1, 2, 4, 16))):
        if not data:
            break
        at = dice.randrange(len(data))
        if dice.random() < 0.6:
            places = [p for mark in MARKS if (p := data.find(mark, at)) >= 0]
            if places:
                at = min(dice.choice(places) + dice.randrange(48), len(data) - 1)
        kind = dice.randrange(7)
        if kind == 0:
            data[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            data[at] = dice.randrange(256)
        elif kind == 2:
            size = dice.choice((2, 4, 8))
            data[at : at + size] = (dice.choice(NUMBERS) & (1 << 8 * size) - 1).to_bytes(
                size, "little"
            )
        elif kind == 3:
            del data[at : at + dice.choice((1, 4, 64, 1024))]
        elif kind == 4:
            data[at:at] = dice.randbytes(dice.choice((1, 4, 64)))
        elif kind == 5:
            other = dice.randrange(len(data))
            size = dice.choice((4, 16, 256))
            data[at : at + size] = data[other : other + size]
        else:
            data[at : at + 8] = bytes(8)
    if dice.random() < 0.05:
        del data[dice.randrange(len(data) + 1) :]
    return bytes(data)


def nodes(value: Any) -> list[tuple[Any, Any]]:
    """Return every place in a JSON value, as a container and a key."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        above = waiting.pop()
        pairs = above.items() if isinstance(above, dict) else enumerate(above)
        for key, below in pairs:
            found.append((above, key))
            if isinstance(below, dict | list):
                waiting.append(below)
    return found


def change_json(raw: bytes, dice: random.Random) -> bytes:
    """Change some values, keys and lists of a JSON text."""
    try:
        value = json.loads(raw)
    except ValueError:
        return change_bytes(raw, dice)
    for _ in range(dice.choice((1, 1, 2, 3, 8))):
        places = nodes(value) if isinstance(value, dict | list) else []
        if not places:
            break
        above, key = dice.choice(places)
        kind = dice.randrange(6)
        if kind <= 1:
            above[key] = deepcopy(dice.choice(SCALARS))  # or changes would join
        elif kind == 2:
            other, other_key = dice.choice(places)
            above[key] = json.loads(json.dumps(other[other_key]))
        elif kind == 3:
            del above[key]
        elif kind == 4:
            above[key] = dice.choice(([above[key]], {"class_name": "Dense", "config": above[key]}))
        elif isinstance(above, dict):
            above[str(dice.choice(SCALARS))] = above.pop(key)
        else:
            above.extend(above[:3])
    return json.dumps(value).encode()


def change_hdf5(raw: bytes, dice: random.Random) -> bytes:
    """Change attributes and datasets by HDF5's own means, or bytes."""
    if dice.random() < 0.7:
        return change_bytes(raw, dice)
    buffer = io.BytesIO(raw)
    try:
        with h5py.File(buffer, "r+") as file:
            names: list[str] = [""]
            file.visit(names.append)
            for _ in range(dice.choice((1, 2, 4))):
                change_object(file, names, dice)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError):
        return change_bytes(raw, dice)
    return buffer.getvalue()


def change_object(file: h5py.File, names: list[str], dice: random.Random) -> None:
    """Change one group or dataset of an HDF5 file."""
    name = dice.choice(names) or "/"
    kind = dice.randrange(6)
    if kind == 0:
        attributes = file[name].attrs
        key = dice.choice([*attributes, "name", "layer_names", "weight_names", "model_config"])
        old = attributes.get(key)
        if isinstance(old, str) and old[:1] == "{" and dice.random() < 0.8:
            attributes[key] = change_json(old.encode(), dice).decode()
        else:
            odd = [b"", "x", [b"a", b"../x"], np.arange(3), h5py.Empty("f4"), np.zeros(0), 1.5]
            attributes[key] = dice.choice(odd)
    elif kind == 1 and name != "/":
        del file[name]
    elif kind == 2 and name != "/":
        other = dice.choice(names) or "/"
        file[f"{name}_x"] = dice.choice(
            (file[other], h5py.SoftLink(other), h5py.ExternalLink("x", "/"))
        )
    elif kind == 3 and name != "/":
        file.move(
            name, dice.choice(("layers/x/vars/0", "vars", f"{name}/y", "a/b/c", "layers/\x1b"))
        )
    else:
        values = [
            np.float32(1),
            np.zeros((2, 0, 3)),
            np.full(5, np.nan),
            np.arange(6).reshape(2, 3),
        ]
        if name != "/":
            del file[name]
        file[name if name != "/" else "new"] = dice.choice([*values, "text", np.zeros(2, "V2")])


def change_zip(raw: bytes, dice: random.Random) -> bytes:
    """Change the members of an archive by what they hold."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = {info.filename: archive.read(info) for info in archive.infolist()}
    except Exception:  # noqa: BLE001 - hostile seeds are no archives to some
        return change_bytes(raw, dice)
    name = dice.choice([*members, "config.json", "config.json", "model.weights.h5"])
    if name in members:
        change = change_hdf5 if name.endswith(".h5") else change_json
        members[name] = change(members[name], dice)
    method = dice.choice((0, 0, 0, 0, 8, 12, 14))
    changed = hostile.archive(members, method)
    return change_bytes(changed, dice) if dice.random() < 0.1 else changed


def change_table(raw: bytes, dice: random.Random) -> bytes:
    """Change keys and values of a checkpoint's index, with checksums that are right again."""
    if dice.random() < 0.3:
        return change_bytes(raw, dice)
    pairs = [(key, bytes(value)) for key, value in tensorflow_checkpoint.table(raw)]
    for _ in range(dice.choice((1, 1, 3))):
        at = dice.randrange(len(pairs))
        key, value = pairs[at]
        kind = dice.randrange(4)
        if kind == 0:
            pairs[at] = (key, change_bytes(value, dice))
        elif kind == 1:
            pairs[at] = (key, value + hostile.wire(dice.randrange(1, 8), dice.choice(NUMBERS)))
        elif kind == 2:
            pairs[at] = (change_bytes(key, dice), value)
        else:
            pairs.append((key + b"x", value))
    return hostile.table(*sorted(pairs) if dice.random() < 0.9 else pairs)


def change_message(raw: bytes, dice: random.Random) -> bytes:
    """Change the bytes of a protobuf file; JSON inside keeps its length."""
    changed = change_bytes(raw, dice)
    if dice.random() < 0.5:
        old = dice.choice((b'"trainable": true', b'"class_name": "', b'"name": "', b'"config": {'))
        new = dice.choice((b'"trainable": null', b'"class_nome": "', b'"name": [', b'"config": 1 '))
        changed = raw.replace(old, (new + b" " * len(old))[: len(old)], dice.randrange(1, 4))
    return changed


@dataclass(slots=True)
class Fuzzer:
    """One run of the harness."""

    seed: int
    folder: Path
    files: list[Path] = field(default_factory=seeds)
    contents: dict[Path, bytes] = field(default_factory=dict)

    def make(self, number: int) -> Path:
        """Write the changed file of this number, and return where."""
        dice = random.Random(f"{self.seed}:{number}")
        origin = dice.choice(self.files)
        if origin.is_dir():
            return self.make_directory(origin, dice)
        raw = self.content(origin)
        place = self.folder / f"model{origin.suffix}"
        if raw[:2] == b"PK":
            changed = change_zip(raw, dice) if dice.random() < 0.7 else change_bytes(raw, dice)
        elif b"\x89HDF" in raw[:4096]:
            changed = change_hdf5(raw, dice)
        else:
            changed = change_bytes(raw, dice)
        place.write_bytes(changed)
        return place

    def make_directory(self, origin: Path, dice: random.Random) -> Path:
        place = self.folder / "saved"
        shutil.rmtree(place, ignore_errors=True)
        files = [file for file in origin.rglob("*") if file.is_file() and not file.is_symlink()]
        chosen = dice.choice(files)
        for file in files:
            raw = self.content(file)
            if file == chosen:
                change = change_table if file.suffix == ".index" else change_message
                try:
                    raw = change(raw, dice)
                except Exception:  # noqa: BLE001 - hostile seeds are no tables to some
                    raw = change_bytes(raw, dice)
            target = place / file.relative_to(origin)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(raw)
        return place

    def content(self, file: Path) -> bytes:
        if file not in self.contents:
            self.contents[file] = file.read_bytes()
        return self.contents[file]

    def execute(self, number: int, config: Config) -> tuple[str, str]:
        """Audit one changed file; return how it came out, and the finding if it is one."""
        file = self.make(number)
        start = time.monotonic()
        with timed(config.limits, 0):
            report = audit(file, config)
        seconds = time.monotonic() - start
        outcome = report.failure.kind if report.failure else "report"
        if outcome == "InternalError":
            return outcome, report.failure.message
        if seconds > SLOW:
            return "slow", f"{seconds:.1f} s"
        for name in RENDERERS if number % 25 == 0 else ("terminal", "json"):
            try:
                renderer(name).render([report], [rule.about for rule in config.rules], View())
            except Exception as error:  # noqa: BLE001 - that is what is looked for
                frame = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{name}: {Path(frame.filename).name}:{frame.lineno}"
                return "renderer", f"{where} {type(error).__name__}: {error}"[:300]
        return outcome, ""


def run(fuzzer: Fuzzer, first: int, executions: int) -> tuple[Counter[str], dict[str, list[int]]]:
    """Execute, child after child; return the outcomes, and the numbers behind each finding."""
    outcomes: Counter[str] = Counter()
    findings: dict[str, list[int]] = {}
    done = first
    while done < first + executions:
        readable, writable = os.pipe()
        child = os.fork()
        if not child:
            os.close(readable)
            work(fuzzer, done, first + executions, writable)
        os.close(writable)
        with os.fdopen(readable, "rb") as answers:
            for line in answers:
                outcome, finding = json.loads(line)
                outcomes[outcome] += 1
                if finding:
                    findings.setdefault(f"{outcome}: {finding}", []).append(done)
                done += 1
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code:
            name = signal.Signals(-code).name if code < 0 else f"exit {code}"
            outcomes[name] += 1
            if name not in {"SIGPROF", "SIGALRM"}:
                findings.setdefault(f"killed: {name}", []).append(done)
            done += 1
        if executions > 5000:
            print(f"{done - first:,} done", *sorted(findings), sep="\n  ", file=sys.stderr)
    return outcomes, findings


def work(fuzzer: Fuzzer, first: int, last: int, answers: int) -> None:
    """Be a child: execute until killed; a fresh child every thousand keeps memory in check."""
    config = Config.default()
    last = min(last, first + 1000)
    try:
        confined(config.limits).__enter__()
        for number in range(first, last):
            os.write(answers, json.dumps(fuzzer.execute(number, config)).encode() + b"\n")
    except BaseException:  # noqa: BLE001 - nothing of the parent's may run here
        traceback.print_exc()
        os._exit(70)
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--executions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", type=int, help="write this one to ./fuzzed and audit it")
    options = parser.parse_args()
    if options.only is not None:
        folder = Path("fuzzed")
        folder.mkdir(exist_ok=True)
        fuzzer = Fuzzer(options.seed, folder)
        print(fuzzer.make(options.only), *fuzzer.execute(options.only, Config.default()))
        return
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        fuzzer = Fuzzer(options.seed, Path(place))
        for file in fuzzer.files:  # once, for all children
            for part in [file] if file.is_file() else file.rglob("*"):
                if part.is_file() and not part.is_symlink():
                    fuzzer.content(part)
        outcomes, findings = run(fuzzer, options.first, options.executions)
    seconds = time.monotonic() - start
    print(f"{options.executions:,} executions in {seconds:.0f} s")
    print("  ".join(f"{name} {count:,}" for name, count in outcomes.most_common()))
    for finding, numbers in sorted(findings.items(), key=lambda item: -len(item[1])):
        print(f"{len(numbers):6,}  {finding}   --only {numbers[0]}")
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()
