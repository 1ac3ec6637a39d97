"""The `.keras` archive of Keras 3: a zip of `config.json`, `metadata.json`, `model.weights.h5`."""

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar

from msgspec.structs import replace

from regaudit.errors import UnknownFormatError, UnreadableModelError
from regaudit.formats.interface import Artifact, Format
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.describe import describe, shards_of
from regaudit.keras_semantics.safe_json import parse_json
from regaudit.limits import enforce_limit
from regaudit.storage.foreign import foreign_archive
from regaudit.storage.lfs_pointer import LONGEST, is_pointer, pointer
from regaudit.storage.location import Location
from regaudit.storage.zip_archive import DAMAGED, located, members_of, refuse_bomb, refuse_end
from regaudit.tensors.hdf5 import opened
from regaudit.tensors.hdf5_tree import read_tree
from regaudit.tensors.tensor import TensorGroup, merged

WEIGHTS = "model.weights.h5"
SHARDS = "model.weights.json"


class KerasArchive(Format):
    """Members are stored uncompressed, so the weights are read in place, inside the archive."""

    name: ClassVar[str] = "keras"
    suffixes: ClassVar[tuple[str, ...]] = (".keras",)
    one_file: ClassVar[bool] = True

    def sniff(self, file: Location) -> bool:
        if not file.is_file():
            return False
        with file.open("rb") as stream:
            # One with something before it is refused by name; one that is cut short has no end.
            return stream.read(4) == b"PK\x03\x04" or zipfile.is_zipfile(stream)

    @contextmanager
    def read(self, file: Location, architecture: Serialized | None = None) -> Iterator[Artifact]:
        with ExitStack() as stack:
            try:
                stream = stack.enter_context(file.open("rb"))
                refuse_end(stream)
                archive = stack.enter_context(zipfile.ZipFile(stream))
                members = members_of(archive)
                if "config.json" not in members and (said := foreign_archive(members)):
                    raise UnknownFormatError(said)
                config = self.edited.get("config.json") or _json(archive, members, "config.json")
                metadata: Serialized = {}
                if "metadata.json" in members:
                    metadata = _json(archive, members, "metadata.json")
                names = _weights(archive, members)
                trees = [_tree(archive, members[name], file, stack) for name in names]
            except DAMAGED as error:
                message = f"the archive is damaged or cut short ({' '.join(str(error).split())})"
                raise UnreadableModelError(message) from error
            found = describe(config, metadata, merged(trees))
            inflated = any(members[name].compress_type != zipfile.ZIP_STORED for name in names)
            yield replace(Artifact.of(found, {"config.json": config}), inflated=inflated)

    def write(
        self,
        file: Path,
        documents: Mapping[str, Serialized],
        out: Path,
        seal: Callable[[Path], None] | None = None,
    ) -> None:
        from regaudit.storage.atomic_write import replacing  # noqa: PLC0415 - only edits write
        from regaudit.storage.zip_member import replace_member  # noqa: PLC0415 - the same

        content = json.dumps(documents["config.json"]).encode()
        with replacing(out, like=file, seal=seal) as copy:
            replace_member(file, "config.json", content, copy)


def _json(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], name: str) -> Serialized:
    """Return the content of a JSON member."""
    if name not in members:
        raise UnreadableModelError(f"the archive has no {name}: it was not saved by Keras 3")
    info = members[name]
    enforce_limit("json_bytes", info.file_size, f"{name} is larger than {{limit}} bytes")
    refuse_bomb(info)
    raw = archive.read(info)
    _refuse_pointer(raw, name)
    return parse_json(raw, name)


def _refuse_pointer(raw: bytes, name: str) -> None:
    if is_pointer(raw):
        raise UnreadableModelError(f"{name} in the archive is {pointer('the file')}")


def _weights(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> list[str]:
    """Return the members that hold the weights: one, or several shards."""
    if WEIGHTS in members:
        return [WEIGHTS]
    if SHARDS in members:
        names = shards_of(_json(archive, members, SHARDS))
        missing = [name for name in names if name not in members]
        if missing:
            raise UnreadableModelError(f"the archive has no {missing[0]}, a shard of its weights")
        return names
    raise UnreadableModelError(f"the archive has no {WEIGHTS}: {_instead(members)}")


def _tree(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: Location, stack: ExitStack
) -> TensorGroup:
    """Return what is in an HDF5 member, which stays open as long as `stack`."""
    if info.file_size < LONGEST:
        _refuse_pointer(archive.read(info), info.filename)
    place, offset = stack.enter_context(located(archive, info, file))
    hdf5 = stack.enter_context(opened(place, offset, info.file_size))
    return read_tree(hdf5, place, offset)


def _instead(members: dict[str, zipfile.ZipInfo]) -> str:
    """Say what the archive has in place of the weights."""
    if "model.weights.npz" in members:
        return "its weights are a pickled NPZ, which is not safe to open: save the model again"
    return "there is nothing to audit"
