"""The library's front door: `audit` takes a path, a URL or a model in memory."""

from os import PathLike
from typing import Any

from msgspec.structs import replace

from regaudit.auditing.audit_file import audit_file
from regaudit.report.report import Report
from regaudit.settings.config import Config
from regaudit.storage.kept_container import forget


def audit(model: Any, config: Config | None = None, *, by_name: bool = False) -> Report:
    """Audit one model.

    Args:
        model: path or URL of the file; or a `keras.Model` in memory, of Keras 3 or tf-keras.
        config: rules and thresholds; all rules with their own by default. Its `architecture` is
            that of a file with weights only.
        by_name: whether such a file is loaded into its architecture with `by_name=True`, not by
            the order of its layers.

    Returns:
        The report. A file that cannot be read makes a report with a `failure`, never an error.
        That of a model in memory is about what a save makes of it; where the two differ, its
        `skipped` says so.

    Raises:
        TypeError: it is neither a path nor a model.
        UsageError: a model in memory is not built.
        UnreadableModelError: Keras cannot save a model in memory.
    """
    if isinstance(model, str | PathLike):
        if by_name:
            config = replace(config or Config.default(), by_name=True)
        report = audit_file(model, config)
        forget()
        return report
    from regaudit.live.in_memory import audit_model  # noqa: PLC0415 - files need none of it

    return audit_model(model, config)
