"""What a file format is: something that recognizes files and reads models out of them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from regaudit.dataclass import dataclass, field
from regaudit.errors import RefusedEditError
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.describe import Description
from regaudit.model import Model, Skip
from regaudit.storage.location import Place
from regaudit.tensors.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that has been read: its model, and where the values of its weights lie."""

    model: Model
    tensors: Mapping[str, Tensor]
    """By `Weight.stored_path`."""
    skipped: tuple[Skip, ...]
    """What could not be examined, and why."""
    documents: Mapping[str, Serialized] = field(default_factory=dict)
    """The JSON that the file keeps and `write` can replace, parsed, the model's first."""
    inflated: bool = False
    """Whether all of the weights were unpacked to be read: too much to be done many times."""

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
    why_not: ClassVar[str] = ""
    """Why models of this format cannot be edited; empty where `write` does it."""
    edited: Mapping[str, Serialized] = MappingProxyType({})
    """JSON that is read in place of the file's own, by name: the file as an edit would make it."""

    @abstractmethod
    def sniff(self, file: Place) -> bool:
        """Whether the content is of this format; the suffix does not count."""

    @abstractmethod
    def read(
        self, file: Place, architecture: Serialized | None = None
    ) -> AbstractContextManager[Artifact]:
        """Read the description and leave the weights on disk; tensors live inside the `with`.

        Args:
            file: the file, or the directory that is the model.
            architecture: the configuration of the model, for files that hold weights alone.

        Raises:
            UnreadableModelError: the file is damaged.
            UnsafeFileError: reading on would leave the file or exhaust the machine.
        """

    def write(  # the formats that can, do
        self,
        file: Path,  # noqa: ARG002
        documents: Mapping[str, Serialized],  # noqa: ARG002
        out: Path,  # noqa: ARG002
    ) -> None:
        """Write a copy of a model that differs in its JSON alone.

        Args:
            file: the file, or the directory that is the model.
            documents: those to replace, by name.
            out: the file to make, or the directory, which does not exist.

        Raises:
            RefusedEditError: this format does not keep the configuration, or not so that an edit
                of it would have an effect.
        """
        raise RefusedEditError(self.why_not)

    def part(self, file: Path) -> Path:
        """Return the file that an edit in place replaces: of a directory, the one with the JSON."""
        return file
