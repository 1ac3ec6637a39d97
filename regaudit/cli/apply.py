"""`regaudit apply`: regularizers written into the file, weights untouched."""

import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from regaudit.cli.audit_models import OpeningOptions, opening_settings
from regaudit.cli.command import Helpful
from regaudit.cli.options import collecting, opening
from regaudit.cli.output import FINDINGS, OK, UNREADABLE, say, say_page, say_trace
from regaudit.cli.paths import STANDARD_OUTPUT, LocalFile, LocalModel, Output
from regaudit.cli.progress import waiting
from regaudit.cli.protected import refuse_outputs
from regaudit.cli.suggest import AdviceOptions, advising, proposed
from regaudit.running.guard import hold, hold_on, release
from regaudit.running.termination import ending_tidily

if TYPE_CHECKING:
    from regaudit.editing.apply import Change
    from regaudit.editing.request import EditRequest
    from regaudit.model import Model
    from regaudit.report.proposal import Edit, Proposal


class ApplyOptions(NamedTuple):
    """What to change, and where to write it."""

    out: Path | None
    settings: tuple[str, ...]
    removals: tuple[str, ...]
    files: tuple[Path, ...]
    suggested: bool
    recipe: str | None
    to_adamw: bool
    dry_run: bool
    in_place: bool
    undo: bool
    force: bool
    verify: bool
    verbose: bool


