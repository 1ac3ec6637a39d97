"""What the reader of a report asked to see."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from regaudit.model import Layer, Weight
from regaudit.report.escape import Escaped, by_format
from regaudit.report.only_layers import in_layer
from regaudit.report.report import Report
from regaudit.report.rule_page import rule_page
from regaudit.report.severity import Severity
from regaudit.version import DOCS_URL

NOTHING = by_format("")


class View(Struct, frozen=True):
    """What the reader asked to see, and what the place of output can show."""

    tables: bool = True
    """Show the weights, not only the findings."""
    layer: str = "*"
    """Glob on the paths of the layers and weights to show."""
    sort: str = "model"
    """`model` for the order of the file, or one of `SORT_KEYS`."""
    every: bool = True
    """A row for each weight, however many there are."""
    wide: bool = False
    """All columns, whatever the width."""
    verbose: bool = False
    """Every finding of a group, not only the first few."""
    spectral: bool = False
    """Whether spectra were asked for: their columns are there then."""
    quiet: bool = False
    """Only what was found, and what could not be audited."""
    statistics: bool = False
    """How often each rule found something, in place of where."""
    width: int = 80
    """Columns of the terminal."""
    color: bool = False
    unicode: bool = False
    """Whether more than ASCII can be shown."""
    docs_url: str = DOCS_URL
    """Base address of the documentation; empty for none."""
    links: bool = False
    """Whether the terminal shows links."""
    fail_on: int = Severity.ERROR
    """Findings of this severity or a higher one fail a check."""
    fail_on_unknown: bool = False
    """Whether a model of which no regularizer is known fails a check."""
    root: Path | None = None
    """Top of the repository, below which other tools look for the files; None for as named."""
    architecture: bool = False
    """Whether a configuration was given beside the models, as no other command takes it."""
    settings: str = ""
    """The settings in force, as in a settings file."""
    of_results: bool = False
    """Whether reports come from results of former runs, which do not tell which rules ran."""
    sweep: Escaped = NOTHING
    """A section on a sweep of the model, for its page: HTML."""

    def page_of(self, code: str) -> str:
        """Return the address of the documentation of a rule; empty where there is none."""
        return rule_page(self.docs_url, code)

    def weights(self, report: Report) -> Iterator[tuple[Layer, Weight]]:
        """Yield the weights to show, in the order asked for."""
        if report.model is None:
            return
        rows = [row for row in report.model.weights() if self.shows(row[0].path, row[1].path)]
        if self.sort in SORT_KEYS:
            rows.sort(key=lambda row: _sort_key(self.sort, report, row[1]))
        yield from rows

    def records(self, layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the records of the layers to show."""
        if self.layer == "*":
            return layers
        return [
            layer
            for layer in layers
            if self.shows(layer["path"], *(weight["path"] for weight in layer["weights"]))
        ]

    def shows(self, *paths: str) -> bool:
        """Whether any of the paths is of a layer to show."""
        return any(in_layer(path, self.layer) for path in paths)


SORT_KEYS = ("name", "size", "penalty", "l1", "l2", "sparsity", "dead")
"""Orders for the table of weights; numbers come largest first."""


def _sort_key(sort: str, report: Report, weight: Weight) -> tuple[float | str, ...]:
    moments = report.moments.get(weight.stored_path)
    numbers = {
        "size": weight.size,
        "penalty": report.penalties.get(weight.stored_path),
        "l1": moments.l1_norm if moments else None,
        "l2": moments.l2_norm if moments else None,
        "sparsity": moments.sparsity if moments else None,
        "dead": moments.dead_units if moments else None,
    }
    return (weight.path,) if sort == "name" else (-(numbers[sort] or 0.0), weight.path)
