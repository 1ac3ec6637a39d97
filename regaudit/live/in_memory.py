"""Models in memory: audited as what a save makes of them."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from regaudit.auditing.audit_file import Attempt, report_on
from regaudit.errors import UnreadableModelError, UsageError
from regaudit.live.variables import matched, variables_of
from regaudit.model import Model, Skip, Status
from regaudit.report.escape import plain
from regaudit.report.report import Report
from regaudit.report.spelling import regularizer as spelled
from regaudit.settings.config import Config

_HOMES = {"keras", "tf_keras", "tensorflow"}


def is_live(model: object) -> bool:
    """Whether an object is a model of Keras 3 or tf-keras."""
    return any(
        base.__name__ == "Model" and base.__module__.partition(".")[0] in _HOMES
        for base in type(model).__mro__
    )


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
        report = _report_on(file, f"{model.name} (in memory)", config or Config.default())
    remarks = unsaved(model, report.model) if report.model else ()
    return replace(
        report, format="live", size=None, sha256=None, skipped=(*report.skipped, *remarks)
    )


def _report_on(file: Path, name: str, config: Config) -> Report:
    with Attempt(name, file) as attempt, attempt.opened(config) as opened:
        return report_on(opened, config)
    return attempt.failed


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
        if layer.known and weight.trainable_known and variable.trainable != weight.trainable:
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


def _or_no(regularizer: Any) -> str:
    return spelled(regularizer) if regularizer else "no regularizer"


def _frozen_custom(there: Any, here: Any) -> bool:
    """Whether both are the same custom regularizer, of a weight that is frozen."""
    return bool(there and here and there.l1 is None and here.l1 is None)
