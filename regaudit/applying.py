"""Edits written into the file of a model; its weights stay byte for byte as they are."""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from regaudit.auditing import audit, recognize
from regaudit.dataclass import dataclass
from regaudit.editable import refusal, shared
from regaudit.errors import RefusedEditError, UnreadableModelError, UsageError
from regaudit.finding import Edit, Report
from regaudit.format import Format
from regaudit.keras_dialect import Dialect
from regaudit.keras_edit import edited, entries
from regaudit.keras_graph import Serialized, config_of
from regaudit.optimizer_edit import OPTIMIZER, with_decay
from regaudit.penalty import penalties

BACKUP = ".before-apply"
"""Ending of the file that an edit in place keeps."""


@dataclass(frozen=True)
class Change:
    """What edits make of a model."""

    before: Report
    after: Report
    """Findings apart: those need an audit of the new file."""
    edits: tuple[Edit, ...]
    """Those asked for, and the same ones for layers that share a weight."""
    old: Mapping[str, Serialized]
    """The JSON of the file, by name."""
    new: Mapping[str, Serialized]

    @property
    def jump(self) -> float:
        """How much higher the training loss will read."""
        return self.after.penalty - self.before.penalty

    def lines(self) -> tuple[tuple[str, Any, Any], ...]:
        """Return what changes, as layer and key, the old value and the new one."""
        dialect = Dialect.of(self.before.model.keras_version if self.before.model else None)
        before, after = (entries(next(iter(d.values())), dialect) for d in (self.old, self.new))
        changed = []
        for path, layer in after.items():
            was, now = config_of(before[path]), config_of(layer)
            changed += [
                (f"{path}: {key}", was.get(key), now[key])
                for key in now
                if key.endswith("_regularizer") and was.get(key) != now[key]
            ]
        for edit in self.edits:
            if edit.key == OPTIMIZER and self.before.model and self.before.model.optimizer:
                old = self.before.model.optimizer
                was = {"class_name": old.class_name, "weight_decay": old.weight_decay}
                changed.append((OPTIMIZER, was, edit.value))
        return tuple(changed)


def apply(
    path: str | os.PathLike[str],
    edits: Iterable[Edit],
    out: str | os.PathLike[str] | None = None,
    *,
    in_place: bool = False,
    force: bool = False,
) -> Change:
    """Write edits into a copy of a model, or into its own file.

    Args:
        path: the model; see `audit`.
        edits: which regularizer on which layer; None as its value removes one.
        out: the file to make; without it, and not in place, nothing is written.
        in_place: whether to replace the file itself; a backup stays, see `undo`.
        force: whether weights may be edited that are frozen or not of float32, and whether `out`
            may replace a file.

    Returns:
        What changes, with the penalty before and after.

    Raises:
        UsageError: no such layer, a value that is no regularizer, or an output in the wrong place.
        RefusedEditError: the file cannot be edited, or an edit would do nothing; says why.
        UnreadableModelError: the file cannot be audited, or the new one not be written.
    """
    file = Path(path)
    target = file if in_place else Path(out) if out is not None else None
    _check_target(file, target, in_place=in_place, force=force)
    report = audit(file)
    if report.failure or report.model is None:
        raise UnreadableModelError(report.failure.message if report.failure else "nothing was read")
    plugin = recognize(file)
    change = _changed(replace(report, file=str(path)), plugin, file, tuple(edits), force=force)
    if target is None:
        return change
    documents = {name: value for name, value in change.new.items() if value != change.old[name]}
    try:
        with _backed_up(plugin.part(file) if in_place else None):
            plugin.write(file, documents, target)
    except OSError as error:
        message = f"{target} cannot be written: {error.strerror or error}; nothing was changed"
        raise UnreadableModelError(message) from error
    return replace(change, after=replace(change.after, file=str(target)))


