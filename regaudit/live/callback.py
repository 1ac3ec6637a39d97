"""A Keras callback that audits the model while it is trained."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from regaudit.errors import UsageError
from regaudit.live.in_memory import audit_model, one_line
from regaudit.report.report import Report
from regaudit.settings.config import Config
from regaudit.tensors.tensor import Array


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


BINS = 30
"""Of a histogram, as many as TensorBoard's own have."""

Log = Callable[[Mapping[str, float], Mapping[str, Array], int], None]
"""Writes numbers and values of a step, each by name."""


def tensorboard_log(folder: str | Path) -> Log:
    """Return what writes numbers and histograms of a step for TensorBoard into a folder.

    Raises:
        UsageError: TensorFlow is not installed.
    """
    try:
        import tensorflow as tf  # noqa: PLC0415 - only for a log
    except ImportError as error:
        raise UsageError(f"a log for TensorBoard needs TensorFlow: {one_line(error)}") from error
    writer = tf.summary.create_file_writer(str(folder))
    scalars, histograms = (
        tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": name}, data_class=data_class)
        for name, data_class in (("scalars", 1), ("histograms", 2))
    )

    def log(numbers: Mapping[str, float], values: Mapping[str, Array], step: int) -> None:
        # Not tf.summary.scalar and histogram: to write, these need TensorBoard itself.
        with writer.as_default(step=step):
            for name, value in numbers.items():
                tf.summary.write(name, tf.constant(value, tf.float32), metadata=scalars)
            for name, array in values.items():
                tf.summary.write(name, tf.constant(_binned(array)), metadata=histograms)
        writer.flush()

    return log


def _binned(values: Array) -> Array:
    """Return the histogram of finite values; shape (bins, 3): left edge, right edge, count."""
    counts, edges = np.histogram(values[np.isfinite(values)], BINS)
    return np.stack([edges[:-1], edges[1:], counts], axis=1)


def audit_callback(
    every: int | None = None,
    log_dir: str | Path | None = None,
    config: Config | None = None,
    *,
    verbose: bool = True,
) -> Any:
    """Return a callback for `model.fit(callbacks=[...])`; its `reports` are the audits in order.

    Each audit saves the model into a temporary file and reads that, so a large model takes a
    moment.

    Args:
        every: audit after every so many epochs; at the end of the training only by default.
        log_dir: folder for TensorBoard: penalty, norm, dead and effective units of each weight, a
            histogram of its values, the number of findings.
        config: rules and thresholds; all rules with their own by default.
        verbose: print a line for each audit.

    Raises:
        UsageError: `every` is below 1, or Keras is not installed, or TensorFlow for `log_dir`.
    """
    if every is not None and every < 1:
        raise UsageError(f"every is a number of epochs, at least 1, not {every!r}")
    base: Any = callback_base()

    class Audit(base):  # type: ignore[misc] # Keras is not here when types are checked
        """Audits at the end of epochs and of the training."""

        def __init__(self) -> None:
            super().__init__()
            self.reports: list[Report] = []
            self._epoch = -1
            self._log = tensorboard_log(log_dir) if log_dir is not None else None

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's signature
            self._epoch = epoch
            if every is not None and (epoch + 1) % every == 0:
                self._audit()

        def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras's signature
            if every is None or (self._epoch + 1) % every:
                self._audit()

        def _audit(self) -> None:
            report = audit_model(self.model, config)
            self.reports.append(report)
            if verbose:
                _say(report, self._epoch)
            if self._log is not None:
                self._log(_scalars(report), _values(self.model), self._epoch)

    return Audit()


def _say(report: Report, epoch: int) -> None:
    from regaudit.report.escape import visible  # noqa: PLC0415 - only if it is wanted
    from regaudit.report.sentences import verdict  # noqa: PLC0415 - only if it is wanted
    from regaudit.report.spelling import number  # noqa: PLC0415 - only if it is wanted

    codes = ", ".join(finding.code for finding in report.findings)
    found = f"{verdict(report)} ({codes})" if codes else verdict(report)
    text = f"regaudit, epoch {epoch + 1}: {found}; penalty {number(report.penalty)}"
    print(f"\n{visible(text)}", flush=True)  # noqa: T201 - as Keras's own callbacks do


def _scalars(report: Report) -> dict[str, float]:
    """Return what TensorBoard plots, by name."""
    found: dict[str, float] = {
        "regaudit/penalty": report.penalty,
        "regaudit/findings": sum(len(finding.items) for finding in report.findings),
    }
    for _, weight in report.model.weights() if report.model else ():
        moments = report.moments.get(weight.stored_path)
        numbers = {
            "penalty": report.penalties.get(weight.stored_path) if weight.regularizer else None,
            "l2_norm": moments.l2_norm if moments else None,
            "dead_units": moments.dead_units if moments else None,
            "effective_units": moments.effective_units if moments else None,
        }
        for name, value in numbers.items():
            if value is not None:
                found[f"regaudit_{name}/{weight.path}"] = value
    return found


def _values(model: Any) -> dict[str, Array]:
    """Return the values of each weight of a live model, by name."""
    return {
        f"regaudit_values/{getattr(weight, 'path', weight.name)}": np.asarray(
            weight.numpy() if hasattr(weight, "numpy") else weight, np.float64
        )
        for weight in model.weights
    }
