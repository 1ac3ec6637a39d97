"""`regaudit sweep`: kind and strength of regularization, found by validation."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from regaudit.cli.audit_models import OpeningOptions, opening_settings
from regaudit.cli.command import Helpful
from regaudit.cli.options import opening
from regaudit.cli.output import OK, UNREADABLE, emit, say
from regaudit.cli.paths import STANDARD_OUTPUT, LocalModel
from regaudit.cli.progress import line_of_sweep
from regaudit.cli.protected import refuse_outputs
from regaudit.cli.sweep_options import SweepOptions, sweeping
from regaudit.running.guard import end_with_parent, release
from regaudit.running.termination import ending_tidily

if TYPE_CHECKING:
    from regaudit.sweeping.outcome import Sweep
    from regaudit.sweeping.plan import Wanted
    from regaudit.sweeping.task import Opening


@click.command(
    cls=Helpful,
    examples=(
        "sweep model.keras --data train.npz --val-data val.npz -o swept.keras",
        "sweep model.keras --data mine.data:train --val-split 0.2 --aim l2,l1",
    ),
)
@click.argument("model", type=LocalModel(path_type=Path))
@sweeping
@opening
def sweep(model: Path, options: SweepOptions, opening_options: OpeningOptions) -> None:
    """Find the strength of regularization for MODEL by validation.

    Trains on from the saved weights with several strengths around the one that `suggest` proposes,
    each for a quarter of the epochs that MODEL was trained for, lets the better half go on, and
    compares all of them with MODEL itself on the validation set. Losses are compared without the
    penalty. MODEL is not changed: -o OUT writes the best model.

    Needs Keras with TensorFlow, the extra [tensorflow]. Keras loads and trains the model in a
    process of its own; what the model and your modules contain is run. Use it only for models that
    you trust.

    Exits with 0, even if nothing is better; 2 if the data do not fit; 3 if MODEL cannot be audited,
    loaded or trained.
    """
    from regaudit.cli.running import audited_one
    from regaudit.errors import RegauditError, UsageError

    _refuse(model, options)
    try:
        _look_at_data(options)
        report = audited_one(str(model), opening_settings(opening_options))
        release()  # Keras is not held to limits
        end_with_parent()
        with ending_tidily():
            found = _swept(model, report, options)
    except UsageError as error:
        raise click.UsageError(str(error)) from error
    except RegauditError as error:
        say(f"{model}: {error}", err=True)
        sys.exit(UNREADABLE)
    _show(found, options)
    sys.exit(OK)


def _refuse(model: Path, options: SweepOptions) -> None:
    """Refuse what cannot be, before anything is started."""
    out = options.out
    if out == STANDARD_OUTPUT:
        raise click.UsageError("a model cannot be written to standard output: name a file, -o OUT")
    if options.val_data and options.val_split:
        raise click.UsageError("give either --val-data or --val-split, not both")
    if not options.val_data and not options.val_split:
        raise click.UsageError(
            "nothing to validate on: give --val-data, or --val-split 0.2 to take a part of --data"
        )
    reads = [options.data, options.val_data]
    if out is not None:
        from regaudit.sweeping.write import SUFFIXES

        if out.suffix.lower() not in SUFFIXES:
            raise click.UsageError(f"{out} must end with {' or '.join(SUFFIXES[:2])}")
        refuse_outputs([out], models=[str(model)], reads=reads, is_model=True)
    others = (options.html, options.edits, options.json)
    written = [one for one in others if one and one != STANDARD_OUTPUT]
    refuse_outputs([*written, options.journal], models=[str(model)], reads=[*reads, out])
    for output in (*([out] if out is not None else []), *written, options.journal):
        _refuse_unwritable(output)


def _refuse_unwritable(output: Path) -> None:
    """Refuse what could not be written once all is trained."""
    folder = output.parent
    if not folder.is_dir():
        raise click.UsageError(f"{output} cannot be written: there is no folder {folder}")
    if output.is_dir():
        raise click.UsageError(f"{output} cannot be written: it is a folder")
    if not os.access(output if output.exists() else folder, os.W_OK):
        raise click.UsageError(f"{output} cannot be written: Permission denied")


def _look_at_data(options: SweepOptions) -> None:
    """Look at data before Keras is started, which takes seconds.

    Raises:
        UsageError: there are none.
    """
    from regaudit.errors import UsageError
    from regaudit.live.data_file import DataError
    from regaudit.sweeping.data import is_file

    try:
        is_file(options.data, "--data")
        if options.val_data:
            is_file(options.val_data, "--val-data")
    except DataError as error:
        raise UsageError(str(error)) from error


def _swept(model: Path, report: Any, options: SweepOptions) -> "Sweep":
    from msgspec.structs import replace

    from regaudit.auditing.containers import refuse_inside
    from regaudit.errors import UnreadableModelError
    from regaudit.live.verify import chosen_package
    from regaudit.sweeping.journal import opened
    from regaudit.sweeping.on_dask import OnDask
    from regaudit.sweeping.plan import Plan
    from regaudit.sweeping.processes import Processes
    from regaudit.sweeping.sweep import run
    from regaudit.sweeping.write import write

    if report.model is None:
        raise UnreadableModelError(report.failure.message if report.failure else "nothing was read")
    refuse_inside(str(model))
    package = chosen_package(report.format, report.model)
    trainers = OnDask(options.dask, options.jobs) if options.dask else Processes(options.jobs)
    try:
        with opened(options.journal) as journal, _progress() as tell:
            plan = Plan(model, report, _opening(model, options, package), _wanted(options))
            found, file = run(plan, trainers, journal, tell, _announce)
            if options.out is not None and file:
                write(trainers, file, options.out)
                found = replace(found, out=options.out)
            _write(found, options)
            journal.remove()
    finally:
        trainers.close()
    return found


def _opening(model: Path, options: SweepOptions, package: str) -> "Opening":
    from regaudit.sweeping.task import Opening

    return Opening(
        file=str(model.absolute()),
        data=options.data,
        val_data=options.val_data,
        val_split=options.val_split,
        package=package,
        seed=options.seed,
        loss=options.loss,
        optimizer=options.optimizer,
        custom_objects=options.custom_objects,
        monitor=options.monitor,
    )


def _wanted(options: SweepOptions) -> "Wanted":
    from regaudit.sweeping.plan import Wanted

    return Wanted(
        kinds=options.kinds,
        rungs=options.rungs,
        epochs=options.epochs,
        budget=options.budget,
        batch_size=options.batch_size,
        from_scratch=options.from_scratch,
        repeats=options.repeats,
        seed=options.seed,
        jobs=options.jobs,
    )


def _write(found: "Sweep", options: SweepOptions) -> None:
    """Write the files that say what was found, while the journal still has all of it."""
    from regaudit.sweeping import document
    from regaudit.sweeping.html import page

    if options.html is not None:
        emit(page(found), _file(options.html))
    if options.edits is not None:
        emit(document.edits(found), _file(options.edits))
    if options.json is not None:
        emit(document.to_json(found), _file(options.json))


def _show(found: "Sweep", options: SweepOptions) -> None:
    """Print what was found."""
    from regaudit.sweeping import document, text

    edits = next((one for one in (options.edits, options.json) if one and _file(one)), None)
    show = {
        "terminal": lambda sweep: text.terminal(sweep, edits=edits),
        "json": document.to_json,
        "csv": document.to_csv,
        "markdown": document.to_markdown,
    }[options.format_]
    emit(show(found), None)


def _announce(plan: str) -> None:
    """Say on standard error what will be trained, also where that is no terminal: it may be long.

    So a log tells what a job will cost, and standard output stays a document.
    """
    if sys.stderr is not None and sys.stderr.isatty():
        line_of_sweep("")
    say(plan, err=True)


def _file(output: Path) -> Path | None:
    return None if output == STANDARD_OUTPUT else output


@contextmanager
def _progress() -> Iterator[Any]:
    """Yield what shows one line on standard error, where that is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _: None
        return
    try:
        yield line_of_sweep
    finally:
        line_of_sweep("")
