"""What a file format is: something that recognizes files and reads models out of them."""

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from msgspec import Struct

from regaudit.discovery import defined, modules
from regaudit.errors import (
    PlugInError,
    RefusedEditError,
    UnknownFormatError,
    UnreadableModelError,
)
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.describe import Description
from regaudit.limits import enforce_limit
from regaudit.model import Model, Skip, names
from regaudit.plugins.installed import FORMATS, entry_points
from regaudit.storage.foreign import foreign
from regaudit.storage.lfs_pointer import is_pointer, pointer
from regaudit.storage.location import Location
from regaudit.storage.presence import is_file
from regaudit.storage.siblings import names_in
from regaudit.tensors.tensor import Tensor

WEIGHTS_ONLY = (
    "the file contains weights only: which of them are regularized is unknown, and there is no "
    "configuration to edit; give the whole model, as model.save() writes it"
)
"""Why neither advice nor an edit is possible."""


HEAD = 4096
"""Bytes of a file that a search looks at, where its name does not say what it is."""


class Artifact(Struct, frozen=True):
    """A file that has been read: its model, and where the values of its weights lie."""

    model: Model
    tensors: Mapping[str, Tensor]
    """By `Weight.stored_path`."""
    skipped: tuple[Skip, ...]
    """What could not be examined, and why."""
    documents: Mapping[str, Serialized] = {}
    """The JSON that the file keeps and `write` can replace, parsed, the model's first."""
    inflated: bool = False
    """Whether all of the weights were unpacked to be read: too much to be done many times."""

    def __post_init__(self) -> None:
        """Refuse names that are too long for what comes next: rules, advice, tables.

        Raises:
            UnsafeFileError: the model has one.
        """
        longest = max(map(len, names(self.model)), default=0)
        enforce_limit("key_bytes", longest, "the model has a name longer than {limit} characters")

    @classmethod
    def of(
        cls, description: Description, documents: Mapping[str, Serialized] | None = None
    ) -> "Artifact":
        """Make the artifact of a described model."""
        return cls(description.model, description.tensors, description.skipped, documents or {})


class Format(ABC):
    """One kind of file; each lives in a module of `regaudit.formats`."""

    name: ClassVar[str]
    """As reports call it: `keras`, `h5`, ..."""
    suffixes: ClassVar[tuple[str, ...]] = ()
    """Files that count as models when a directory is searched, by the end of their names."""
    sniffed_suffixes: ClassVar[tuple[str, ...]] = ()
    """Likewise, for those of them of which `looks_like` says that they begin like a model."""
    is_configuration: ClassVar[bool] = False
    """Whether such a file is the configuration of a model and has no weights."""
    folder_marks: ClassVar[tuple[str, ...]] = ()
    """Files that a directory which is a model in itself has, the first of them always."""
    folder_parts: ClassVar[frozenset[str]] = frozenset()
    """Files of such a directory that are no models of their own, though they are named like one;
    by their paths in it."""
    one_file: ClassVar[bool] = False
    """Whether a file holds all of a model: reports on it are cached, and hooks are run on it."""
    why_not: ClassVar[str] = ""
    """Why models of this format cannot be edited; empty where `write` does it."""
    edited: Mapping[str, Serialized] = MappingProxyType({})
    """JSON that is read in place of the file's own, by name: the file as an edit would make it."""

    by_name: bool = False
    """Whether weights alone are loaded into an architecture by the names of its layers; Keras does
    so with `by_name=True`, and only in HDF5 of the kind that Keras 1 and 2 wrote."""

    trouble: PlugInError | None = None
    """What went wrong when a format of a plug-in was asked about a file."""

    @abstractmethod
    def sniff(self, file: Location) -> bool:
        """Whether the content is of this format; the suffix does not count."""

    def looks_like(self, head: bytes) -> bool:
        """Whether a file of `sniffed_suffixes` that begins so counts as a model in a search.

        Args:
            head: its first `HEAD` bytes.
        """
        return False

    def takes_configuration(self, file: Location) -> bool:
        """Whether a file of this format holds weights alone, which a configuration explains."""
        return False

    @abstractmethod
    def read(
        self, file: Location, architecture: Serialized | None = None
    ) -> AbstractContextManager[Artifact]:
        """Read the description and leave the weights on disk; tensors live inside the `with`.

        Args:
            file: the file, or the directory that is the model.
            architecture: the configuration of the model, for files that hold weights alone.

        Raises:
            UnreadableModelError: the file is damaged.
            UnsafeFileError: reading on would leave the file or exhaust the machine.
        """

    def refuse_by_name(self) -> None:
        """Refuse to load weights by name, for formats that Keras only loads by path.

        Raises:
            UnreadableModelError: that is asked for.
        """
        if self.by_name:
            raise UnreadableModelError(
                "Keras loads weights of this layout by path, not by name: leave --by-name out"
            )

    def write(  # the formats that can, do
        self,
        file: Path,
        documents: Mapping[str, Serialized],
        out: Path,
        seal: Callable[[Path], None] | None = None,
    ) -> None:
        """Write a copy of a model that differs in its JSON alone.

        Args:
            file: the file, or the directory that is the model.
            documents: those to replace, by name.
            out: the file to make, or the directory, which does not exist; or `file` itself.
            seal: called with the complete new file before it takes the place of the old one.

        Raises:
            RefusedEditError: this format does not keep the configuration, or not so that an edit
                of it would have an effect.
        """
        raise RefusedEditError(self.why_not)

    def listed_in(self, name: str) -> str | None:
        """Return the file that lists a file as part of a model, by name; None for no such part.

        Args:
            name: of the file.
        """
        return None

    def part(self, file: Path) -> Path:
        """Return the file that an edit in place replaces: of a directory, the one with the JSON."""
        return file


