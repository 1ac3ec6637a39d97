"""The files of a TensorFlow checkpoint: an index and shards with one prefix, which no file has.

`cp.ckpt` is `cp.ckpt.index` and `cp.ckpt.data-00000-of-00001`. Reports call it by its index. A text
file called `checkpoint` names the latest in a folder, and others that came before it.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from regaudit.storage.location import Location
from regaudit.storage.presence import exists, is_file
from regaudit.storage.siblings import names_in

INDEX = ".index"
STATE = "checkpoint"
"""Name of the file that names the latest; a prefix may be called so as well."""

NO_INDEX = "a shard of a TensorFlow checkpoint, but the index that it takes is missing: {}"
"""Why a shard is not read."""

_SHARD = re.compile(r"(.+)\.data-\d{5}-of-\d{5}", re.DOTALL)
_NAMED = re.compile(
    rb'^(model_checkpoint_path|all_model_checkpoint_paths): "((?:[^"\\\n]|\\.)*)"', re.MULTILINE
)
_STATE_BYTES = 1 << 20
"""Longest state: one of TensorFlow names five checkpoints, or as many as a user keeps."""


def index_name(name: str) -> str | None:
    """Return the name of the index of the checkpoint that a shard is of; None for no shard."""
    shard = _SHARD.fullmatch(name)
    return shard[1] + INDEX if shard else None


def index_of(file: Location) -> Location:
    """Return the index of the checkpoint that its prefix or a shard of it means.

    A prefix without an index means its shard. Every other file is returned as it is, and so is what
    is not there.
    """
    name = file.name
    if not name or "\0" in name or name.endswith(INDEX):
        return file
    own = index_name(name)
    if own is None:
        if name != STATE and _is_there(file):
            return file
        own = name + INDEX
    try:
        index, alone = file.with_name(own), file.with_name(f"{name}.data-00000-of-00001")
        return next((one for one in (index, alone) if _is_there(one)), file)
    except (OSError, ValueError):
        return file


def _is_there(file: Location) -> bool:
    return exists(file) if isinstance(file, Path) else file.exists()


def renamed(target: str, old: Location, new: Location) -> str:
    """Return what a user would have written to name another file of the same folder.

    A name that hides where the file is stays what it is.
    """
    bare = target.rstrip("/")
    if new.name == old.name or not bare.endswith(old.name):
        return target
    return bare.removesuffix(old.name) + new.name


def shards_of(index: Location) -> list[Location]:
    """Return the shards that lie beside an index; empty for every other file."""
    if not index.name.endswith(INDEX):
        return []
    prefix = index.name.removesuffix(INDEX)
    alone = index.with_name(f"{prefix}.data-00000-of-00001")
    if _is_there(alone):
        return [alone]
    names = [name for name in names_in(index.parent) if index_name(name) == index.name]
    return [index.with_name(name) for name in names]


def read_state(file: Path) -> list[str]:
    """Return the names of the checkpoints that a state file names, the latest last.

    Only the last part of a path counts: TensorFlow writes where the folder was then. Empty for what
    is no such file, or cannot be read.
    """
    try:
        if not is_file(file) or file.is_symlink() or file.stat().st_size > _STATE_BYTES:
            return []
        found = _NAMED.findall(file.read_bytes())
    except OSError:  # the order is then that of the numbers in the names
        return []
    latest = [path for key, path in found if key == b"model_checkpoint_path"]
    others = [path for key, path in found if key != b"model_checkpoint_path"]
    if not latest:
        return []
    names = [_name_in(path) for path in (*others, latest[0])]
    return list(dict.fromkeys(reversed(names)))[::-1]


def _name_in(path: bytes) -> str:
    text = path.decode("utf-8", "replace")
    return re.split(r"[/\\]", text)[-1]


def in_order(names: Iterable[str], state: Iterable[str] = ()) -> list[str]:
    """Return files by name; indexes by the numbers in them, those that a state names last.

    Args:
        names: of files, or their paths.
        state: names of checkpoints in their order.
    """
    ranks = {f"{name}{INDEX}": rank for rank, name in enumerate(state)}

    def key(name: str) -> tuple[int, list[tuple[str, int]], str]:
        if not name.endswith(INDEX):
            return -1, [(name, 0)], name
        parts = re.split(r"([0-9]{1,18})", name)
        numbers = [int(number) for number in (*parts[1::2], "0")]
        own = name.rpartition("/")[2]
        return ranks.get(own, -1), list(zip(parts[::2], numbers, strict=True)), name

    return sorted(names, key=key)
