"""The `.keras` archive of Keras 3: a zip of `config.json`, `metadata.json`, `model.weights.h5`."""

import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar

from regaudit.archive_member import replace_member
from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.format import Artifact, Format
from regaudit.hdf5 import opened, read_tree
from regaudit.keras_config import describe, parse_json, shards_of
from regaudit.keras_graph import Serialized
from regaudit.limits import INFLATION, JSON_BYTES
from regaudit.replacing import replacing
from regaudit.tensor import TensorGroup, merged

WEIGHTS = "model.weights.h5"
SHARDS = "model.weights.json"
_LOCAL_HEADER = 30
_COPY = 1 << 20


class KerasArchive(Format):
    """Members are stored uncompressed, so the weights are read in place, inside the archive."""

    name: ClassVar[str] = "keras"

    def sniff(self, file: Path) -> bool:
        if not file.is_file():
            return False
        with file.open("rb") as stream:
            # An archive may have something before it; one that is cut short has no end.
            return stream.read(4) == b"PK\x03\x04" or zipfile.is_zipfile(stream)

    @contextmanager
    def read(self, file: Path) -> Iterator[Artifact]:
        try:
            with zipfile.ZipFile(file) as archive:
                members = _members(archive)
                config = parse_json(_text(archive, members, "config.json"), "config.json")
                config = self.edited.get("config.json", config)
                metadata: Serialized = {}
                if "metadata.json" in members:
                    raw = _text(archive, members, "metadata.json")
                    metadata = parse_json(raw, "metadata.json")
                with ExitStack() as stack:
                    names = _weights(archive, members)
                    trees = [_tree(archive, members[name], file, stack) for name in names]
                    yield Artifact.of(
                        describe(config, metadata, merged(trees)), {"config.json": config}
                    )
        except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
            message = f"the archive is damaged or cut short ({' '.join(str(error).split())})"
            raise UnreadableModelError(message) from error

    def write(self, file: Path, documents: Mapping[str, Serialized], out: Path) -> None:
        content = json.dumps(documents["config.json"]).encode()
        with replacing(out, like=file) as copy:
            replace_member(file, "config.json", content, copy)


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the members by exact name.

    Raises:
        UnsafeFileError: two members share a name, so that readers may disagree on which counts.
    """
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        if info.filename in members:
            raise UnsafeFileError(f"the archive holds {info.filename!r} twice")
        if info.flag_bits & 0x1:
            raise UnsafeFileError(f"archive member {info.filename!r} is encrypted")
        members[info.filename] = info
    return members


def _text(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], name: str) -> bytes:
    """Return the bytes of a JSON member."""
    if name not in members:
        raise UnreadableModelError(f"the archive holds no {name}: it was not saved by Keras 3")
    info = members[name]
    if info.file_size > JSON_BYTES:
        raise UnsafeFileError(f"{name} is larger than {JSON_BYTES:,} bytes")
    _refuse_bomb(info)
    return archive.read(info)


def _refuse_bomb(info: zipfile.ZipInfo) -> None:
    if info.file_size > INFLATION * max(info.compress_size, 1):
        message = (
            f"archive member {info.filename!r} inflates from {info.compress_size:,} "
            f"to {info.file_size:,} bytes"
        )
        raise UnsafeFileError(message)


def _weights(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> list[str]:
    """Return the members that hold the weights: one, or several shards."""
    if WEIGHTS in members:
        return [WEIGHTS]
    if SHARDS in members:
        names = shards_of(parse_json(_text(archive, members, SHARDS), SHARDS))
        missing = [name for name in names if name not in members]
        if missing:
            raise UnreadableModelError(f"the archive lacks {missing[0]}, a shard of its weights")
        return names
    raise UnreadableModelError(f"the archive holds no {WEIGHTS}: {_instead(members)}")


def _tree(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: Path, stack: ExitStack
) -> TensorGroup:
    """Return what is in an HDF5 member, which stays open as long as `stack`."""
    place, offset = stack.enter_context(_located(archive, info, file))
    hdf5 = stack.enter_context(opened(place, offset, info.file_size))
    return read_tree(hdf5, place, offset)


def _instead(members: dict[str, zipfile.ZipInfo]) -> str:
    """Say what the archive has in place of the weights."""
    if "model.weights.npz" in members:
        return "its weights are a pickled NPZ, which is never opened; save the model again"
    return "there is nothing to audit"


@contextmanager
def _located(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: Path
) -> Iterator[tuple[Path, int]]:
    """Yield where the member's bytes lie: in the archive, or inflated into a temporary file."""
    if info.compress_type == zipfile.ZIP_STORED:
        with file.open("rb") as stream:
            stream.seek(info.header_offset)
            header = stream.read(_LOCAL_HEADER)
        if len(header) < _LOCAL_HEADER or header[:4] != b"PK\x03\x04":
            raise zipfile.BadZipFile(f"no local header for {info.filename}")
        lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        offset = info.header_offset + _LOCAL_HEADER + lengths
        if info.compress_size != info.file_size or offset + info.file_size > file.stat().st_size:
            raise UnreadableModelError(f"the archive ends in the middle of {info.filename}")
        yield file, offset
        return
    _refuse_bomb(info)
    with tempfile.NamedTemporaryFile(prefix="regaudit-", suffix=".h5") as inflated:
        with archive.open(info) as member:
            while piece := member.read(_COPY):
                inflated.write(piece)
        inflated.flush()
        yield Path(inflated.name), 0
