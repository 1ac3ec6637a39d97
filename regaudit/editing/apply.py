"""Edits written into the file of a model; its weights stay byte for byte as they are."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from regaudit.auditing.audit_file import audit_file, bug
from regaudit.auditing.containers import refuse_inside
from regaudit.editing.backup import Stamp, backed_up
from regaudit.editing.backup_files import edited_part
from regaudit.editing.config_edit import Written, edited
from regaudit.editing.optimizer_edit import decays_so, with_decay
from regaudit.editing.validity import is_so, refusal, shared
from regaudit.errors import (
    InternalError,
    RefusedEditError,
    RegauditError,
    UnreadableModelError,
    UnsafeFileError,
    UsageError,
    is_out_of_memory,
)
from regaudit.formats.interface import WEIGHTS_ONLY, Format, formats, recognize
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.declared_roles import Declared
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.placing import with_roles
from regaudit.limits import OUT_OF_MEMORY
from regaudit.measures.penalty import penalties
from regaudit.model import Model
from regaudit.report.proposal import OPTIMIZER, Edit
from regaudit.report.report import Report
from regaudit.settings.config import Config
from regaudit.storage.presence import exists, is_dir


class Change(Struct, frozen=True, dict=True):
    """What edits make of a model."""

    before: Report
    after: Report
    """Findings apart: those need an audit of the new file."""
    edits: tuple[Edit, ...]
    """Those that change something, and the same ones for layers that share a weight; empty where
    the file has all of it already: then nothing is written."""
    old: Mapping[str, Serialized]
    """The JSON of the file, by name."""
    new: Mapping[str, Serialized]
    written: tuple[Written, ...] = ()
    """What differs between the two."""
    idle: tuple[Edit, ...] = ()
    """Those asked for that equal what the file has."""

    @property
    def jump(self) -> float:
        """How much higher the training loss will read."""
        return self.after.penalty - self.before.penalty

    def lines(self) -> tuple[tuple[str, Any, Any], ...]:
        """Return what changes, as layer and key, the old value and the new one."""
        return self.written


class Prepared(Struct, frozen=True, dict=True):
    """Edits ready to be written: all that can fail but the writing is done."""

    change: Change
    format: Format
    file: Path
    target: Path | None
    """None for nothing but to know what changes."""
    before: Stamp | None = None
    """Of the file that an edit in place replaces, before it was read."""

    def write(self) -> None:
        """Make the new file, or put it in the place of the old one; nothing where nothing changes.

        Raises:
            RegauditError: it cannot be written; nothing was changed.
        """
        old, new = self.change.old, self.change.new
        documents = {name: value for name, value in new.items() if value != old[name]}
        if self.target is None or not documents:
            return
        with _unless_unforeseen(f"{self.target} cannot be written"):
            if self.target != self.file:
                self.format.write(self.file, documents, self.target)
                return
            if self.before is None:
                raise UnreadableModelError("no such file")
            with backed_up(edited_part(self.format, self.file), self.before) as seal:
                model = Path(os.path.realpath(self.file))
                self.format.write(model, documents, model, seal)


def apply(
    path: str | os.PathLike[str],
    edits: Iterable[Edit],
    out: str | os.PathLike[str] | None = None,
    *,
    in_place: bool = False,
    force: bool = False,
) -> Change:
    """Write edits into a copy of a model, or into its own file.

    Edits that the file has already write nothing, and no file is made: the `edits` and `lines()`
    of the change are empty then. Whatever raises, the old file is as it was, and no new one there.

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
        UsageError: no such layer, a value that is not a regularizer, or a wrong output.
        RefusedEditError: the file cannot be edited, or an edit would do nothing; says why.
        UnreadableModelError: the file cannot be audited, or the new one not be written.
        InternalError: a bug of regaudit's own.
    """
    prepared = prepare(path, edits, out, in_place=in_place, force=force)
    prepared.write()
    return prepared.change


def prepare(
    path: str | os.PathLike[str],
    edits: Iterable[Edit],
    out: str | os.PathLike[str] | None = None,
    *,
    in_place: bool = False,
    force: bool = False,
    config: Config | None = None,
) -> Prepared:
    """Do all of `apply` but the writing; arguments and errors are the same.

    `config` is that of the audit, for its limits and what is declared of custom classes.
    """
    file = Path(path)
    target = file if in_place else Path(out) if out is not None else None
    with _unless_unforeseen(f"{target} cannot be written"):
        _check_target(file, target, in_place=in_place, force=force)
    with _unless_unforeseen(f"{file} cannot be read"):
        refuse_inside(str(file))
        before = Stamp.of(edited_part(recognize(file), file)) if in_place and exists(file) else None
        report = audit_file(file, config)
        if report.failure or report.model is None:
            message = report.failure.message if report.failure else "nothing was read"
            raise UnreadableModelError(message)
        plugin, model = recognize(file), report.model
        report = replace(report, file=str(path))
        if not in_place:
            _check_suffix(plugin, file, target)
        roles = config.roles if config else ()
        change = _changed(report, model, plugin, file, tuple(edits), roles=roles, force=force)
        if change.edits and target is not None:
            change = replace(change, after=replace(change.after, file=str(target)))
        return Prepared(change, plugin, file, target, before)


@contextmanager
def _unless_unforeseen(cannot: str) -> Iterator[None]:
    """Say in one line what failed that no code here foresaw: the system, or a bug."""
    try:
        yield
    except RegauditError:
        raise
    except Exception as error:
        raise _foreseen(error, cannot) from error


def _foreseen(error: Exception, cannot: str) -> RegauditError:
    if is_out_of_memory(error):
        return UnsafeFileError(f"{OUT_OF_MEMORY}; nothing was changed")
    if isinstance(error, OSError):
        message = f"{cannot}: {error.strerror or error}; nothing was changed"
        return UnreadableModelError(message)
    return InternalError(f"{bug(error).message}; nothing was changed")


def _check_target(file: Path, target: Path | None, *, in_place: bool, force: bool) -> None:
    if target is None or in_place:
        return
    if target.exists() and exists(file) and target.samefile(file):
        raise UsageError(f"{target} is the model itself: write somewhere else, or use --in-place")
    if is_dir(file) and target.resolve().is_relative_to(file.resolve()):
        raise UsageError(f"{target} is inside the model: write somewhere else")
    if target.is_dir():
        raise UsageError(f"{target} is a directory that already exists: name a new one")
    if target.exists() and not force:
        raise UsageError(f"{target} already exists; --force replaces it")
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent} is not a directory to write into")


def _check_suffix(plugin: Format, file: Path, target: Path | None) -> None:
    """Refuse a name by which Keras takes the new file for another format."""
    name = target.name if target is not None else ""
    ends = {end for one in formats() for end in one.suffixes if name.endswith(end)}
    same = target is not None and target.suffix == file.suffix
    if target is None or same or not ends or ends & {*plugin.suffixes} or plugin.why_not:
        return  # where nothing can be written, another name is no help
    like = plugin.suffixes[0] if plugin.suffixes else "no suffix, it is a directory"
    raise UsageError(
        f"{target} would be of the format {plugin.name}, not of its suffix: use {like}"
    )


def _changed(
    report: Report,
    model: Model,
    plugin: Format,
    file: Path,
    edits: tuple[Edit, ...],
    *,
    roles: tuple[Declared, ...],
    force: bool,
) -> Change:
    """Work the edits into the file's JSON, and say what the penalty becomes."""
    with plugin.read(file) as artifact:
        old = artifact.documents
    decays = [edit for edit in edits if edit.key == OPTIMIZER]
    layers = [edit for edit in edits if edit.key != OPTIMIZER]
    idle = [edit for edit in layers if is_so(model, edit)]
    idle += [edit for edit in decays if decays_so(model, edit.value)]
    if not old and not model.class_name:
        raise RefusedEditError(plugin.why_not or WEIGHTS_ONLY)
    if len(idle) == len(edits):
        return Change(report, report, (), old, old, idle=edits)
    why = _why_not(model, old, plugin, force=force)
    if why := why or next(filter(None, (refusal(model, e, force=force) for e in layers)), ""):
        raise RefusedEditError(why)
    shared(model, layers)  # refuses those that disagree, also with one that changes nothing
    own = shared(model, [edit for edit in layers if edit not in idle])
    own = tuple(edit for edit in own if not is_so(model, edit))
    decays = [edit for edit in decays if edit not in idle]
    new, written = _edited(old, model, own, decays)
    view = copy(plugin)
    view.edited = new
    with view.read(file) as artifact:
        became, _ = with_roles(artifact.model, artifact.skipped, artifact.tensors, roles)
        after = replace(
            report,
            model=became,
            penalties=penalties(became, report.moments, artifact.tensors),
            findings=(),
        )
    return Change(report, after, (*own, *decays), old, new, written, tuple(idle))


def _why_not(
    model: Model, documents: Mapping[str, Serialized], plugin: Format, *, force: bool
) -> str:
    """Say why no edit can be written into a file at all; empty if some can."""
    if not documents:
        return plugin.why_not
    misplaced = next((weight for _, weight in model.weights() if weight.loads_from), None)
    if misplaced and not force:
        return (
            f"Keras loads another weight's values into {misplaced.path} (REG905), so its penalty "
            "is not known: save the model as .keras first"
        )
    return ""


def _edited(
    old: Mapping[str, Serialized], model: Model, own: tuple[Edit, ...], decays: list[Edit]
) -> tuple[Mapping[str, Serialized], tuple[Written, ...]]:
    """Return the JSON of a file with the edits in it, and what is new."""
    name, config = next(iter(old.items()))
    root, written = edited(config, own, Dialect.of(model.keras_version))
    new: Mapping[str, Serialized] = {**old, name: root}
    for edit in decays:
        new = with_decay(new, edit.value)
        if present := model.optimizer:
            was = {"class_name": present.class_name, "weight_decay": present.weight_decay}
            written += (Written(OPTIMIZER, was, edit.value),)
    return new, written
