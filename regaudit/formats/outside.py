"""Formats of other distributions: loaded by their entry points, and held to what a format is."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from msgspec.structs import replace

from regaudit.errors import PlugInError, RegauditError, shown
from regaudit.formats.interface import Artifact, Format
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.model import Model
from regaudit.plugins.calling import calling, failed, loaded
from regaudit.plugins.installed import EntryPoint, refuse_clash
from regaudit.storage.location import Location
from regaudit.tensors.tensor import Array, Tensor

_T = TypeVar("_T")
_U = TypeVar("_U")

_FACTS = {
    "name": str,
    "suffixes": tuple[str, ...],
    "sniffed_suffixes": tuple[str, ...],
    "is_configuration": bool,
    "folder_marks": tuple[str, ...],
    "folder_parts": frozenset[str],
    "one_file": bool,
    "why_not": str,
}
"""What a format says of itself, and the types of that."""


class _Outside(Format):
    """A format of another distribution: what it raises is its failure."""

    who: str
    inner: Format

    def sniff(self, file: Location) -> bool:
        return self._answer(bool, False, "sniff", file)

    def looks_like(self, head: bytes) -> bool:
        return self._answer(bool, False, "looks_like", head)

    def takes_configuration(self, file: Location) -> bool:
        return self._answer(bool, False, "takes_configuration", file)

    def listed_in(self, name: str) -> str | None:
        return self._answer(str, None, "listed_in", name)

    def part(self, file: Path) -> Path:
        return self._answer(Path, file, "part", file)

    @contextmanager
    def read(self, file: Location, architecture: Serialized | None = None) -> Iterator[Artifact]:
        self.inner.by_name, self.inner.edited = self.by_name, self.edited
        with calling(self.who, RegauditError):
            opened = self.inner.read(file, architecture)
            artifact = opened.__enter__()
        try:
            with calling(self.who, RegauditError):
                artifact = self._sound(artifact)
            yield artifact
        finally:
            with calling(self.who, RegauditError):
                opened.__exit__(None, None, None)

    def write(
        self,
        file: Path,
        documents: Mapping[str, Serialized],
        out: Path,
        seal: Callable[[Path], None] | None = None,
    ) -> None:
        with calling(self.who, RegauditError, OSError):
            self.inner.write(file, documents, out, seal)

    def _answer(self, kind: type[_T], otherwise: _U, name: str, argument: object) -> _T | _U:
        """Call a method; where it fails, note that in `trouble`, for who finds no other format."""
        try:
            with calling(self.who, OSError):
                answer = getattr(self.inner, name)(argument)
        except PlugInError as error:
            self.trouble = error
            return otherwise
        if isinstance(answer, kind):
            return answer
        if answer is not otherwise:
            self.trouble = PlugInError(f"{self.who} failed: {name} returns {shown(answer)}")
        return otherwise

    def _sound(self, found: Any) -> Artifact:
        """Return what was read, if rules can rely on it.

        Raises:
            PlugInError: something in it is of a wrong type, or values are missing.
        """
        if not isinstance(found, Artifact):
            kind = type(found).__name__
            raise PlugInError(f"{self.who} failed: read yields a {kind}, not an Artifact")
        try:
            msgspec.convert(msgspec.to_builtins(found.model, enc_hook=dict), Model, str_keys=True)
        except (msgspec.ValidationError, TypeError, ValueError) as error:
            raise PlugInError(f"{self.who} failed: its model is wrong: {error}") from error
        tensors: dict[str, Tensor] = {}
        for _, weight in found.model.weights():
            tensor = found.tensors.get(weight.stored_path)
            if tensor is None:
                raise PlugInError(f"{self.who} failed: no values for {weight.path}")
            if tuple(tensor.shape) != weight.shape:
                raise PlugInError(f"{self.who} failed: {weight.path} has values of another shape")
            tensors[weight.stored_path] = _OutsideTensor(self.who, tensor)
        return replace(found, tensors=tensors)


class _OutsideTensor(msgspec.Struct, frozen=True):
    """Values that another distribution hands out."""

    who: str
    inner: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.inner.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        found: np.dtype[Any] = np.dtype(self.inner.dtype)
        return found

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Array]:
        """Yield the values.

        Raises:
            PlugInError: it raised an error.
        """
        try:  # in the threads that measure, which the limits of the process hold
            yield from self.inner.blocks(start, stop)
        except RegauditError:
            raise
        except Exception as error:
            raise failed(self.who, error) from error


@cache
def formats_of(
    entries: tuple[EntryPoint, ...], own: tuple[type[Format], ...]
) -> tuple[Callable[[], Format], ...]:
    """Load formats; what stands for one that cannot be loaded recognizes nothing and says why.

    Args:
        entries: what to load.
        own: the formats of regaudit itself.

    Raises:
        UsageError: two of them have one name, or one end of file names.
    """
    owners: dict[str, EntryPoint | None] = {}
    for one in own:
        owners |= dict.fromkeys((f"the format {one.name}", *_claims(one)), None)
    found: list[Callable[[], Format]] = []
    for entry in entries:
        try:
            made = _checked(entry)
        except PlugInError as error:
            found.append(_broken(entry, error))
            continue
        for claim in (f"the format {made.name}", *_claims(made)):
            if claim in owners:
                refuse_clash(claim, owners[claim], entry)
            owners[claim] = entry
        found.append(made)
    return tuple(found)


def _claims(kind: type[Format]) -> list[str]:
    return [f"the suffix {suffix}" for suffix in (*kind.suffixes, *kind.sniffed_suffixes)]


def _checked(entry: EntryPoint) -> type[_Outside]:
    """Load one format; a class of its own says of itself what the format does.

    Raises:
        PlugInError: it cannot be imported, or is not what it should be.
    """
    kind: type[Format] = loaded(entry, Format)  # type: ignore[type-abstract]
    with calling(entry):
        inner = kind()
        facts = {name: getattr(inner, name) for name in _FACTS}
    for name, wanted in _FACTS.items():
        try:
            msgspec.convert(facts[name], wanted)
        except msgspec.ValidationError as error:
            raise PlugInError(f"{entry} failed: its {name} is wrong: {error}") from error
    if facts["name"] != entry.name:
        raise PlugInError(f"{entry} failed: it calls itself {facts['name']!r}")
    if not all(end.startswith(".") and len(end) > 1 for end in facts["suffixes"]):
        raise PlugInError(f"{entry} failed: its suffixes do not begin with a dot")
    return type("Outside", (_Outside,), {**facts, "who": str(entry), "inner": inner})


def _broken(entry: EntryPoint, error: PlugInError) -> Callable[[], Format]:
    """Return what stands for a format that cannot be loaded."""

    class Broken(Format):
        name = entry.name
        trouble = error

        def sniff(self, file: Location) -> bool:
            return False

        def read(self, file: Location, architecture: Serialized | None = None) -> Any:
            raise error

    return Broken
