"""One report held against real Keras, which loads the file in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from msgspec import Struct

from regaudit.auditing.containers import refuse_inside
from regaudit.errors import UnreadableModelError, UsageError
from regaudit.extras import pip_install
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.layer_table import MODELS
from regaudit.live.data_file import DataError, check_arrays
from regaudit.live.differences import Difference, Loaded, differences
from regaudit.live.variables import Variable, regularizer_of_record
from regaudit.model import Model, Status
from regaudit.report.escape import plain
from regaudit.report.report import Report


class Verification(Struct, frozen=True):
    """How the audit of one file and Keras agree."""

    keras: str
    """Version of the Keras that loaded the file."""
    weights: int
    losses: float | None
    """`sum(model.losses)`; None if Keras fails to compute it."""
    differences: tuple[Difference, ...]
    remarks: tuple[str, ...]
    data: Mapping[str, Any] | None = None
    """What the layers put out on data, as `measure_activity` returns it."""
    predictions: str = ""
    """How they compare with those of another file: `equal`, or in what they differ, or why not."""


def verify(
    report: Report,
    data: Path | None = None,
    batch_size: int = 32,
    against: Path | None = None,
) -> Verification:
    """Load the file of a report with real Keras, in safe mode, and compare.

    Args:
        report: of a file on this machine.
        data: NPZ file to run the model on.
        batch_size: samples run at once.
        against: another file whose model should predict the same.

    Raises:
        UnreadableModelError: there is no Keras here, or it cannot load the file.
        UsageError: the data do not fit the model.
    """
    if report.model is None:
        raise UnreadableModelError(report.failure.message if report.failure else "nothing was read")
    refuse_inside(report.file)
    if data:
        _check(data)
    package = chosen_package(report.format, report.model)
    request = {
        "file": str(Path(report.file).absolute()),
        "package": package,
        "data": str(data.absolute()) if data else None,
        "batch_size": batch_size,
        "loss": report.model.loss,
        "against": str(against.absolute()) if against else None,
    }
    reply = _ask(request)
    if "usage" in reply:
        raise UsageError(reply["usage"])
    if "failure" in reply:
        raise UnreadableModelError(_why(reply["failure"], report.model, package))
    loaded = _loaded(reply)
    found, remarks = differences(report, loaded)
    if "losses_failure" in reply:
        remarks.insert(0, f"Keras cannot compute model.losses: {reply['losses_failure']}")
    remarks[:0] = _versions(report.model, loaded.keras, package)
    return Verification(
        keras=loaded.keras,
        weights=len(loaded.variables),
        losses=loaded.losses,
        differences=tuple(found),
        remarks=tuple(remarks),
        data=reply.get("data"),
        predictions=reply.get("predictions", ""),
    )


def _check(data: Path) -> None:
    """Look at data before Keras is started, which takes seconds."""
    try:
        check_arrays(data)
    except DataError as error:
        raise UsageError(str(error)) from error


def _package(model: Model) -> str:
    """Choose the Keras that fits the file, of those that are installed."""
    if Dialect.of(model.keras_version).before_keras_3 and find_spec("tf_keras"):
        return "tf_keras"
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if not find_spec("keras") or (backend == "tensorflow" and not find_spec("tensorflow")):
        message = f"Keras with TensorFlow is not installed: {pip_install('tensorflow')}"
        raise UnreadableModelError(message)
    return "keras"


def chosen_package(format_: str | None, model: Model) -> str:
    """Choose the Keras that is to load a file: `keras` or `tf_keras`.

    Raises:
        UnreadableModelError: there is none here, or it may not load the file.
    """
    if not model.stored:
        raise UnreadableModelError("it is a configuration: it has no weights to load")
    _refuse(format_, model)
    return _package(model)


def _loaded(reply: Mapping[str, Any]) -> Loaded:
    """Read the answer of the child process."""
    return Loaded(
        keras=reply["keras"],
        variables=[Variable.of_record(record) for record in reply["variables"]],
        losses=reply["losses"],
        activity_regularizers={
            path: regularizer
            for path, record in reply["activity_regularizers"].items()
            if (regularizer := regularizer_of_record(record))
        },
        outputs=reply["data"]["layers"] if reply.get("data") else (),
    )


def _refuse(format_: str | None, model: Model) -> None:
    """Refuse what Keras cannot load at all, or only by running code of the file.

    Raises:
        UnreadableModelError: with the reason.
    """
    if not model.class_name:
        raise UnreadableModelError("the file contains weights only: there is no model to load")
    if format_ != "keras" and any(layer.class_name == "Lambda" for layer in model.layers):
        message = "a Lambda layer, whose code Keras may run when it loads a file of this format"
        raise UnreadableModelError(f"not loaded: it contains {message}")


def _ask(request: Mapping[str, Any]) -> dict[str, Any]:
    """Have a child process answer a request."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", **os.environ}
    with tempfile.TemporaryDirectory(prefix="regaudit-") as folder:
        question, answer = Path(folder, "request.json"), Path(folder, "answer.json")
        question.write_text(json.dumps(request), encoding="utf-8")
        child = subprocess.run(  # noqa: S603 - this interpreter and this package
            [sys.executable, "-P", "-m", "regaudit.live.loader", str(question), str(answer)],
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if answer.exists():
            reply: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
            return reply
    last = next(iter(child.stderr.strip().splitlines()[-1:]), "no message")
    return {"failure": f"its process ended with code {child.returncode} ({plain(last[:300])})"}


def _why(failure: str, model: Model, package: str) -> str:
    """Say why Keras cannot load the file, and which custom classes it would need."""
    classes = {layer.class_name: layer.known for layer in model.layers}
    custom = {name for name, known in classes.items() if not known or ">" in name}
    custom |= {layer.custom_class for layer in model.layers}
    for layer in model.layers:
        regularizers = [weight.regularizer for weight in layer.weights]
        regularizers += [layer.activity_regularizer, *layer.unplaced.values()]
        custom |= {r.class_name for r in regularizers if r and r.status is Status.OPAQUE}
    custom |= {model.class_name} - MODELS
    names = ", ".join(plain(name) for name in sorted(filter(None, custom)))
    missing = f"custom objects are missing: {names}; " if names else ""
    if Dialect.of(model.keras_version).before_keras_3 and package == "keras":
        missing += (
            f"it was saved by Keras {plain(str(model.keras_version))}: pip install tf-keras; "
        )
    return f"{missing}Keras says: {failure}"


def _versions(model: Model, keras: str, package: str) -> list[str]:
    """Say it if the Keras that loaded the file is not of the version that saved it."""
    version = model.keras_version
    there, here = Dialect.of(version), Dialect.of(keras)
    if version is None or there.version[:2] == here.version[:2]:
        return []
    text = (
        f"the audit describes the model as Keras {plain(version)}, which saved the file, loads it; "
    )
    text += f"this is Keras {keras}, which may load it differently"
    if there.before_keras_3 and package == "keras":
        text += ": pip install tf-keras"
    return [text]
