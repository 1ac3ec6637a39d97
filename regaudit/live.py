"""The only door to Keras: models in memory, and, as a program of its own, models that it loads.

`python -m regaudit.live REQUEST ANSWER` loads a model with real Keras and writes down what it
holds, as JSON. It runs in a process of its own, so that Keras never enters the one that audits.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from regaudit.activity import DataError, measure_activity
from regaudit.auditing.audit_file import read_from, report_on
from regaudit.errors import UnreadableModelError, UsageError
from regaudit.loaded import layers_of, matched, regularizer_of, variables_of
from regaudit.model import Model, Skip, Status
from regaudit.predictions import compared
from regaudit.report.report import Report
from regaudit.report.spelling import plain
from regaudit.report.spelling import regularizer as spelled
from regaudit.settings.config import Config

_HOMES = {"keras", "tf_keras", "tensorflow"}


def is_live(model: object) -> bool:
    """Whether an object is a model of Keras 3 or tf-keras."""
    return any(
        base.__name__ == "Model" and base.__module__.partition(".")[0] in _HOMES
        for base in type(model).__mro__
    )


def callback_base() -> type:
    """Return the class of callbacks of the Keras in use: tf-keras if that alone is loaded.

    Raises:
        UsageError: no Keras is installed.
    """
    try:
        if "tf_keras" in sys.modules and "keras" not in sys.modules:
            from tf_keras.callbacks import Callback  # noqa: PLC0415 - only with Keras
        else:
            from keras.callbacks import Callback  # noqa: PLC0415 - only with Keras
    except ImportError as error:
        raise UsageError(f"a callback needs Keras: {one_line(error)}") from error
    found: type = Callback
    return found


def scalar_log(folder: str | Path) -> Callable[[Mapping[str, float], int], None]:
    """Return what writes numbers of a step for TensorBoard into a folder.

    Raises:
        UsageError: TensorFlow is not installed.
    """
    try:
        import tensorflow as tf  # noqa: PLC0415 - only for a log
    except ImportError as error:
        raise UsageError(f"a log for TensorBoard needs TensorFlow: {one_line(error)}") from error
    writer = tf.summary.create_file_writer(str(folder))
    plugin = {"plugin_data": {"plugin_name": "scalars"}, "data_class": 1}
    metadata = tf.compat.v1.SummaryMetadata(**plugin)

    def log(numbers: Mapping[str, float], step: int) -> None:
        # Not tf.summary.scalar: to write, that needs TensorBoard itself.
        with writer.as_default(step=step):
            for name, value in numbers.items():
                tf.summary.write(name, tf.constant(value, tf.float32), metadata=metadata)
        writer.flush()

    return log


def audit_model(model: Any, config: Config | None = None) -> Report:
    """Audit a model in memory, by what a save makes of it.

    Args:
        model: a `keras.Model`, of Keras 3 or tf-keras.
        config: rules and thresholds; all rules with their own by default.

    Returns:
        The report. Where the save differs from what is in memory, its `skipped` says so.

    Raises:
        TypeError: it is not such a model.
        UsageError: it is not built.
        UnreadableModelError: Keras cannot save it.
    """
    if not is_live(model):
        raise TypeError(f"neither a path nor a Keras model: {type(model).__name__}")
    with saved(model) as file:
        name = f"{model.name} (in memory)"
        report = read_from(nullcontext(file), name, config or Config.default(), report_on)
    remarks = unsaved(model, report.model) if report.model else ()
    return replace(
        report, format="live", size=None, sha256=None, skipped=(*report.skipped, *remarks)
    )


@contextmanager
def saved(model: Any) -> Iterator[Path]:
    """Save a model in memory into a temporary file: what an audit can say of it is what is saved.

    Raises:
        UsageError: the model has no weights yet.
        UnreadableModelError: Keras cannot save it.
    """
    if not getattr(model, "built", False):
        raise UsageError(
            f"model {plain(str(model.name))!r} is not built, so it has no weights: "
            "call it on data, or build(input_shape), before the audit"
        )
    with tempfile.TemporaryDirectory(prefix="regaudit-") as folder:
        file = Path(folder, "model.keras")
        try:
            model.save(file)
        except Exception as error:
            message = f"Keras cannot save model {plain(str(model.name))!r}: {one_line(error)}"
            raise UnreadableModelError(message) from error
        yield file


def unsaved(model: Any, audited: Model) -> tuple[Skip, ...]:
    """Say where a model in memory is not what a save makes of it.

    `variable.regularizer = ...` acts and is not saved; `layer.kernel_regularizer = ...` on a built
    layer is saved and does not act; `variable.trainable = False` is not saved.
    """
    remarks = []
    for layer, weight, variable in matched(audited, variables_of(model))[0]:
        if variable is None:
            continue
        there, here = weight.regularizer, variable.regularizer
        if there and there.status in {Status.INERT, Status.UNKNOWN}:
            there = here
        opaque = there and here and there.status is here.status is Status.OPAQUE
        if spelled(there) != spelled(here) and not opaque and not _frozen_custom(there, here):
            reason = f"in memory it has {_or_no(here)}; the configuration that would be saved "
            reason += f"says {_or_no(there)}" if layer.known else "does not say so (custom layer)"
            remarks.append(Skip(weight.path, reason))
        if layer.known and variable.trainable != weight.trainable:
            states = {True: "trainable", False: "frozen"}
            reason = f"in memory it is {states[variable.trainable]}; "
            reason += f"loaded from a save it would be {states[weight.trainable]}"
            remarks.append(Skip(weight.path, reason))
    return tuple(remarks)


def one_line(error: BaseException) -> str:
    """Return what Keras says is wrong, without the configurations it prints."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = text.rpartition("Exception encountered: ")[2]
    for tail in ("Full object config:", "config={", "Make sure custom classes"):
        text = text.partition(tail)[0].rstrip() or text
    return plain(text if len(text) <= 300 else text[:297] + "...")


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
    keras = _keras(request["package"])
    model = keras.models.load_model(request["file"], compile=False, safe_mode=True)
    reply: dict[str, Any] = {"keras": keras.__version__, "losses": None}
    try:
        reply["losses"] = float(sum(_losses(model)))
    except Exception as error:  # noqa: BLE001 - a regularizer that fails is a fact about the model
        reply["losses_failure"] = one_line(error)
    variables = variables_of(model, measured=True)
    reply["variables"] = [asdict(variable) for variable in variables]
    reply["activity_regularizers"] = {
        path: asdict(regularizer)
        for path, layer in layers_of(model)
        if (regularizer := regularizer_of(getattr(layer, "activity_regularizer", None)))
    }
    if request["data"]:
        loss = keras.losses.get(request["loss"]) if isinstance(request["loss"], str) else None
        reply["data"] = measure_activity(model, request["data"], request["batch_size"], loss)
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


def _keras(package: str) -> Any:
    if package == "tf_keras":
        import tf_keras as keras  # noqa: PLC0415 - only in the child
    else:
        import keras  # noqa: PLC0415 - only in the child
    return keras


def _or_no(regularizer: Any) -> str:
    return spelled(regularizer) if regularizer else "no regularizer"


def _frozen_custom(there: Any, here: Any) -> bool:
    """Whether both are the same custom regularizer, of a weight that is frozen."""
    return bool(there and here and there.l1 is None and here.l1 is None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
