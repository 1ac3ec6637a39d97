"""The spectra of a report as a table, the same in every renderer."""

from collections.abc import Iterator
from typing import NamedTuple

from regaudit.measures.spectrum import Spectrum
from regaudit.model import Weight
from regaudit.report import spelling
from regaudit.report.report import Report
from regaudit.report.view import View

HEADERS = ("matrix", "norm", "stable", "effective", "condition", "alpha")
CAPTION = (
    "Spectra of the kernels as matrices of rows x units: spectral norm, stable and effective rank, "
    "condition, and the exponent of a power law (for information: no rule uses it)."
)


class Row(NamedTuple):
    """One kernel."""

    weight: Weight
    cells: tuple[str, ...]
    """By `HEADERS`."""


def spectrum_rows(report: Report, view: View) -> Iterator[Row]:
    """Yield the kernels that are to be shown and have a spectrum."""
    for _, weight in view.weights(report):
        found = (report.spectra or {}).get(weight.stored_path)
        if found:
            yield Row(weight, tuple(_cells(found)))


def _cells(found: Spectrum) -> Iterator[str]:
    yield spelling.shape(found.shape)
    yield spelling.number(found.spectral_norm)
    yield spelling.number(found.stable_rank)
    yield spelling.number(found.effective_rank)
    if found.condition_over is None:
        yield spelling.number(found.condition)
    else:
        yield f"over {found.condition_over:,.0f}"
    yield spelling.number(found.alpha)
