"""What a file is that is no model of Keras: named by its content, whatever it is called.

One table for what begins with a mark, and a function for each kind that only its structure tells.
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

_MODEL = (
    "there are no regularizers in it: audit the Keras model that it was made from, as model.save() "
    "writes it"
)
_OTHER = (
    "there are no regularizers in it, and it is not read: audit a Keras model, as model.save() "
    "writes it"
)
_PICKLE = (
    "to open it is to run the program in it, so it is not opened: load it where it was made, and "
    "write the model with model.save()"
)
_DATA = "not a saved Keras model"
_PACKED = "unpack it and audit what is inside"


class _Mark(NamedTuple):
    """How a kind of file begins, and what is said of it."""

    start: bytes
    what: str
    instead: str
    at: int = 0


_MARKS = (
    _Mark(b"TFL3", "a TensorFlow Lite model", _MODEL, 4),
    _Mark(b"GGUF", "a GGUF file of llama.cpp", _OTHER),
    *(_Mark(mark, "a GGML file of llama.cpp", _OTHER) for mark in (b"lmgg", b"fmgg", b"tjgg")),
    _Mark(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "weights of PyTorch", _OTHER),
    _Mark(b"\x12\x01" + bytes(6), "weights of MXNet", _OTHER),
    _Mark(b"\x93NUMPY", "an array of NumPy", _OTHER),
    _Mark(b"\x89PNG\r\n", "a PNG image", _DATA),
    _Mark(b"\xff\xd8\xff", "a JPEG image", _DATA),
    _Mark(b"GIF8", "a GIF image", _DATA),
    _Mark(b"%PDF-", "a PDF document", _DATA),
    _Mark(b"SQLite format 3\0", "an SQLite database", _DATA),
    _Mark(b"PAR1", "a Parquet table", _DATA),
    _Mark(b"ARROW1", "an Arrow table", _DATA),
    _Mark(b"MATLAB 5.0 MAT-file", "data of MATLAB", _DATA),
    _Mark(b"\x7fELF", "a program or a library", _DATA),
    _Mark(b"\x1f\x8b", "a gzip file", _PACKED),
    _Mark(b"BZh", "a bzip2 file", _PACKED),
    _Mark(b"\xfd7zXZ\0", "an xz file", _PACKED),
    _Mark(b"\x28\xb5\x2f\xfd", "a Zstandard file", _PACKED),
    _Mark(b"7z\xbc\xaf\x27\x1c", "a 7z archive", _PACKED),
    _Mark(b"Rar!\x1a\x07", "a RAR archive", _PACKED),
    _Mark(b"ustar", "a tar archive", _PACKED, 257),
)


def foreign(head: bytes) -> str | None:
    """Say what a file is and what to give instead; None where nothing is known of it.

    Args:
        head: its first bytes, of which a few thousand are enough.
    """
    for mark in _MARKS:
        if head.startswith(mark.start, mark.at):
            return f"{mark.what}: {mark.instead}"
    return next((said for kind in _KINDS if (said := kind(head)) is not None), None)


def foreign_archive(names: Iterable[str]) -> str | None:
    """Say what a zip archive is that no Keras wrote; None where nothing is known of it.

    Args:
        names: of its members.
    """
    members = set(names)
    if any(re.fullmatch(r"([^/]+/)?data\.pkl", name) for name in members):
        return f"weights of PyTorch: {_OTHER}"
    if members and all(name.endswith(".npy") for name in members):
        return f"arrays of NumPy (npz): {_OTHER}"
    if "META-INF/MANIFEST.MF" in members:
        return f"a Java archive: {_DATA}"
    if "[Content_Types].xml" in members:
        return f"a document of Office: {_DATA}"
    return None


def _safetensors(head: bytes) -> str | None:
    """Eight bytes say how long the JSON behind them is."""
    length = int.from_bytes(head[:8], "little")
    if not 2 <= length < 1 << 30 or not re.match(rb'\{\s*("|\})', head[8:]):
        return None
    return f"weights in safetensors: {_OTHER}"


def _pickle(head: bytes) -> str | None:
    """Pickles from protocol 2 on name their protocol; joblib writes them, too."""
    if len(head) < 3 or head[0] != 0x80 or head[1] not in {2, 3, 4, 5}:
        return None
    if not (head[2:3] in b"\x95c(]}KXU\x8c)NJGq" or head[1] == 4):
        return None
    of = re.search(rb"keras|sklearn|joblib|torch|xgboost|lightgbm|pandas|numpy", head)
    named = f" that names {of[0].decode()}" if of else ""
    return f"a Python pickle{named}: {_PICKLE}"


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """Return a number of protobuf and where it ends; -1 where there is none."""
    value = 0
    for index, byte in enumerate(raw[at : at + 10]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, at + index + 1
    return -1, at


def _text(raw: bytes, at: int, tag: int, most: int = 256) -> tuple[str, int] | None:
    """Return a text of protobuf with a tag, and where it ends."""
    if raw[at : at + 1] != bytes([tag]):
        return None
    length, start = _varint(raw, at + 1)
    found = raw[start : start + length] if 0 < length <= most else b""
    if not found or len(found) < length or not re.fullmatch(rb"[\x20-\x7e]+", found):
        return None
    return found.decode(), start + length


_VERSIONS = {bytes([version]) for version in range(1, 32)}


def _onnx(head: bytes) -> str | None:
    """A version below 32, then the name of the program that wrote it, then more of its fields."""
    if head[:1] != b"\x08" or head[1:2] not in _VERSIONS:
        return None
    producer = _text(head, 2, 0x12)
    if producer is None:
        return None
    name, end = producer
    if head[end : end + 1] not in {b"\x1a", b"\x22", b"\x28", b"\x32", b"\x3a", b"\x42"}:
        return None
    return f"an ONNX model, written by {name}: {_MODEL}"


def _graph(head: bytes) -> str | None:
    """A frozen graph is a list of nodes, each with a name and the name of its operation."""
    if head[:1] != b"\x0a":
        return None
    length, start = _varint(head, 1)
    named = _text(head, start, 0x0A, 1000) if length > 0 else None
    operation = _text(head, named[1], 0x12) if named else None
    if operation is None or not re.fullmatch(r"[A-Z]\w*", operation[0]):
        return None
    return f"a frozen graph of TensorFlow: {_MODEL}"


def _caffe(head: bytes) -> str | None:
    """A net has a name, then its layers, or what it takes in."""
    named = _text(head, 0, 0x0A)
    after = head[named[1] : named[1] + 2] if named else b""
    if after == b"\xa2\x06" or after[:1] in {b"\x12", b"\x1a"}:
        return f"weights of Caffe: {_OTHER}"
    return None


def _events(head: bytes) -> str | None:
    return f"a log for TensorBoard: {_DATA}" if b"brain.Event:" in head[:64] else None


def _texts(head: bytes) -> str | None:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if b"\0" in head:
        return None
    if re.match(rb"(?i)<!doctype html|<html", text):
        return "an HTML page, not a saved Keras model: the download may have led to a login"
    if re.search(rb"(?m)^\s*layers?\s*\{", text) and re.search(rb"(?m)^\s*type\s*:", text):
        return f"the text of a Caffe net: {_OTHER}"
    if re.match(rb"\{|\[", text) and re.search(rb'"(architectures|model_type)"\s*:', head):
        return (
            "the configuration of a transformers model, not of a Keras model: it names no layers "
            "and no regularizers; audit the weights beside it, tf_model.h5"
        )
    if re.match(rb'[{\["]', text):
        return "JSON, but not the configuration of a Keras model"
    return None


_KINDS: tuple[Callable[[bytes], str | None], ...] = (
    *(_safetensors, _pickle, _onnx, _graph, _caffe),
    *(_events, _texts),
)