def _editing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Have the command get its options as one value, `options: ApplyOptions`."""
    return collecting("options", ApplyOptions, command)


@click.command(
    cls=Helpful,
    examples=(
        "apply model.keras -o new.keras --set 'conv*:kernel=l2(1e-4)'",
        "apply model.keras -o new.keras --suggested --train-loss 0.02 --val-loss 0.51",
        "apply model.keras --in-place --recipe ResNet50",
        "apply model.keras --undo",
    ),
)
@click.argument("model", type=LocalModel(path_type=Path))
@click.option("-o", "--output", "out", type=Output(), metavar="OUT", help="File to write.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="GLOB:SLOT=REGULARIZER",
    help="Such as 'conv*:kernel=l2(1e-4)'; l1, l2, l1_l2 or orthogonal on a kernel, bias, "
    "recurrent, embeddings, depthwise, pointwise, gamma, beta, alpha or activity slot.",
)
@click.option(
    "--remove", "removals", multiple=True, metavar="GLOB[:SLOT]", help="Remove regularizers."
)
@click.option(
    "--from",
    "files",
    multiple=True,
    type=LocalFile(path_type=Path),
    metavar="FILE",
    help="Edits as JSON, from `suggest --format json`, or `sweep --json`.",
)
@click.option("--suggested", is_flag=True, help="Apply the edits of `regaudit suggest`.")
@advising
@click.option(
    "--recipe",
    metavar="NAME",
    help="The L2 of a paper on every kernel without a regularizer: VGG16, ...",
)
@click.option(
    "--to-adamw", is_flag=True, help="Replace the L2 of kernels by the weight decay of AdamW."
)
@click.option("--dry-run", is_flag=True, help="Show what would change; write nothing.")
@click.option("--in-place", is_flag=True, help="Edit MODEL itself; a backup is kept next to it.")
@click.option("--undo", is_flag=True, help="Restore the backup that --in-place made.")
@click.option(
    "--force",
    is_flag=True,
    help="Also edit frozen weights and dtypes other than float32, and overwrite OUT.",
)
@click.option("--verify", is_flag=True, help="Load both files with real Keras and compare them.")
@click.option("-v", "--verbose", is_flag=True, help="Show each change as the JSON in the file.")
@opening
@_editing
def apply(
    model: Path, advice: AdviceOptions, options: ApplyOptions, opening_options: OpeningOptions
) -> None:
    """Write regularizers into a copy of MODEL: OUT has the same weights, byte for byte.

    For .keras archives and directories, and whole models in HDF5. Exits with 2 if the request makes
    no sense, and with 3 if it is not possible for this file; nothing is changed then. If the file
    already has what was asked for, nothing is written, and one line says so.
    """
    from regaudit.auditing.audit_file import bug
    from regaudit.errors import InternalError, RegauditError, UsageError, is_out_of_memory
    from regaudit.storage.working_folder import is_of_folder_gone

    try:
        if options.undo:
            _undo(model, options, opening_options)
            return
        _check(advice, options)
        code = _apply(model, advice, options, opening_options)
    except UsageError as error:
        raise click.UsageError(str(error)) from error
    except RegauditError as error:
        say_trace(bug(error) if isinstance(error, InternalError) else None)
        say(f"{model}: {error}", err=True)
        sys.exit(UNREADABLE)
    except click.ClickException:
        raise
    except Exception as error:
        if is_out_of_memory(error) or is_of_folder_gone(error):
            raise
        say_trace(bug(error))
        say(f"{model}: {bug(error).message}; nothing was changed", err=True)
        sys.exit(UNREADABLE)
    sys.exit(code)


def _undo(model: Path, options: ApplyOptions, opening_options: OpeningOptions) -> None:
    from regaudit.cli.running import failure_of_killed
    from regaudit.editing.backup import restore
    from regaudit.editing.backup_files import backup_of
    from regaudit.errors import UnreadableModelError
    from regaudit.settings.config import Config
    from regaudit.storage.size import size_of

    limits = Config.default(plugins=False).allowing(opening_options.limits).limits
    killed = failure_of_killed(limits)
    if killed and killed.failure:
        raise UnreadableModelError(killed.failure.message)
    # Both files may be read. An end between two steps does no harm.
    hold(str(model), limits.for_files(1, size_of(str(backup_of(model)))))
    restored = restore(model, force=options.force)
    release()
    said = "is restored"
    if not restored.was_edited:
        said = "was not edited: it equals its backup, which is removed"
    with suppress(OSError):  # that nobody can read it does not undo it
        say(f"{restored.file} {said}")


def _check(advice: AdviceOptions, options: ApplyOptions) -> None:
    """Refuse options that contradict each other."""
    ways = [options.out is not None, options.in_place, options.dry_run]
    if sum(ways) != 1:
        raise click.UsageError("say where to write: give one of -o OUT, --in-place and --dry-run")
    if options.out == STANDARD_OUTPUT:
        raise click.UsageError("a model is not printed: write it to a file, -o OUT")
    if options.verify and options.dry_run:
        raise click.UsageError("--verify cannot be used with --dry-run, which writes no file")
    given = {**advice.facts, "data": advice.data, "val_data": advice.val_data}
    facts = [f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None]
    if facts and not options.suggested:
        raise click.UsageError(f"{facts[0]} is used only with --suggested")
    if not any(
        (
            options.settings,
            options.removals,
            options.files,
            options.suggested,
            options.recipe,
            options.to_adamw,
        )
    ):
        raise click.UsageError(
            "say what to change: give --set, --remove, --from, --suggested, --recipe or --to-adamw"
        )


def _apply(
    model: Path, advice: AdviceOptions, options: ApplyOptions, opening_options: OpeningOptions
) -> int:
    from regaudit.cli.apply_text import kept, nothing_written, what_changes
    from regaudit.cli.running import audited_one
    from regaudit.editing import apply
    from regaudit.errors import RefusedEditError, UnreadableModelError
    from regaudit.formats.interface import WEIGHTS_ONLY, formats
    from regaudit.limits import allowing

    if options.out is not None:
        reads = (*options.files, advice.data, advice.val_data)
        refuse_outputs([options.out], reads=reads, is_model=True)
    config = opening_settings(opening_options)
    report = audited_one(str(model), config)
    if report.failure or report.model is None:
        raise UnreadableModelError(report.failure.message if report.failure else "nothing was read")
    if not report.model.class_name:
        why = next((one.why_not for one in formats() if one.name == report.format), "")
        raise RefusedEditError(why or WEIGHTS_ONLY)
    wanted = _wanted(report.model, options)
    if options.suggested:
        wanted = _with_suggested(proposed(report, advice), wanted)
    out = options.out
    hold_on()  # it is read once more
    with allowing(config.limits):
        prepared = apply.prepare(
            model, wanted.edits, out, in_place=options.in_place, force=options.force, config=config
        )
    change = prepared.change
    written = None if options.dry_run else out or model
    lines = (
        what_changes(change, wanted, written, verbose=options.verbose)
        if change.edits
        else nothing_written(change, wanted, out)
    )
    if options.in_place and change.edits:
        lines.append(kept(model, prepared.format))
    release()  # what is written is no longer the file's doing
    with ending_tidily():
        prepared.write()
    try:
        say_page(line for text in lines for line in text.split("\n"))
    except Exception as error:  # noqa: BLE001 - the exit code is that of what was done
        with suppress(Exception):
            say(f"done, but standard output cannot be written: {error}", err=True)
    return _verified(change, model, options) if options.verify and change.edits else OK


def _with_suggested(proposal: "Proposal", wanted: "EditRequest") -> "EditRequest":
    absent = () if proposal.edits else (proposal.verdict,)
    edits = (*proposal.edits, *wanted.edits)
    told = proposal.remarks if proposal.edits else ()
    return wanted._replace(edits=edits, absent=(*absent, *wanted.absent), remarks=told)


def _wanted(model: "Model", options: ApplyOptions) -> "EditRequest":
    """Return the edits that the command line asks for."""
    from regaudit.editing.optimizer_edit import to_adamw
    from regaudit.editing.recipe_edit import recipe_edits
    from regaudit.editing.request import EditRequest, read_edits, removals, settings

    parts = [removals(model, text) for text in options.removals]
    parts += [settings(model, text, force=options.force) for text in options.settings]
    parts += [_or(read_edits(file), f"{file} contains no edits") for file in options.files]
    if options.recipe:
        parts.append(_or(recipe_edits(model, options.recipe), NO_BARE_KERNEL))
    if options.to_adamw:
        parts.append(_or(to_adamw(model), IS_ADAMW))
    by_place = {(edit.layer, edit.key): edit for part in parts for edit in part.edits}
    return EditRequest(
        tuple(by_place.values()),
        tuple(note for part in parts for note in part.passed_over),
        tuple(note for part in parts for note in part.absent),
    )


NO_BARE_KERNEL = "no trainable kernel is known to be without a regularizer"
IS_ADAMW = "no kernel has an L2 regularizer in force, and the optimizer is AdamW already"


def _or(edits: "tuple[Edit, ...]", absent: str) -> "EditRequest":
    from regaudit.editing.request import EditRequest

    return EditRequest(edits, absent=() if edits else (absent,))


def _verified(change: "Change", model: Path, options: ApplyOptions) -> int:
    """Verify the new file; what fails does not undo it."""
    from regaudit.auditing.audit_file import bug
    from regaudit.errors import InternalError, RegauditError

    try:
        with ending_tidily():
            return _compared(change, model, options)
    except RegauditError:
        raise
    except Exception as error:
        message = f"{bug(error).message}; the new file is there, but was not verified"
        raise InternalError(message) from error


def _compared(change: "Change", model: Path, options: ApplyOptions) -> int:
    """Compare the new file with the old one and with what was expected, in real Keras."""
    from regaudit.editing.backup_files import backup_of
    from regaudit.live.verify import verify
    from regaudit.report.spelling import number

    with tempfile.TemporaryDirectory(prefix="regaudit-") as folder:
        against = model
        if options.in_place and model.is_file():  # Keras goes by the suffix
            against = Path(folder, model.name)
            against.symlink_to(backup_of(model))
        with waiting("Keras loads both files"):
            result = verify(change.after, against=against)
    same = result.predictions in {"equal", ""} or result.predictions.startswith("not compared")
    losses = number(result.losses, 10)
    say(f"Keras {result.keras}: sum(model.losses) {losses}, predictions {result.predictions}")
    for path, what, ours, keras in result.differences:
        say(f"  {path}: {what}: expected {ours}, Keras {keras}")
    return OK if same and not result.differences else FINDINGS
