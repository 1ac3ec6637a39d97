"""What else is read: results, baselines, settings, architectures, edits, cache entries, arrays."""

import io
import json
import random
import zipfile
from functools import cache
from hashlib import sha256
from pathlib import Path

import click.testing
import numpy as np

from regaudit.cli import main
from tests.fuzz.changes import SCALARS, change_bytes, change_json
from tests.fuzz.models import ROOT

MODELS = ROOT / "fixtures" / "models"
GOOD = ("tutorial-l2.keras", "regularized-cnn.keras", "custom.keras", "everything.keras")
WEIGHTS = ROOT / "fixtures" / "corpus" / "tf-2.15" / "built_by_call.weights.h5"
SETTINGS = """
models = ["*.keras"]
fail-on = "warning"
preset = "strict"
select = ["REG1", "dead-units"]
baseline = "b.json"
train-loss = 0.1
val-size = 100

[rules.REG101]
min_parameters = 50_000
severity = "warning"

[limits]
json_bytes = 1_000_000

[[ignore]]
code = "REG101"
layer = "encoder/*"
model = "m*"
reason = "frozen in production"
expires = 2027-06-30

[[override]]
model = "m*"
layer = "d*"
rules.REG101.severity = "note"
"""
ODD = [
    *("nan", "inf", "-inf", "1e308", "-1", "0", "true", '""', "[]", "{}", "[[]]", "2027-01-01"),
    *("9" * 400, "0x" + "f" * 40, '"\\u001b[31m"', '"a\\n::error::x"', '"\\u202e"', '"\\u0000"'),
    *(
        '["\\u2028::error::x"]',
        '["\\u0085##[error]x"]',
        '"***"',
        '"../.."',
        '"' + "a" * 5000 + '"',
        '"REG101"',
        '["*.keras", 3]',
        "[1, [2]]",
    ),
    *("{ a = 1 }", "1979-05-27T07:32:00Z", "07:32:00", '"s3://user:hunter2@x/"', '"[a"'),
]

DTYPES = [b"<f8", b"|O8", b"<V8", b"<c8", b"|S0", b"<M8", b"|b1"]


def _printed(*arguments: str) -> bytes:
    return click.testing.CliRunner().invoke(main, [*arguments]).stdout_bytes


@cache
def seed(kind: str) -> bytes:
    """Return what regaudit writes itself, of good models."""
    files = [str(MODELS / name) for name in GOOD]
    match kind:
        case "results":
            return b"".join(_printed("inspect", "--format", "jsonl", file) for file in files)
        case "edits":
            return _printed("suggest", files[0], "--format", "json")
        case "baseline":
            report = json.loads(
                _printed("check", "--preset", "strict", "--format", "json", files[3])
            )
            (one,) = report["reports"]
            entries = [
                {
                    "model": "m.keras",
                    "code": f["code"],
                    "path": f["path"],
                    "severity": f["severity"],
                }
                | {"rank": 3.5}
                for f in one["findings"]
            ]
            return json.dumps({"schema": "regaudit-baseline/1", "findings": entries}).encode()
        case "architecture":
            with zipfile.ZipFile(MODELS / GOOD[3]) as archive:
                return archive.read("config.json")
    raise KeyError(kind)


def warm() -> None:
    """Make all seeds, before there are children."""
    for kind in ("results", "edits", "baseline", "architecture"):
        assert seed(kind), kind


def good(dice: random.Random, folder: Path) -> str:
    """Write a good model, small ones more often, and return its name."""
    name = dice.choice((*GOOD[:3], GOOD[0]))
    (folder / "m.keras").write_bytes((MODELS / name).read_bytes())
    return "m.keras"


def _changed(raw: bytes, dice: random.Random) -> bytes:
    return change_json(raw, dice) if dice.random() < 0.8 else change_bytes(raw, dice)


def results(dice: random.Random, folder: Path) -> None:
    lines = seed("results").splitlines()
    at = dice.randrange(len(lines))
    lines[at] = _changed(lines[at], dice)
    kept = lines if dice.random() < 0.3 else [lines[at]]
    (folder / "r.jsonl").write_bytes(b"\n".join(kept) + b"\n")


def baseline(dice: random.Random, folder: Path) -> None:
    (folder / "b.json").write_bytes(_changed(seed("baseline"), dice))


def edits(dice: random.Random, folder: Path) -> None:
    (folder / "e.json").write_bytes(_changed(seed("edits"), dice))


def architecture(dice: random.Random, folder: Path) -> None:
    (folder / "a.json").write_bytes(_changed(seed("architecture"), dice))
    (folder / "w.weights.h5").write_bytes(WEIGHTS.read_bytes())


def settings(dice: random.Random, folder: Path) -> None:
    """Change values and lines of settings, as TOML or as bytes."""
    lines = SETTINGS.splitlines()
    for _ in range(dice.choice((1, 1, 1, 2))):
        at = dice.randrange(len(lines))
        key, equals, _ = lines[at].partition(" = ")
        if equals and dice.random() < 0.7:
            lines[at] = f"{key} = {dice.choice(ODD)}"
        elif dice.random() < 0.5:
            del lines[at]
        else:
            lines.insert(dice.randrange(len(lines)), lines[at])
    kept = [line for line in lines if line[:1] == "[" or dice.random() < 0.95]
    text = "\n".join(kept).encode()
    if dice.random() < 0.2:
        text = change_bytes(text, dice)
    if dice.random() < 0.5:
        text = text.replace(b"[[", b"[[tool.regaudit.").replace(b"\n[", b"\n[tool.regaudit.")
        text = b"[tool.regaudit]\n" + text.replace(b"[tool.regaudit.[", b"[[")
        (folder / "pyproject.toml").write_bytes(text)
    else:
        (folder / "regaudit.toml").write_bytes(text)
    if dice.random() < 0.9:
        (folder / "b.json").write_bytes(seed("baseline"))


def cached(dice: random.Random, folder: Path) -> None:
    """Change an entry of a cache; its checksum is often right again."""
    for entry in (folder / "cache").rglob("*.json"):
        body = _changed(entry.read_bytes().partition(b"\n")[2], dice)
        checksum = sha256(body).hexdigest() if dice.random() < 0.9 else str(dice.choice(SCALARS))
        entry.write_bytes(checksum.encode("utf-8", "replace") + b"\n" + body)


def arrays(dice: random.Random, folder: Path) -> None:
    """Write arrays of odd names, types and shapes, or bytes that were some."""
    odd = [np.zeros((2, 100)), np.array("x"), np.zeros(0), np.full(3, np.nan), np.zeros(2, "V2")]
    buffer = io.BytesIO()
    np.savez(buffer, **{dice.choice(("x", "y", "x_0", "::error::", "\x1b")): dice.choice(odd)})
    raw = buffer.getvalue()
    if dice.random() < 0.5:  # the header of an array, in an archive that is whole
        with zipfile.ZipFile(buffer) as whole, zipfile.ZipFile(folder / "d.npz", "w") as archive:
            for one in whole.namelist():
                array = whole.read(one)
                head = change_bytes(array[:128], dice) if dice.random() < 0.7 else array[:128]
                archive.writestr(one, head.replace(b"<f8", dice.choice(DTYPES)) + array[128:])
        return
    (folder / "d.npz").write_bytes(change_bytes(raw, dice) if dice.random() < 0.7 else raw)
