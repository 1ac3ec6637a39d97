"""Models in archives, which are changed: their bytes, their headers, what else is in them."""

import random
import shutil
import tarfile
from pathlib import Path

from tests.archives import PACKED, contents, special, tar, zipped
from tests.fuzz.changes import NUMBERS, change_bytes

LAYOUTS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
NAMES = (
    "../m.keras",
    "/m.keras",
    "m.keras",
    "a/b/config.json",
    "M.KERAS",
    "x\x1b[2J.h5",
    "m.tar.gz",
)
KINDS = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, b"S")
FIELDS = ((0, 100), (124, 12), (148, 8), (156, 1), (257, 8), (345, 155))
"""Where in a header of tar its name, size, checksum, kind, mark and prefix stand."""


def pack(dice: random.Random, folder: Path, name: str) -> str:
    """Put a model into an archive in its place, and return the name of the archive, or in it."""
    model = folder / name
    held = contents(model) if model.is_dir() else {"": model.read_bytes()}
    members = {f"{name}/{path}".rstrip("/"): raw for path, raw in held.items()}
    if model.is_dir():
        shutil.rmtree(model)
    else:
        model.unlink()
    ending = dice.choice((*PACKED, "zip", "gz"))
    if ending == "gz":
        raw, ending = PACKED["tgz"](next(iter(members.values()))), f"{model.suffix[1:] or 'h5'}.gz"
    elif ending == "zip":
        raw = zipped(members, dice.choice((0, 8)))
    else:
        raw = PACKED[ending](_tar(dice, members))
    if dice.random() < 0.3:
        raw = change_bytes(raw, dice)
    packed = f"m.{ending}"
    (folder / packed).write_bytes(raw)
    return packed if dice.random() < 0.8 else f"{packed}/{dice.choice((*members, *NAMES))}"


def _tar(dice: random.Random, members: dict[str, bytes]) -> bytes:
    pairs: list[tuple[str | tarfile.TarInfo, bytes]] = [*members.items()]
    for _ in range(dice.choice((0, 0, 1, 3))):
        name = dice.choice((*NAMES, *members))
        odd = (name, b"x" * dice.randrange(600))
        linked = special(name, dice.choice(KINDS), dice.choice(("/etc/passwd", "..", "m.keras")))
        pairs.insert(dice.randrange(len(pairs) + 1), dice.choice((odd, (linked, b""))))
    raw = bytearray(tar(pairs, dice.choice(LAYOUTS)))
    for _ in range(dice.choice((0, 0, 1, 2))):
        _change_header(raw, dice)
    return bytes(raw)


def _change_header(raw: bytearray, dice: random.Random) -> None:
    """Change a field of what may be a header; most often its checksum is right again."""
    heads = [at for at in range(0, len(raw), 512) if raw[at + 257 : at + 262] == b"ustar"]
    at = dice.choice(heads or [0])
    start, length = dice.choice(FIELDS)
    field = dice.choice(
        (
            b"%011o\0" % (dice.choice(NUMBERS) % 8**11),
            b"\x80" + bytes(dice.randrange(256) for _ in range(11)),
            bytes(dice.randrange(256) for _ in range(length)),
            dice.choice((b"x", b"g", b"L", b"K", b"S", b"5", b"1", b"7", b"Z")) * length,
            b"-1\0",
        )
    )[:length]
    raw[at + start : at + start + len(field)] = field
    if dice.random() < 0.9:
        raw[at + 148 : at + 156] = b" " * 8
        raw[at + 148 : at + 156] = b"%06o\0 " % sum(raw[at : at + 512])
