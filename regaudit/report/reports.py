"""Several reports as Python and notebooks show them."""

from importlib import import_module
from typing import Any

from regaudit.report.dataframe import dataframe
from regaudit.report.report import Report
from regaudit.report.rows import COLUMNS, rows_of
from regaudit.report.view import View


class Reports(list[Report]):
    """Several reports, shown together: `regaudit.Reports(regaudit.audit_files(["models/"]))`."""

    def __repr__(self) -> str:
        """Show a line for each."""
        return "[{}]".format(",\n ".join(map(repr, self)))

    def _repr_html_(self) -> str:
        """Show a row for each in a notebook."""
        page: str = import_module("regaudit.renderers.notebook").reports_html(self)
        return page

    def to_html(self) -> str:
        """Return the page for people that `regaudit report --html` writes."""
        return self._rendered("html")

    def to_json(self) -> str:
        """Return the document that `--format json` prints; `regaudit schema` describes it."""
        return self._rendered("json")

    def to_dataframe(self) -> Any:
        """Return a row for each weight of each model, with pandas or else polars.

        Raises:
            UsageError: neither is installed.
        """
        found = [row for report in self for row in rows_of(report, View())]
        return dataframe(found, COLUMNS)

    def _rendered(self, format_: str) -> str:
        renderer = import_module("regaudit.renderers.interface").renderer(format_)
        abouts = [rule.about for rule in import_module("regaudit.rules.interface").rules()]
        return str(renderer.render(self, abouts, View()))
