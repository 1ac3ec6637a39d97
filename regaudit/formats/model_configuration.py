"""The configuration of a model without its weights: `model.json`, `model.yaml`, and their kin.

Which regularizers it has, of which strengths, and what is frozen is all there; values are not. Any
file may be called `config.json`, so a search looks at how a JSON or YAML file begins.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.formats.interface import HEAD, Artifact, Format
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.configuration_file import (
    SUFFIXES,
    is_configuration,
    looks_like_model,
    may_be_configuration,
    parse_configuration,
)
from regaudit.keras_semantics.describe_configuration import describe_configuration
from regaudit.storage.location import Location, read_bounded


class ModelConfiguration(Format):
    """Weights are those that a load would make; what depends on their values stays unknown."""

    name: ClassVar[str] = "configuration"
    sniffed_suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    is_configuration: ClassVar[bool] = True
    one_file: ClassVar[bool] = True
    why_not: ClassVar[str] = (
        "the file is a configuration without weights: change the program that makes the model, or "
        "audit the whole model, as model.save() writes it"
    )

    def sniff(self, file: Location) -> bool:
        if not file.is_file():
            return False
        with file.open("rb") as stream:
            head = stream.read(16 * HEAD)
        if looks_like_model(head):
            return True
        try:
            return may_be_configuration(head) and is_configuration(
                read_bounded(file, "json_bytes"), file.name
            )
        except (UnreadableModelError, UnsafeFileError):
            return False  # who reads it as something else says what is wrong with it

    def looks_like(self, head: bytes) -> bool:
        return looks_like_model(head)

    @contextmanager
    def read(self, file: Location, architecture: Serialized | None = None) -> Iterator[Artifact]:
        config = parse_configuration(read_bounded(file, "json_bytes"), file.name)
        yield Artifact.of(describe_configuration(config, file.name))
