"""The HDF5 files of Keras 1 and 2, which Keras 3 still writes: a group of weights per layer.

Whole models carry their configuration in the root attribute `model_config`; files of weights alone
have none and are measured by the names in them.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from msgspec import Struct
from msgspec.structs import replace

from regaudit.errors import UnreadableModelError
from regaudit.formats.interface import Artifact, Format
from regaudit.keras_semantics.compile_state import CompileState, compiled_by
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.describe import NO_CONFIGURATION, freezes_all, make_model
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.keras1 import has_options_of_keras_1
from regaudit.keras_semantics.match_by_name import MARKS, LegacyJoin
from regaudit.keras_semantics.match_by_order import Loads
from regaudit.keras_semantics.metric_state import metrics_among
from regaudit.keras_semantics.safe_json import parse_json
from regaudit.keras_semantics.told import marked
from regaudit.keras_semantics.transformers_layers import (
    is_of_transformers,
    why_unknown,
    with_roles_by_name,
)
from regaudit.keras_semantics.which_keras import loading_version
from regaudit.keras_semantics.whole_configuration import check_configuration
from regaudit.limits import allowed
from regaudit.model import Model, Skip
from regaudit.storage.atomic_write import replacing
from regaudit.storage.location import Location, read_bounded
from regaudit.storage.siblings import beside
from regaudit.tensors.hdf5 import is_hdf5, opened
from regaudit.tensors.hdf5_attributes import (
    read_integer,
    read_texts,
    root_attributes,
    write_text,
)
from regaudit.tensors.hdf5_tree import read_tree
from regaudit.tensors.tensor import Stored, Tensor, TensorGroup

_COUNTER = re.compile(r"iter(ations?)?(_\d+)?(:0)?")
_BY_TRANSFORMERS = "tf_model"
"""How names of files begin that transformers writes, of shards, too."""
_TOP = "top_level_model_weights"


class LegacyH5(Format):
    """Weights are found by name, never by their place in the group."""

    name: ClassVar[str] = "h5"
    suffixes: ClassVar[tuple[str, ...]] = (".h5", ".hdf5")
    one_file: ClassVar[bool] = True

    def sniff(self, file: Location) -> bool:
        if not is_hdf5(file):
            return False
        attributes = root_attributes(file)
        return attributes is None or bool(MARKS & attributes)  # damaged files are refused here

    def takes_configuration(self, file: Location) -> bool:
        return not {"model_config", "model_config0"} & (root_attributes(file) or set())

    @contextmanager
    def read(self, file: Location, architecture: Serialized | None = None) -> Iterator[Artifact]:
        with opened(file) as hdf5:
            tree = read_tree(hdf5, file)
            config = _json(hdf5, "model_config")
            if config is None:
                alone = _Reader(hdf5, tree, "")
                loads = Loads.BY_NAME if self.by_name else Loads.BY_ORDER
                yield (
                    _whole(alone, architecture, loads)
                    if architecture
                    else _of_transformers(_weights_alone(alone), file)
                )
            else:
                training = _json(hdf5, "training_config")
                kept = {"model_config": config}
                kept |= {"training_config": training} if training else {}
                kept |= self.edited
                artifact = _whole(_Reader(hdf5, tree, "model_weights"), kept["model_config"])
                yield replace(artifact, documents=kept)

    def write(
        self,
        file: Path,
        documents: Mapping[str, Serialized],
        out: Path,
        seal: Callable[[Path], None] | None = None,
    ) -> None:
        with replacing(out, like=file, seal=seal) as copy, file.open("rb") as source:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            for name, document in documents.items():
                write_text(Path(copy.name), name, json.dumps(document))


class _Reader(Struct):
    """The groups of weights of one file, and what in them no list of names mentions."""

    hdf5: Any
    tree: TensorGroup
    root: str
    """Path of the group that holds them; empty for the file itself."""
    skipped: list[Skip] = []
    claimed: set[str] = set()

    def groups(self) -> dict[str, Stored]:
        """Return the weights of each layer in stored order, those of the model under `""`.

        A list of names may contain any text: what it names must be inside the group it belongs to.
        """
        stored = _within(self.tree, self.root)
        if stored is None:
            raise UnreadableModelError(f"the file has no {self.root}: its weights are missing")
        names = read_texts(self.hdf5, self.root, "layer_names")
        if names is None and (count := read_integer(self.hdf5, self.root, "nb_layers")):
            names = [f"layer_{index}" for index in range(min(count, allowed().objects))]  # Keras 0
        result: dict[str, Stored] = {}
        for name in dict.fromkeys(names if names is not None else stored.groups):
            group = _within(stored, name) if name else None
            if group is None:
                self.skipped.append(Skip(name, "listed, but the file has no such group"))
            elif name != _TOP:
                result[name] = self._group(name, group)
        if _TOP in stored.groups:
            result[""] = self._group(_TOP, stored.groups[_TOP])
        return {name: weights for name, weights in result.items() if weights or name}

    def _group(self, layer: str, group: TensorGroup) -> Stored:
        """Return the weights that one group lists."""
        path = _joined(self.root, layer)
        names = read_texts(self.hdf5, path, "weight_names")
        if names is None:
            names = [_joined(inner, key) for inner, found in group.walk() for key in found.tensors]
        weights: dict[str, tuple[str, Tensor]] = {}
        for name in names:
            inner, _, key = name.rpartition("/")
            holder = _within(group, inner) if inner or "/" not in name else None
            if holder is None or key not in holder.tensors:
                if holder is None or key not in holder.unreadable:
                    reason = "listed as a weight, but not stored inside the group of its layer"
                    self.skipped.append(Skip(f"{layer}/{name}", reason))
                continue
            stored_path = _joined(path, name)
            self.claimed.add(stored_path)
            weights[name] = (stored_path, holder.tensors[key])
        apart = metrics_among({name: tensor for name, (_, tensor) in weights.items()})
        return {name: weight for name, weight in weights.items() if name not in apart}

    def unlisted(self) -> Iterator[tuple[str, Stored]]:
        """Yield by group the tensors that no list of names mentions; note what holds no numbers."""
        for path, group in (_within(self.tree, self.root) or TensorGroup()).walk():
            full = _joined(self.root, path)
            if full.split("/", 1)[0] == "optimizer_weights":
                continue
            for key, reason in group.unreadable.items():
                self.skipped.append(Skip(_joined(path, key), reason))
            free = {
                key: (_joined(full, key), tensor)
                for key, tensor in group.tensors.items()
                if _joined(full, key) not in self.claimed
            }
            if free:
                yield path, free


def _whole(reader: _Reader, config: Serialized, loads: Loads | None = None) -> Artifact:
    """Read a file that holds a model with its configuration.

    Args:
        reader: of the file.
        config: the configuration.
        loads: how a file of weights alone is loaded, where the configuration lies beside it.
    """
    if not isinstance(config.get("class_name"), str):
        raise UnreadableModelError(
            "model_config does not describe a Keras model: it names no class"
        )
    check_configuration(config, "model_config")
    version = _version(reader, config, loads)
    dialect = replace(Dialect.of(version), of_hdf5=True)
    frozen = freezes_all(config) and not dialect.before_keras_3
    groups = reader.groups()
    lacking = next((skip.path for skip in reader.skipped), "")
    join = LegacyJoin(dialect, root_frozen=frozen, loads=loads, lacking=lacking)
    join.walk(config, groups)
    _sweep(join, reader)
    model = make_model(
        config, join.layers, keras_version=version, compiled=_compiled(reader, config, version)
    )
    return Artifact(model, join.tensors, (*join.skipped, *reader.skipped))


def _compiled(reader: _Reader, config: Serialized, version: str) -> CompileState:
    """Return how the model was compiled; a configuration given beside the file may say it."""
    training = _json(reader.hdf5, "training_config")
    if training is None and config.get("compile_config"):
        return compiled_by(config["compile_config"], "optimizer", version)
    state = reader.tree.groups.get("optimizer_weights")
    if training is None and not reader.root:  # weights alone, with an architecture
        return CompileState(optimizer_known=False)
    return compiled_by(
        training,
        "optimizer_config",
        version,
        steps=_iterations(state),
        has_state=state is not None,
    )


def _weights_alone(reader: _Reader) -> Artifact:
    """Read a file of weights: layers are named by their groups, roles by the names of weights."""
    version = _text_of(reader, "keras_version")
    join = LegacyJoin(Dialect.of(version, default=(1, 0, 0)))
    for name, stored in reader.groups().items():
        join.unattributed(name, stored, NO_CONFIGURATION)
    _sweep(join, reader)
    skipped = [skip for skip in join.skipped if skip.reason != NO_CONFIGURATION]
    layers = marked(join.layers, join.dialect)
    model = Model("", "", layers, keras_version=version, optimizer_known=False)
    whole = Skip("(model)", NO_CONFIGURATION)
    return Artifact(model, join.tensors, (whole, *skipped, *reader.skipped))


def _of_transformers(artifact: Artifact, file: Location) -> Artifact:
    """Return weights alone with what the configuration of transformers beside them tells."""
    if not file.name.startswith(_BY_TRANSFORMERS):
        return artifact
    try:
        config = parse_json(
            read_bounded(beside(file.parent, "config.json"), "json_bytes"), "config"
        )
    except (UnreadableModelError, OSError):
        return artifact
    if not is_of_transformers(config):
        return artifact
    model = replace(artifact.model, layers=with_roles_by_name(artifact.model.layers))
    others = [skip for skip in artifact.skipped if skip.reason != NO_CONFIGURATION]
    told = Skip("(model)", why_unknown(config))
    return replace(artifact, model=model, skipped=(told, *others))


def _sweep(join: LegacyJoin, reader: _Reader) -> None:
    """Take in what no list of names mentions: Keras does not load it, but it is in the file."""
    for path, stored in reader.unlisted():
        join.unattributed(path, stored, "in the file, but no layer lists it: Keras ignores it")


def _version(reader: _Reader, config: Serialized, loads: Loads | None) -> str:
    """Return the version of the Keras that loads the file, which is that which saved it.

    Weights may be of another one than the configuration beside them. The oldest files name none.
    """
    saved = _text_of(reader, "keras_version")
    version = loading_version(config, saved) if loads else saved or config.get("keras_version")
    if isinstance(version, str):
        return version
    return "1.1 (assumed)" if has_options_of_keras_1(config) else "2.0 (assumed)"


def _text_of(reader: _Reader, key: str) -> str | None:
    for path in ("", reader.root):
        if path and _within(reader.tree, path) is None:
            continue
        if texts := read_texts(reader.hdf5, path, key):
            return texts[0]
    return None


def _json(hdf5: Any, key: str) -> Serialized | None:
    """Return the JSON object in a root attribute; None where there is none."""
    texts = read_texts(hdf5, "", key)
    return parse_json("".join(texts).encode("utf-8", "replace"), key) if texts else None


def _iterations(group: TensorGroup | None) -> int | None:
    """Return the steps taken, from the counter that every version names a little differently."""
    for _, found in group.walk() if group else ():
        for key, tensor in found.tensors.items():
            if _COUNTER.fullmatch(key) and tensor.shape == () and tensor.dtype.kind in "iuf":
                steps = float(next(iter(tensor.blocks()))[0])  # a float up to Keras 2.0
                return int(steps) if steps.is_integer() else None
    return None


def _within(group: TensorGroup, path: str) -> TensorGroup | None:
    """Return the group at a path below this one; `..` is a name like any other."""
    for key in path.split("/") if path else ():
        below = group.groups.get(key)
        if below is None:
            return None
        group = below
    return group


def _joined(*parts: str) -> str:
    return "/".join(part for part in parts if part)
