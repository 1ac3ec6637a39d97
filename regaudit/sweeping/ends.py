"""What a model takes and puts out: names, shapes and types, in the structure that `fit` takes."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from regaudit.errors import did_you_mean, shortened
from regaudit.live.data_file import DataError
from regaudit.sweeping.arrays import as_array, parts

_NUMBERED = "keras_tensor"
"""How names begin that Keras gave, by what it had made before: no user knows them."""


class End(Struct, frozen=True):
    """One input or output."""

    names: tuple[str, ...]
    """What data may call it, the one that `fit` knows first."""
    shape: tuple[int | None, ...] | None
    """With the samples in front; None stands for any size, in its own place for any shape."""
    dtype: str = "float32"


class Ends(Struct, frozen=True):
    """All inputs or all outputs, in the order of `model.inputs` or `model.outputs`."""

    letter: str
    """`x` or `y`."""
    ends: tuple[End, ...] = ()
    """Empty where the model does not tell: a subclass of `Model` with a `call` of its own."""
    keyed: bool = False
    """Whether the model takes or returns a dictionary; its keys are the first of the names."""

    def taken(self, given: Any, source: str) -> Any:
        """Return as `fit` takes it what was given for all inputs or all outputs.

        Args:
            given: an array, or a list or a dictionary of them.
            source: for messages.

        Raises:
            DataError: there are other arrays than the model has ends.
        """
        if isinstance(given, Mapping):
            if not self.ends:
                return {str(key): as_array(one, str(key), source) for key, one in given.items()}
            return self.named(given, source)
        count = len(self.ends)
        if isinstance(given, list | tuple) and given and all(_is_array(one) for one in given):
            if count > 1 and len(given) != count:
                what = f"{len(given)} arrays for {self.letter}"
                raise DataError(f"{source}: {what}, the model has {self._described()}")
            if count > 1 or (count == 0 and len(given) > 1):
                named = parts(given, self.letter)
                return self._packed([as_array(one, name, source) for name, one in named])
            if len(given) == 1:
                given = given[0]
        if count > 1:
            what = f"{self.letter} is one array, the model has {self._described()}"
            raise DataError(f"{source}: {what}: give a list or a dictionary of arrays")
        return self._packed([as_array(given, self.letter, source)])

    def named(self, arrays: Mapping[str, Any], source: str, besides: Sequence[str] = ()) -> Any:
        """Return as `fit` takes it what is found in arrays by name.

        Args:
            arrays: `x`, or `x_0`, `x_1`, ..., or the names of the inputs; the same of outputs.
            source: for messages.
            besides: names that mean something else.

        Raises:
            DataError: there is none for one of the ends.
        """
        if not self.ends:
            return self._unnamed(arrays, source, besides)
        found = []
        for number, end in enumerate(self.ends):
            own = [name for name in end.names if name not in besides]
            usual = self.letter if len(self.ends) == 1 else f"{self.letter}_{number}"
            name = next(
                (name for name in (*own, f"{self.letter}_{number}", usual) if name in arrays), None
            )
            if name is None:
                raise DataError(_missing(usual, own[:1], arrays, source))
            found.append(as_array(arrays[name], name, source))
        return self._packed(found)

    def flat(self, values: Any) -> list[tuple[str, Any]]:
        """Return the parts of what `fit` takes, by name, in the order of the ends."""
        if isinstance(values, Mapping) and self.ends:
            ordered = [
                next((name for name in end.names if name in values), None) for end in self.ends
            ]
            if None not in ordered:
                return [(str(name), values[name]) for name in ordered]
        return parts(values, self.letter)

    def _unnamed(self, arrays: Mapping[str, Any], source: str, besides: Sequence[str]) -> Any:
        """Return what an NPZ file has for a model that does not name its ends."""
        if self.letter in arrays:
            return as_array(arrays[self.letter], self.letter, source)
        rest: list[str] = []
        while (name := f"{self.letter}_{len(rest)}") in arrays:
            rest.append(name)
        if rest:
            return [as_array(arrays[name], name, source) for name in rest]
        others = [name for name in arrays if name not in besides and not name.startswith("y_")]
        if self.letter == "x" and len(others) > 1:  # by the names that its `call` asks for
            return {name: as_array(arrays[name], name, source) for name in others}
        raise DataError(_missing(self.letter, [], arrays, source))

    def _packed(self, arrays: list[Any]) -> Any:
        if self.keyed:
            return {end.names[0]: one for end, one in zip(self.ends, arrays, strict=True)}
        return arrays if len(arrays) > 1 else arrays[0]

    def _described(self) -> str:
        names = ", ".join(end.names[0] for end in self.ends)
        return f"{len(self.ends)} {'inputs' if self.letter == 'x' else 'outputs'} ({names})"


def inputs_of(model: Any) -> Ends:
    """Return the inputs of a model of Keras 3 or tf-keras."""
    return _ends("x", _of(model, "inputs"), _of(model, "input"), ())


def outputs_of(model: Any) -> Ends:
    """Return the outputs of a model of Keras 3 or tf-keras."""
    names = _of(model, "output_names") or ()
    return _ends("y", _of(model, "outputs"), _of(model, "output"), names)


def _of(model: Any, name: str) -> Any:
    """Return an attribute that Keras has for some models, and raises for others."""
    try:
        return getattr(model, name, None)
    except Exception:  # noqa: BLE001 - Keras 3.0 raises ValueError
        return None


def _ends(letter: str, tensors: Any, structure: Any, names: Sequence[str]) -> Ends:
    tensors = list(tensors or ())
    keyed = isinstance(structure, Mapping)
    keys = {id(one): str(key) for key, one in structure.items()} if keyed else {}
    keyed = keyed and all(id(tensor) in keys for tensor in tensors)
    ends = []
    for number, tensor in enumerate(tensors):
        found = [keys.get(id(tensor)), *names[number : number + 1]]
        found.append(str(getattr(tensor, "name", "")).partition(":")[0])
        said = (str(name) for name in found if name and not str(name).startswith(_NUMBERED))
        known = tuple(dict.fromkeys(said))
        dtype = getattr(tensor, "dtype", "float32")
        name = str(getattr(dtype, "name", dtype))
        ends.append(End(known or (f"{letter}_{number}",), _shape(tensor), name))
    return Ends(letter, tuple(ends), keyed)


def _shape(tensor: Any) -> tuple[int | None, ...] | None:
    try:
        return tuple(None if size is None else int(size) for size in tensor.shape)
    except (TypeError, ValueError):  # of unknown rank
        return None


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and len(value.shape) > 0


def _missing(usual: str, own: Sequence[str], arrays: Mapping[str, Any], source: str) -> str:
    held = [str(name) for name in arrays]
    known = shortened(", ".join(held)) or "nothing"
    also = f" (or {own[0]!r})" if own and own[0] != usual else ""
    end = "input" if usual.startswith("x") else "output"
    near = did_you_mean(usual, held)
    return f"{source}: there is no {usual!r}{also} for the {end}; it has {known}{near}"