def undo(path: str | os.PathLike[str], *, force: bool = False) -> Path:
    """Put the backup of an edit in place back, byte for byte.

    Args:
        path: the model that was edited.
        force: whether to do it although the weights have changed since.

    Returns:
        The file that was restored.

    Raises:
        UsageError: there is no backup.
        RefusedEditError: the model was trained since: the backup has other weights.
        UnreadableModelError: a file is not there, or cannot be read or written.
    """
    file = Path(path)
    if not file.exists():
        raise UnreadableModelError("no such file")
    part = recognize(file).part(file)
    backup = backup_of(part)
    if not backup.exists():
        raise UsageError(f"{path} has no backup {backup.name}: it was not edited in place")
    if part == file and not force and _weights(file) != _weights(backup):
        raise RefusedEditError(
            f"{path} has other weights than its backup {backup.name}: it was saved again since; "
            "--force puts the backup back all the same"
        )
    try:
        backup.replace(part)
    except OSError as error:
        raise UnreadableModelError(f"{part} cannot be replaced: {error.strerror}") from error
    return part


def backup_of(part: Path) -> Path:
    """Return where the backup of a file lies."""
    return part.with_name(part.name + BACKUP)


def _check_target(file: Path, target: Path | None, *, in_place: bool, force: bool) -> None:
    if target is None or in_place:
        return
    if target.exists() and file.exists() and target.samefile(file):
        raise UsageError(f"{target} is the model itself: write somewhere else, or use --in-place")
    if file.is_dir() and target.resolve().is_relative_to(file.resolve()):
        raise UsageError(f"{target} lies inside the model: write somewhere else")
    if target.is_dir():
        raise UsageError(f"{target} is a directory that is there already: name a new one")
    if target.exists() and not force:
        raise UsageError(f"{target} is there already; --force replaces it")
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent} is no directory to write into")


def _changed(
    report: Report, plugin: Format, file: Path, edits: tuple[Edit, ...], *, force: bool
) -> Change:
    """Work the edits into the file's JSON, and say what the penalty becomes."""
    model = report.model
    if not edits or model is None:
        raise UsageError("there is nothing to apply: no edits were given")
    own = [edit for edit in edits if edit.key != OPTIMIZER]
    with plugin.read(file) as artifact:
        old = artifact.documents
    if not old:
        raise RefusedEditError(plugin.why_not or "it holds weights only, no configuration")
    misplaced = next((weight for _, weight in model.weights() if weight.loads_from), None)
    if misplaced and not force:
        raise RefusedEditError(
            f"Keras loads another weight's values into {misplaced.path} (REG905), so what it would "
            "pay cannot be told: save the model as .keras first"
        )
    for edit in own:
        why = refusal(model, edit, force=force)
        if why:
            raise RefusedEditError(why)
    own = [*shared(model, own)]
    name, config = next(iter(old.items()))
    new = {**old, name: edited(config, tuple(own), Dialect.of(model.keras_version))}
    decays = [edit for edit in edits if edit.key == OPTIMIZER]
    for edit in decays:
        new = with_decay(new, edit.value)
    view = copy(plugin)
    view.edited = new
    with view.read(file) as artifact:
        after = replace(
            report,
            model=artifact.model,
            penalties=penalties(artifact.model, report.moments, artifact.tensors),
            findings=(),
        )
    return Change(report, after, (*own, *decays), old, new)


@contextmanager
def _backed_up(part: Path | None) -> Iterator[None]:
    """Keep a file under another name, unless what is done to it fails."""
    if part is None:
        yield
        return
    backup = backup_of(part)
    if backup.exists():
        raise UsageError(
            f"the backup {backup} of an earlier edit is there: --undo puts it back, "
            "or remove it to keep the edit"
        )
    try:
        os.link(part, backup)  # no copy, where the file system can
    except OSError:
        shutil.copy2(part, backup)
    try:
        yield
    except BaseException:
        backup.unlink()
        raise


def _weights(file: Path) -> list[tuple[str, float | None, float | None, int]]:
    """Return numbers by which the weights of two files can be told apart."""
    report = audit(file)
    if report.failure:
        raise UnreadableModelError(report.failure.message)
    return [
        (path, found.l1_norm, found.l2_norm, found.nonfinite)
        for path, found in sorted(report.moments.items())
    ]
