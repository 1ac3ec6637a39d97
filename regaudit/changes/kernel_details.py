"""What is inside kernels that changed, before and after on the same axes."""

from collections.abc import Iterable, Mapping

from regaudit.changes.compare import Changes, WeightChange
from regaudit.evidence.initial_density import initial_density
from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.model import Layer, Weight
from regaudit.pages.kernel_details import Detail, Details, present
from regaudit.pages.norm_panel import norm_panel
from regaudit.pages.spectrum_panel import spectrum_panel
from regaudit.pages.value_panel import value_panel
from regaudit.report import spelling
from regaudit.report.report import Report

ARROW = "\N{RIGHTWARDS ARROW}"

MOST = 30
"""Kernels that are looked into, those that changed most."""


def changed_kernels(
    changes: Changes, moved: Iterable[WeightChange], anchors: Mapping[str, str]
) -> Details:
    """Look into kernels that are in both files and changed.

    Args:
        changes: that they are among.
        moved: weights that changed, the most changed first.
        anchors: of their rows in the table, by path.
    """
    weights = changes.new.model.weights() if changes.new.model else ()
    layers = {weight.path: layer for layer, weight in weights}
    found = [
        (one.old, one.new)
        for one in moved
        if one.old and one.new and one.new.role in KERNEL_ROLES
        if _is_counted(changes.old, one.old) and _is_counted(changes.new, one.new)
    ]
    return Details(
        tuple(
            _detail(old, new, changes, layers[new.path], anchors[new.path])
            for old, new in found[:MOST]
        ),
        max(len(found) - MOST, 0),
    )


def _is_counted(report: Report, weight: Weight) -> bool:
    measured = report.moments.get(weight.stored_path)
    return measured is not None and measured.histogram is not None


def _detail(old: Weight, new: Weight, changes: Changes, layer: Layer, row: str) -> Detail:
    sides = ((changes.old, old.stored_path), (changes.new, new.stored_path))
    moments = [report.moments[path] for report, path in sides]
    spectra = [found for report, path in sides if (found := (report.spectra or {}).get(path))]
    panels = [value_panel(moments, initial_density(layer, new)), norm_panel(moments)]
    if len(spectra) == len(sides):
        panels.append(spectrum_panel(spectra))
    norms = f" {ARROW} ".join(spelling.number(one.l2_norm) for one in moments)
    return Detail(f"{row}d", row, new.path, f"L2 norm {norms}", present(panels))
