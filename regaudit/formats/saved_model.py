"""TensorFlow's SavedModel: a directory of object graph, Keras metadata and checkpoint.

`saved_model.pb` holds the graph of objects: which layer holds which variable under which name.
Keras's own description of each layer, regularizers included, stands in `keras_metadata.pb`, and
up to TensorFlow 2.4 in the graph itself. The values lie in the checkpoint below `variables`.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

from regaudit.formats.interface import Artifact, Format, unread
from regaudit.keras_semantics.compile_state import CompileState, compiled_by
from regaudit.keras_semantics.config_graph import Serialized, config_of
from regaudit.keras_semantics.describe import make_model
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.match_by_object_graph import KERAS_2, ObjectJoin
from regaudit.keras_semantics.object_graph import ObjectGraph
from regaudit.keras_semantics.safe_json import parse_json
from regaudit.keras_semantics.told import marked
from regaudit.keras_semantics.whole_configuration import check_configuration
from regaudit.model import Model, Skip
from regaudit.storage.location import Location, read_bounded
from regaudit.storage.siblings import beside, is_inside
from regaudit.tensors.protobuf import Message
from regaudit.tensors.tensorflow_checkpoint import read_checkpoint
from regaudit.tensors.tensorflow_objects import METRIC, ObjectNode, read_metadata, read_objects

GRAPH = "saved_model.pb"
METADATA = "keras_metadata.pb"
NO_KERAS = (
    "no Keras configuration in this SavedModel (Keras 3 export(), or not saved by Keras): "
    "regularizers are unknown"
)


class SavedModel(Format):
    """Layers are tied to variables by the names of the object graph, as Keras does it."""

    name: ClassVar[str] = "saved_model"
    folder_marks: ClassVar[tuple[str, ...]] = (GRAPH,)
    folder_parts: ClassVar[frozenset[str]] = frozenset({"variables/variables.index"})
    why_not: ClassVar[str] = (
        "a SavedModel runs the graph in it, not the configuration: an edit would do "
        "nothing; save the model as .keras"
    )

    def sniff(self, file: Location) -> bool:
        return (file.is_dir() or file.name == GRAPH) and (_folder(file) / GRAPH).is_file()

    @contextmanager
    def read(self, file: Location, architecture: Serialized | None = None) -> Iterator[Artifact]:
        folder = _folder(file)
        saved = Message.of(read_bounded(beside(folder, GRAPH), "graph_bytes"))
        nodes, tensorflow = read_objects(saved)
        metadata = {number: node.metadata for number, node in nodes.items() if node.metadata}
        if is_inside(folder, METADATA):
            metadata = read_metadata(read_bounded(beside(folder, METADATA), "json_bytes"))
        layers = {
            number: parse_json(raw, "the Keras metadata of a layer")
            for number, raw in metadata.items()
            if nodes.get(number, ObjectNode()).identifier.startswith("_tf_keras_")
            and nodes[number].identifier != METRIC
        }
        document = METADATA if is_inside(folder, METADATA) else GRAPH
        for number, layer in layers.items():
            if layer.get("config"):  # a subclassed model need not have one
                check_configuration(layer, f"node {number} of {document}")
        described = {number: _serialized(layer) for number, layer in layers.items()}
        beside(folder, "variables", "variables.index")  # no link on the way
        checkpoint = read_checkpoint(folder / "variables" / "variables")
        join = ObjectJoin(ObjectGraph(nodes, described), checkpoint, checkpoint.variables())
        join.skipped += unread(folder, ())
        if 0 in described:
            yield _whole(join, described[0], layers, tensorflow)
        else:
            yield _without_keras(join)


def _whole(
    join: ObjectJoin, serialized: Serialized, layers: Mapping[int, Serialized], tensorflow: str
) -> Artifact:
    """Describe a model that Keras saved.

    Args:
        join: of its graph, not walked yet.
        serialized: the model as a layer.
        layers: the whole metadata of each layer, the model among them.
        tensorflow: version of the TensorFlow that wrote the file.
    """
    version = layers[0].get("keras_version")
    if not isinstance(version, str):  # tf.keras numbers itself like this
        version = f"{tensorflow}-tf" if re.match(r"[12]\.\d", tensorflow) else None
    dialect = Dialect.of(version, default=KERAS_2.version)
    # Keras calls itself 2.4.0 in TensorFlow 2.3, too; the older of the two numbers counts.
    saved_by = min(dialect.version, Dialect.of(tensorflow, default=dialect.version).version)
    join.spreads_flag = saved_by < (2, 5, 0)
    join.walk(dialect)
    model = make_model(
        serialized,
        join.layers,
        keras_version=version or ".".join(map(str, dialect.version)),
        compiled=_compiled(join, layers, version),
    )
    return Artifact(model, join.tensors, tuple(join.skipped))


def _compiled(
    join: ObjectJoin, layers: Mapping[int, Serialized], version: str | None
) -> CompileState:
    """Return how the model was compiled, and models inside it."""
    found = {
        at: compiled_by(
            layers[at].get("training_config"),
            "optimizer_config",
            version,
            steps=None if at else join.iterations(),
            has_state=join.graph.has_optimizer(at),
        )
        for at in (0, *join.paths)
    }
    inner = {path: found[at].optimizer for at, path in join.paths.items() if found[at].compiled}
    known = found[0].optimizer_known and not join.graph.has_other_optimizers()
    return found[0]._replace(inner_optimizers=inner, optimizer_known=known)


def _without_keras(join: ObjectJoin) -> Artifact:
    """Describe what Keras 3 exported, or something else than Keras saved."""
    join.skipped.append(Skip("(model)", NO_KERAS))
    join.sweep("")
    model = Model("", "", marked(join.layers, KERAS_2), optimizer_known=False)
    return Artifact(model, join.tensors, tuple(join.skipped))


def _folder(file: Location) -> Location:
    return file if file.is_dir() else file.parent


def _serialized(metadata: Serialized) -> Serialized:
    """Return the metadata of a layer in the form that layers have elsewhere."""
    class_name = str(metadata.get("class_name", ""))
    config = dict(config_of(metadata))
    config.setdefault("name", metadata.get("name"))
    config["trainable"] = bool(metadata.get("trainable", config.get("trainable", True)))
    registered = {"registered_name": class_name} if ">" in class_name else {}
    configured = bool(config_of(metadata))
    return {"class_name": class_name, "config": config, "configured": configured, **registered}