def recognize(file: Location) -> Format:
    """Return the format that the content of a file is of.

    Raises:
        UnreadableModelError: there is no such file, or it is empty.
        UnknownFormatError: no format recognizes it.
        PlugInError: nor does one that failed, of a plug-in.
    """
    trouble = None
    for plugin in formats():
        if plugin.sniff(file):
            return plugin
        trouble = trouble or plugin.trouble
    if trouble:
        raise PlugInError(f"{_what_it_is(file)}; and {trouble}", trouble.trace)
    raise UnknownFormatError(_what_it_is(file))


def folder_format(folder: Location) -> Format | None:
    """Return the format of a directory that is a saved model in itself; None for all others."""
    return next((one for one in formats() if one.folder_marks and one.sniff(folder)), None)


def unread(folder: Location, read: Collection[str]) -> tuple[Skip, ...]:
    """Name the weights that lie in a model's directory beside its own.

    Args:
        folder: the directory.
        read: the files that are read.
    """
    left = [name for name in names_in(folder) if _WEIGHTS.search(name) and name not in read]
    named = [Skip(name, "lies in the model's folder and is not read") for name in left[:_NAMED]]
    if len(left) > _NAMED:
        more = f"{len(left) - _NAMED:,} more files of weights lie in the model's folder, not read"
        named.append(Skip("(folder)", more))
    return tuple(named)


_WEIGHTS = re.compile(
    r"\.((weights|lora)\.h5|safetensors|npz|ckpt|pth?|bin|msgpack|gguf)$", re.IGNORECASE
)
"""Files of weights by name: Keras's, and those of others."""
_NAMED = 20
"""Files that are named one by one."""


def model_of_part(file: Path) -> Path | None:
    """Return the model of several files that an existing or a new file is, or would be, a part of.

    That a file is a link, or has another name on a file system that ignores case, hides nothing.
    """
    real = Path(os.path.realpath(file))
    lists = [listed for plugin in formats() if (listed := plugin.listed_in(real.name))]
    for listed in lists:
        if is_file(real.with_name(listed)):
            return real.with_name(listed)
    marks = [plugin.folder_marks for plugin in formats() if plugin.folder_marks]
    for folder in real.parents:
        if any(all(os.path.lexists(folder / mark) for mark in marked) for marked in marks):
            return folder
    return None


def _what_it_is(file: Location) -> str:
    """Name what lies there instead of a model."""
    if file.is_dir():
        search = "" if isinstance(file, Path) else "; to search it, end the URL with a /"
        return f"a directory, but not a saved model{search}"
    with file.open("rb") as stream:
        start = stream.read(HEAD)
    head = start[:64]
    if not head:
        return "an empty file"
    if is_pointer(head):
        return pointer("the model")
    if (said := foreign(start)) is not None:
        return said
    if all(byte >= 0x20 or byte in b"\t\n\r" for byte in head):
        return "a text file, not a saved Keras model"
    return "not a saved Keras model: unknown file format"


def formats() -> Iterator[Format]:
    """Yield the file formats: our own, by module, then those of plug-ins in use.

    Each is imported when it is its turn: most files are of the first.

    Raises:
        UsageError: two of them clash.
    """
    for module in modules(FORMATS):
        found: list[type[Format]] = defined(module, Format)
        yield from (plugin() for plugin in found)
    if entries := tuple(entry_points(FORMATS).values()):
        own = tuple(plugin for module in modules(FORMATS) for plugin in defined(module, Format))
        others = import_module("regaudit.formats.outside").formats_of(entries, own)
        yield from (plugin() for plugin in others)
