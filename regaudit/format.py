"""What a file format is: something that recognizes files and reads models out of them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from regaudit.keras_config import Description
from regaudit.keras_graph import Serialized
from regaudit.model import Model, Skip
from regaudit.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that has been read: its model, and where the values of its weights lie."""

    model: Model
    tensors: Mapping[str, Tensor]
    """By `Weight.stored_path`."""
    skipped: tuple[Skip, ...]
    """What could not be examined, and why."""

    @classmethod
    def of(cls, description: Description) -> "Artifact":
        """Make the artifact of a described model."""
        return cls(description.model, description.tensors, description.skipped)


class Format(ABC):
    """One kind of file; each lives in a module of `regaudit.formats`."""

    name: ClassVar[str]
    """As reports call it: `keras`, `h5`, ..."""

    @abstractmethod
    def sniff(self, file: Path) -> bool:
        """Whether the content is of this format; the suffix does not count."""

    @abstractmethod
    def read(
        self, file: Path, architecture: Serialized | None = None
    ) -> AbstractContextManager[Artifact]:
        """Read the description and leave the weights on disk; tensors live inside the `with`.

        Args:
            file: the file, or the directory that is the model.
            architecture: the configuration of the model, for files that hold weights alone.

        Raises:
            UnreadableModelError: the file is damaged.
            UnsafeFileError: reading on would leave the file or exhaust the machine.
        """
