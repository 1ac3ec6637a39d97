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
        old, one["config"]["name"] = one["config"].get("name"), name(dice)
        if dice.random() < 0.4:
            one["class_name"] = name(dice)
        if dice.random() < 0.3:
            one["config"]["kernel_regularizer"] = {"class_name": name(dice), "config": {}}
        if dice.random() < 0.3:
            members = dict(_renamed(members, str(old), path(dice)))
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


def _renamed(members: dict[str, bytes], old: str, new: str) -> dict[str, bytes]:
    """Give a group of weights another name, and its values sometimes NaN."""
    buffer = io.BytesIO(members["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        if f"layers/{old}" in file and f"layers/{new}" not in file:
            file.move(f"layers/{old}", f"layers/{new}")
            for one in file[f"layers/{new}/vars"].values():
                one[...] = float("nan")
    return members | {"model.weights.h5": buffer.getvalue()}
