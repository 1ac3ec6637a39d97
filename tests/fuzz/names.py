"""Names that somebody might act on: of layers, classes, files, folders, and URLs with secrets."""

import io
import json
import random
import zipfile
from pathlib import Path

import h5py

from tests.fuzz.texts import GOOD, MODELS

SECRET = "hunter2"
"""What no output may show."""
PIECES = [
    *("\x1b[31m", "\x1b]0;x\x07", "\n::error::x", "\r", "##[error]x", "\u202e", "\u2066", "\x00"),
    *("\u200b", "\u2028", "\x85", "\ud800", "<script>", "<img src=x onerror=1>", "](x)", "`", "|"),
    *("=1+1", "@x", "'", '"', "\\", "%s", "{0}", "{{1}}", "$(x)", ";x", "#", "..", "*", "[a", "?"),
    *("]]>", "&#x1b;", "-->", "dense", " ", "\t", "é", "\U000e0001", "a" * 300, "--x", "🙂"),
]
URLS = (
    "https://user:{0}@x.example/m.keras",
    "https://x.example/m.keras?token={0}",
    "https://x.example/m.keras#{0}",
    "s3://user:{0}@bucket/m.keras",
    "https://user:{0}@x@y/m.keras?a=b#c",
    "HTTPS://u:{0}@x.example/{1}",
    "gs://u:{0}@{1}/m.keras",
)


def name(dice: random.Random) -> str:
    """Return a name of several pieces."""
    return "".join(dice.choice(PIECES) for _ in range(dice.choice((1, 1, 2, 3, 5))))


def path(dice: random.Random) -> str:
    """Return a name that a file system takes."""
    made = name(dice).replace("\x00", "").replace("/", "").replace("\ud800", "")[:40]
    return made.strip(".") or "x"


def url(dice: random.Random) -> str:
    """Return a URL with a secret in it."""
    return dice.choice(URLS).format(SECRET, path(dice))


def model(dice: random.Random, folder: Path) -> str:
    """Write a model with odd names in it, under an odd name; return that."""
    with zipfile.ZipFile(MODELS / dice.choice(GOOD[:3])) as archive:
        members = {one: archive.read(one) for one in archive.namelist()}
    config = json.loads(members["config.json"])
    layers = config["config"]["layers"]
    for one in dice.sample(layers, dice.choice((1, min(2, len(layers))))):
        one["config"]["name"] = name(dice)
        if dice.random() < 0.4:
            one["class_name"] = name(dice)
        if dice.random() < 0.3:
            one["config"]["kernel_regularizer"] = {"class_name": name(dice), "config": {}}
    if dice.random() < 0.5:
        members = _odd(members, dice)
    if dice.random() < 0.3:
        config["config"]["name"] = name(dice)
    members["config.json"] = json.dumps(config).encode()
    place = Path(path(dice)) if dice.random() < 0.3 else Path()
    (folder / place).mkdir(exist_ok=True)
    file = place / f"{path(dice)}.keras"
    with zipfile.ZipFile(folder / file, "w") as archive:
        for one, content in members.items():
            archive.writestr(one, content)
    return str(file)


def _odd(members: dict[str, bytes], dice: random.Random) -> dict[str, bytes]:
    """Make all values of some weights what findings and advice speak of."""
    buffer = io.BytesIO(members["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        found: list[h5py.Dataset] = []
        file["layers"].visititems(
            lambda _, one: found.append(one) if isinstance(one, h5py.Dataset) else None
        )
        for one in dice.sample(found, min(len(found), 2)):
            if one.dtype.kind == "f":
                one[...] = dice.choice((float("nan"), float("inf"), 0.0, 1e30))
    return members | {"model.weights.h5": buffer.getvalue()}
