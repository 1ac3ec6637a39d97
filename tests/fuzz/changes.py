"""Changes at random to bytes and to JSON, each by the dice alone."""

import json
import random
from copy import deepcopy
from typing import Any

SCALARS = [
    *(None, True, False, 0, 1, -1, 2**31, 2**63, -(2**63), 10**400, 0.5, 1e308, -1e308, 5e-324),
    *(float("nan"), float("inf"), float("-inf"), "", "l2", "L1L2", "Dense", "\ud800", "\x1b[31m"),
    *("\u202e", "=1+1", "../..", "::error::x", "<script>", "a/b", "x" * 3000, [], {}, [[]], [None]),
]
NUMBERS = [0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 64) - 1]
MARKS = (b"OHDR", b"SNOD", b"HEAP", b"TREE", b"GCOL", b"FRHP", b"BTHD", b"\x89HDF", b"PK", b"name")


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


def is_like(value: Any, other: Any) -> bool:
    """Whether a value might stand where another does, for who looks at the type alone."""
    numbers = isinstance(value, int | float) and isinstance(other, int | float)
    return type(value) is type(other) or (
        numbers and isinstance(value, bool) is isinstance(other, bool)
    )


def change_json(raw: bytes, dice: random.Random) -> bytes:
    """Change some values, keys and lists of a JSON text."""
    try:
        content = json.loads(raw)
    except ValueError:
        return change_bytes(raw, dice)
    for _ in range(dice.choice((1, 1, 2, 3, 8))):
        places = nodes(content) if isinstance(content, dict | list) else []
        if not places:
            break
        above, key = dice.choice(places)
        kind = dice.randrange(9)
        alike = [value for value in SCALARS if is_like(value, above[key])]
        if kind >= 6 and alike:
            above[key] = deepcopy(dice.choice(alike))  # or changes would join
        elif kind <= 1:
            above[key] = deepcopy(dice.choice(SCALARS))
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
    return json.dumps(content).encode()
