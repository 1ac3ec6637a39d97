"""Orbax checkpoints of `keras.callbacks.OrbaxCheckpoint`: a folder a step, with all variables.

`pytree/_METADATA` lists the variables as Keras calls them, `pytree` holds their values, and
`model_config/_strings.json` the configuration, but for `save_weights_only=True`.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from regaudit.errors import UnreadableModelError
from regaudit.formats.interface import Artifact, Format
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.describe_by_path import describe_by_path
from regaudit.keras_semantics.safe_json import parse_json
from regaudit.limits import enforce_limit
from regaudit.storage.location import Location, read_bounded
from regaudit.storage.siblings import beside, is_inside
from regaudit.tensors.orbax_arrays import read_arrays

MARK, TREE, METADATA = "_CHECKPOINT_METADATA", "pytree", "_METADATA"
CONFIG, STRINGS = "model_config", "_strings.json"
_PART = re.compile(r"(?!\.\.?$)[^/\0]+")
"""Of a variable's name."""
_OF_TRAINING = "optimizer_variables"
_WEIGHTS = ("trainable_variables", "non_trainable_variables")


class Orbax(Format):
    """Variables have Keras's own paths: `trainable_variables`, then `encoder/dense/kernel`."""

    name: ClassVar[str] = "orbax"
    folder_marks: ClassVar[tuple[str, ...]] = (MARK,)
    why_not: ClassVar[str] = (
        "an Orbax checkpoint is restored into a model that a program builds: change it there, or "
        "save the model as .keras"
    )

    def sniff(self, file: Location) -> bool:
        return file.is_dir() and (file / MARK).is_file() and (file / TREE / METADATA).is_file()

    @contextmanager
    def read(self, file: Location, architecture: Serialized | None = None) -> Iterator[Artifact]:
        if not isinstance(file, Path):
            raise UnreadableModelError("Orbax checkpoints are read from folders on disk alone")
        if architecture:
            self.refuse_by_name()
        listed = _json(beside(file, TREE, METADATA))
        keys, numbered = _variables(listed)
        wanted = {path: ".".join(key) for path, key in keys.items()}
        driver = "zarr3" if listed.get("use_zarr3") else "zarr"
        if not listed.get("use_ocdbt"):
            raise UnreadableModelError("an Orbax checkpoint without OCDBT, which is not read")
        arrays = read_arrays(file / TREE, {**wanted, **numbered}, driver)
        stored = {path: ("/".join(key), arrays[path]) for path, key in keys.items()}
        state = {path.rpartition("/")[2]: arrays[path] for path in numbered}
        config = architecture or _configuration(file)
        trained = {"/".join(key) for key in keys.values() if key[0] == _WEIGHTS[0]}
        yield Artifact.of(describe_by_path(config, stored, trained, state))


def _configuration(folder: Path) -> Serialized | None:
    """Return the configuration that the checkpoint keeps; None where it keeps none."""
    if not is_inside(folder, CONFIG):
        return None
    text = _json(beside(folder, CONFIG, STRINGS)).get("config")
    if not isinstance(text, str):
        raise UnreadableModelError(f"{CONFIG}/{STRINGS} has no configuration")
    return parse_json(text.encode("utf-8", "surrogatepass"), f"{CONFIG}/{STRINGS}")


def _variables(listed: Serialized) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Return the keys of a model's variables, by Keras's path, and of its optimizer's scalars.

    Raises:
        UnreadableModelError: it lists none.
    """
    tree = listed.get("tree_metadata")
    tree = tree if isinstance(tree, Mapping) else {}
    enforce_limit("objects", len(tree), "the checkpoint lists more than {limit} variables")
    weights: dict[str, tuple[str, ...]] = {}
    scalars: dict[str, str] = {}
    for one in tree.values():
        key = _key(one)
        if not key:
            raise UnreadableModelError(f"{METADATA} lists a variable without a proper name")
        if key[0] in _WEIGHTS and key[-1] != "seed_generator_state" and key[1:]:
            weights.setdefault("/".join(key[1:]), key)
        elif key[0] == _OF_TRAINING and key[-1] in {"iteration", "learning_rate"}:
            scalars["/".join(key)] = ".".join(key)
    if not weights:
        raise UnreadableModelError("an Orbax checkpoint that holds no variables of a Keras model")
    return weights, scalars


def _key(one: Any) -> tuple[str, ...]:
    """Return the parts of a variable's name; none where it has no proper one."""
    parts = one.get("key_metadata") if isinstance(one, Mapping) else None
    found = [part.get("key") for part in parts or () if isinstance(part, Mapping)]
    proper = [part for part in found if isinstance(part, str) and _PART.fullmatch(part)]
    return tuple(proper) if len(proper) == len(parts or ()) else ()


def _json(file: Location) -> Serialized:
    return parse_json(read_bounded(file, "json_bytes"), file.name)
