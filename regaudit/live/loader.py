"""The only door to Keras: models in memory, and, as a program of its own, models that it loads.

`python -m regaudit.live.loader REQUEST ANSWER` loads a model with real Keras and writes down what
it has, as JSON. It runs in a process of its own, so that Keras never enters the one that audits.
"""

import json
import sys
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from regaudit.live.activity import measure_activity
from regaudit.live.data_file import DataError
from regaudit.live.in_memory import one_line
from regaudit.live.keras_package import keras_package
from regaudit.live.predictions import compared
from regaudit.live.variables import layers_of, regularizer_of, variables_of


def main(request: Path, answer: Path) -> None:
    """Answer a request to load a model; whatever goes wrong is an answer too."""
    reply: dict[str, Any]
    try:
        reply = _load(json.loads(request.read_text(encoding="utf-8")))
    except DataError as error:
        reply = {"usage": str(error)}
    except Exception as error:  # noqa: BLE001 - Keras raises anything on what it cannot load
        reply = {"failure": one_line(error)}
    answer.write_text(json.dumps(reply), encoding="utf-8")


def _load(request: dict[str, Any]) -> dict[str, Any]:
    keras = keras_package(request["package"])
    model = keras.models.load_model(request["file"], compile=False, safe_mode=True)
    reply: dict[str, Any] = {"keras": keras.__version__, "losses": None}
    try:
        reply["losses"] = float(sum(_losses(model)))
    except Exception as error:  # noqa: BLE001 - a regularizer that fails is a fact about the model
        reply["losses_failure"] = one_line(error)
    variables = variables_of(model, measured=True)
    reply["variables"] = to_builtins(variables)
    reply["activity_regularizers"] = {
        path: to_builtins(regularizer)
        for path, layer in layers_of(model)
        if (regularizer := regularizer_of(getattr(layer, "activity_regularizer", None)))
    }
    if request["data"]:
        loss = keras.losses.get(request["loss"]) if isinstance(request["loss"], str) else None
        reply["data"] = measure_activity(
            model, request["data"], request["batch_size"], loss, request["loss"]
        )
    if request["against"]:
        other = keras.models.load_model(request["against"], compile=False, safe_mode=True)
        reply["predictions"] = compared(model, other)
    return reply


def _losses(model: Any) -> list[Any]:
    """`model.losses` without a call: Keras 2 keeps symbolic ones of those that built a model."""
    if not hasattr(model, "_trainable_weights"):
        return list(model.losses)
    layers = model._flatten_layers()  # noqa: SLF001 - nothing public lists them
    return [loss() for layer in layers for loss in layer._callable_losses]  # noqa: SLF001


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
