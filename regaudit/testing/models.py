"""Models held against the rules: `regaudit.assert_ok("model.keras")`."""

from os import PathLike, fspath
from typing import Any

from regaudit.api import audit
from regaudit.renderers.interface import renderer
from regaudit.report.report import Report
from regaudit.report.view import View
from regaudit.running.run import audit_files
from regaudit.settings.config import Config

WIDTH = 100
"""Columns of a message; pytest indents it."""


def assert_ok(*models: Any, config: Config | None = None) -> None:
    """Fail a test unless the models pass `regaudit check`.

    Args:
        models: paths, folders, patterns and URLs, or a `keras.Model` in memory; at least one.
        config: the settings; by default those of the project, as `Config.load()` returns them.

    Raises:
        AssertionError: a model has findings at or above `fail-on`, or could not be audited. The
            message is what `regaudit check` prints.
        TypeError: no model was given.
        UsageError: a setting is wrong.
    """
    __tracebackhide__ = True
    if not models:
        raise TypeError("assert_ok needs a model, a path, a folder or a pattern")
    config = config or Config.load()
    reports: list[Report] = []
    for model in models:
        if isinstance(model, str | PathLike):
            reports += audit_files([fspath(model)], config)
        else:
            reports.append(audit(model, config))
    failed = any(
        not report.complete
        or report.worst >= config.fail_on
        or (config.fail_on_unknown and report.unjudged)
        for report in reports
    )
    if failed:
        view = View(
            tables=False,
            width=WIDTH,
            fail_on=config.fail_on,
            fail_on_unknown=config.fail_on_unknown,
        )
        abouts = [rule.about for rule in config.rules]
        raise AssertionError(str(renderer("terminal").render(reports, abouts, view)).rstrip())
