"""Models as plain values: a few layers in a row, without a file."""

from typing import Any

from regaudit.keras_semantics.layer_table import last_axis
from regaudit.model import Layer, Model, Node, Optimizer, Output, Regularizer, Status, Weight


def l1_l2(l1: float = 0.0, l2: float = 0.0, status: Status = Status.IN_FORCE) -> Regularizer:
    """Return a regularizer of Keras.

    Args:
        l1: factor of the sum of absolute values.
        l2: factor of the sum of squares.
        status: whether it acts.
    """
    name = "L1L2" if l1 and l2 else "L1" if l1 else "L2"
    config = {"l1": l1, "l2": l2} if name == "L1L2" else {name.lower(): l1 or l2}
    return Regularizer(name, l1, l2, config, status)


def weight(
    path: str,
    *shape: int,
    regularizer: Regularizer | None = None,
    trainable: bool = True,
    **changes: Any,
) -> Weight:
    """Return a weight, `weight("dense/kernel", 4, 8)`: its role is the last part of its path.

    Args:
        path: of the layer and the weight.
        shape: of the weight.
        regularizer: on it, as `l1_l2` returns one.
        trainable: whether training changes it.
        changes: other fields of `Weight`.
    """
    role = path.rpartition("/")[2]
    fields = {
        "role": role,
        "dtype": "float32",
        "regularizer_key": f"{role}_regularizer",
        "units": last_axis(shape, {}) if len(shape) > 1 else None,
        **changes,
    }
    return Weight(
        path=path,
        stored_path=path,
        shape=shape,
        trainable=trainable,
        regularizer=regularizer,
        **fields,
    )


def layer(path: str, *weights: Weight, class_name: str = "Dense", **config: Any) -> Layer:
    """Return a layer, `layer("dense", weight("dense/kernel", 4, 8), activation="relu")`.

    Args:
        path: of the layer; its name is the last part.
        weights: of the layer.
        class_name: of Keras.
        config: options of the layer, as Keras stores them; `trainable` is one of them.
    """
    return Layer(
        path=path,
        name=path.rpartition("/")[2],
        class_name=class_name,
        config=config,
        trainable=bool(config.get("trainable", True)),
        weights=weights,
        node=path,
    )


def chain(
    *layers: Layer,
    optimizer: Optimizer | None = None,
    loss: Any = None,
    keras_version: str = "3.10.0",
) -> Model:
    """Return a model of layers, each of which feeds the next.

    Args:
        layers: the last makes the output.
        optimizer: it was compiled with; None for a model that was not compiled.
        loss: likewise, as Keras stores it: `"mse"`.
        keras_version: that saved it.
    """
    paths = [one.path for one in layers]
    nodes = tuple(
        Node(one.path, one.class_name, (paths[number - 1],) if number else ())
        for number, one in enumerate(layers)
    )
    return Model(
        "model",
        "Sequential",
        layers,
        keras_version=keras_version,
        optimizer=optimizer,
        compiled=optimizer is not None or loss is not None,
        loss=loss,
        nodes=nodes,
        outputs=tuple(Output(path, path) for path in paths[-1:]),
    )
