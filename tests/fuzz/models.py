"""Models of every format, changed where their format keeps its structure."""

import io
import random
import zipfile
from functools import cache
from pathlib import Path

import h5py
import numpy as np

from fixtures import hostile
from regaudit.tensors import tensorflow_checkpoint
from tests.fuzz.changes import NUMBERS, change_bytes, change_json

ROOT = Path(__file__).parents[2]
LARGEST = 20_000
"""Bytes of the largest file that is a seed: small ones are changed where it counts."""


_OF_FOLDERS = ("saved_model.pb", "_CHECKPOINT_METADATA")
"""Files by which a folder is a model in itself."""


@cache
def seeds() -> tuple[Path, ...]:
    """Return small files of every format, and directories."""
    found = []
    for file in sorted((ROOT / "fixtures").rglob("*")):
        inside = any((ROOT / "fixtures" / "corpus") in p.parents for p in (file,))
        preset = file.parent.name == "hub" and (file / "metadata.json").is_file()
        marked = any((file / mark).is_file() for mark in _OF_FOLDERS)
        if preset or (file.is_dir() and marked):
            found.append(file)
        elif file.suffix in {".keras", ".h5", ".hdf5"} and file.is_file() and not file.is_symlink():
            odd = "hostile" in file.parts and "name" not in file.name and "hdf5" not in file.name
            if file.stat().st_size <= LARGEST and (inside or not odd):
                found.append(file)
    return tuple(file for file in found if not {"loop", "crash"} & set(file.stem.split("-")))


@cache
def checkpoints() -> tuple[Path, ...]:
    """Return folders of checkpoints, some with a configuration beside them."""
    found = (ROOT / "fixtures" / "checkpoints").rglob("*.index")
    odd = (ROOT / "fixtures" / "hostile").glob("checkpoint-*/cp.index")
    return tuple(sorted({file.parent for file in (*found, *odd)}))


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


@cache
def content(file: Path) -> bytes:
    """Return what a seed holds; read once, before there are children."""
    return file.read_bytes()


def parts(seed: Path) -> list[Path]:
    """Return the files of a seed."""
    if seed.is_file():
        return [seed]
    return [file for file in sorted(seed.rglob("*")) if file.is_file() and not file.is_symlink()]


def make(dice: random.Random, folder: Path) -> str:
    """Write a changed model into a folder, and return its name."""
    origin = dice.choice(seeds())
    if origin.is_dir():
        return _directory(origin, dice, folder)
    raw = content(origin)
    if raw[:2] == b"PK":
        changed = change_zip(raw, dice) if dice.random() < 0.7 else change_bytes(raw, dice)
    elif b"\x89HDF" in raw[:4096]:
        changed = change_hdf5(raw, dice)
    else:
        changed = change_bytes(raw, dice)
    name = f"model{origin.suffix}"
    (folder / name).write_bytes(changed)
    return name


def make_checkpoint(dice: random.Random, folder: Path) -> str:
    """Write a changed checkpoint into a folder, and return a name that leads to it."""
    origin = dice.choice(checkpoints())
    saved = folder / _directory(origin, dice, folder)
    index = dice.choice(sorted(saved.rglob("*.index"))).relative_to(folder).as_posix()
    if dice.random() < 0.2:
        state = saved / "checkpoint"
        old = state.read_bytes() if state.is_file() else b'model_checkpoint_path: "cp"\n'
        state.write_bytes(change_bytes(old, dice))
    shard = index.removesuffix(".index") + ".data-00000-of-00001"
    return dice.choice((index, index, index.removesuffix(".index"), shard, "saved"))


def change_objects(raw: bytes, dice: random.Random) -> bytes:
    """Change the graph of objects that lies in a shard, and keep its length."""
    at = raw.find(b"VARIABLE_VALUE")
    if at < 0 or dice.random() < 0.2:
        return change_bytes(raw, dice)
    changed = bytearray(raw)
    for _ in range(dice.choice((1, 1, 2, 8))):
        changed[dice.randrange(max(at - 400, 0), len(raw))] = dice.randrange(256)
    return bytes(changed)


@cache
def configurations() -> tuple[Path, ...]:
    """Return configurations alone, and files of other programs."""
    folders = (ROOT / "fixtures" / "configurations", ROOT / "fixtures" / "foreign")
    found = (file for folder in folders for file in sorted(folder.iterdir()))
    return tuple(file for file in found if not file.name.endswith(".oracle.json"))


def configuration(dice: random.Random, folder: Path) -> str:
    """Write a changed configuration, or a file of another program, and return its name."""
    origin = dice.choice(configurations())
    raw = content(origin)
    change = change_json if origin.suffix == ".json" and dice.random() < 0.7 else change_bytes
    name = f"model{origin.suffix}"
    (folder / name).write_bytes(change(raw, dice))
    return name


_CHANGES = {".index": change_table, ".json": change_json, ".h5": change_hdf5}
"""By the end of a file's name."""


def _directory(origin: Path, dice: random.Random, folder: Path) -> str:
    files = [file for file in parts(origin) if file.name != "expected.json"]
    chosen = dice.choice(files)
    for file in files:
        raw = content(file)
        if file == chosen:
            change = change_table if file.suffix == ".index" else change_message
            if file.name == "model.json":
                change = change_json
            elif ".data-" in file.name:
                change = change_objects

            change = _CHANGES.get(file.suffix, change_message)
            try:
                raw = change(raw, dice)
            except Exception:  # noqa: BLE001 - hostile seeds are no tables to some
                raw = change_bytes(raw, dice)
        target = folder / "saved" / file.relative_to(origin)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(raw)
    return "saved"
