"""What `regaudit apply` says: what changes, or why nothing was written."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regaudit.cli.suggest_text import wrapped

if TYPE_CHECKING:
    from regaudit.editing.apply import Change
    from regaudit.editing.request import EditRequest
    from regaudit.formats.interface import Format
    from regaudit.model import Model
    from regaudit.report.report import Report


def nothing_written(change: "Change", wanted: "EditRequest", out: Path | None) -> list[str]:
    """Say in one line why nothing was written, after what could not be set."""
    from regaudit.report.escape import plain

    lines = [wrapped(f"skipped: {plain(note)}") for note in wanted.passed_over]
    reasons = [note.rstrip(".") for note in wanted.absent]
    if change.idle or not reasons:
        reasons.append(f"{change.before.file} already has what was asked for")
    made = ", no file was made" if out else ""
    return [*lines, f"{plain('. '.join(reasons))}. Nothing was written{made}."]


def what_changes(
    change: "Change", wanted: "EditRequest", out: Path | None, *, verbose: bool
) -> list[str]:
    """Say what changes in the configuration and in the loss, and what to do next."""
    from regaudit.report.escape import plain
    from regaudit.report.spelling import count, number

    lines = []
    for place, old, new in change.lines():
        lines += _changed(place, old, new, change, verbose=verbose)
    idle = (f"{count(len(change.idle), 'edit')} that the file already has",)
    notes = (*wanted.passed_over, *wanted.absent, *(idle if change.idle else ()))
    lines += [wrapped(f"skipped: {plain(note)}") for note in notes]
    lines += (
        ["", *(wrapped(f"- {plain(text)}") for text in wanted.remarks)] if wanted.remarks else []
    )
    before, after = change.before, change.after
    lines += ["", f"penalty  {number(before.penalty, 6)} -> {number(after.penalty, 6)}"]
    if not after.penalty_complete:
        lines[-1] += f", plus what custom code adds{_placed(before, after)}"
    if change.jump:
        way = "higher" if change.jump > 0 else "lower"
        apart = "" if after.penalty_complete else ", not counting custom code"
        lines.append(
            wrapped(
                f"The training loss will be {number(abs(change.jump), 6)} {way} from the first "
                f"step{apart}: that is the penalty; the predictions are the same."
            )
        )
    if out is None:
        lines.append("Nothing was written.")
        return lines
    lines.append(
        wrapped(
            f"{count(len(change.edits), 'edit')} written to {plain(str(out))}. Load that file"
            f"{_compiling(after.model)}, and continue training: a model already in memory does "
            "not change."
        )
    )
    return lines


def _placed(before: "Report", after: "Report") -> str:
    """Say what it adds where that can be told if it does as Keras does."""
    from regaudit.report.spelling import number

    were, are = before.total_if_applied, after.total_if_applied
    if were is None and are is None:
        return ", which is not in the file"
    return f": {number(were or 0.0, 6)} -> {number(are or 0.0, 6)} if it does as Keras does"


def _compiling(model: "Model | None") -> str:
    """Say what is to be done after a load, before training goes on."""
    if model is None or (model.compiled is None and model.optimizer is None):
        return ", compile it, unless its own code does"
    if model.compiled and not model.loads_with:
        return ""
    return ", compile it: it was saved without an optimizer"


def kept(model: Path, plugin: "Format") -> str:
    """Say where the file lies as it was before an edit in place."""
    from regaudit.editing.backup_files import backup_of, edited_part
    from regaudit.report.escape import command, plain

    part = edited_part(plugin, model)
    backup = backup_of(part)
    name = backup if model.is_symlink() else plugin.part(model).with_name(backup.name)
    undo = command("regaudit apply {} --undo", model)
    return f"As it was before: {plain(str(name))}; put it back with: {undo}"


def _changed(place: str, old: Any, new: Any, change: "Change", *, verbose: bool) -> list[str]:
    """Say what something was and will be, or show the JSON where that says more."""
    import json

    from regaudit.report.escape import plain

    before, after = (_said(place, value, change) for value in (old, new))
    if before and after and before != after and not verbose:
        return [f"{plain(place)}  {plain(before)} -> {plain(after)}"]
    sides = (plain(json.dumps(value, default=dict)) for value in (old, new))
    return [plain(place), *(f"  {mark} {side}" for mark, side in zip("-+", sides, strict=True))]


def _said(place: str, value: Any, change: "Change") -> str:
    """Say in a word what a regularizer or an optimizer does; empty for what has no such word."""
    from regaudit.keras_semantics.dialect import Dialect
    from regaudit.keras_semantics.regularizers import parse_regularizer
    from regaudit.report.spelling import regularizer, strength

    if place.endswith("_regularizer"):
        model = change.before.model
        dialect = Dialect.of(model.keras_version if model else None)
        return "none" if value is None else regularizer(parse_regularizer(value, dialect))
    if isinstance(value, Mapping) and value.keys() == {"class_name", "weight_decay"}:
        decay = value["weight_decay"]
        return f"{value['class_name']} with {'no' if decay is None else 'a'} weight decay" + (
            "" if decay is None else f" of {strength(decay)}"
        )
    return ""
