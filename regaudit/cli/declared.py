"""What is declared of custom classes and fits no layer, said on standard error."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from regaudit.cli.output import TOLD, say

if TYPE_CHECKING:
    from regaudit.keras_semantics.declared_roles import Declared
    from regaudit.model import Layer
    from regaudit.report.report import Report


def say_unused(reports: Sequence["Report"], declared: Sequence["Declared"]) -> None:
    """Say which declarations are about no layer of the models that were read, one line each."""
    models = [report.model for report in reports if report.model]
    layers = [layer for model in models for layer in model.layers if layer.class_name]
    nameless = sum(all(not layer.class_name for layer in model.layers) for model in models)
    if declared and nameless:
        which = "the model does" if len(models) == 1 else f"{nameless:,} of the models do"
        say(
            f"{which} not name the classes of layers: what is declared of them cannot be used",
            err=True,
        )
    unused = [one for one in declared if layers and not any(map(one.is_about, layers))]
    for one in unused[:TOLD]:
        say(f"no layer is of the custom class {one.name!r}{_hint(one.name, layers)}", err=True)
    if len(unused) > TOLD:
        say(f"nor of {len(unused) - TOLD:,} more that are declared", err=True)


def _hint(name: str, layers: Iterable["Layer"]) -> str:
    """Say why a declaration may be about none of these layers."""
    from regaudit.errors import did_you_mean
    from regaudit.keras_semantics.layer_table import is_built_in

    if is_built_in(name):
        return ", which is one of Keras's own: only custom ones are declared"
    full = {layer.custom_class or layer.class_name for layer in layers if _is_custom(layer)}
    return f", which is declared{did_you_mean(name, sorted(full | _without_packages(full)))}"


def _is_custom(layer: "Layer") -> bool:
    return bool(layer.custom_class) or not layer.known


def _without_packages(classes: Iterable[str]) -> set[str]:
    return {name.rpartition(">")[2] for name in classes}
