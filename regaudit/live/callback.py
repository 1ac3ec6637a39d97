"""A Keras callback that audits the model while it is trained."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from regaudit.errors import UsageError
from regaudit.live.in_memory import audit_model, one_line
from regaudit.report.report import Report
from regaudit.settings.config import Config


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
        log_dir: folder for TensorBoard: penalty, norm, dead and effective units of each weight, the
            number of findings.
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
            self._log = scalar_log(log_dir) if log_dir is not None else None

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
                self._log(_scalars(report), self._epoch)

    return Audit()


def _say(report: Report, epoch: int) -> None:
    from regaudit.report.escape import visible  # noqa: PLC0415 - only if it is wanted
    from regaudit.report.sentences import verdict  # noqa: PLC0415 - only if it is wanted
    from regaudit.report.spelling import number  # noqa: PLC0415 - only if it is wanted

    text = f"regaudit, epoch {epoch + 1}: {verdict(report)}; penalty {number(report.penalty)}"
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
