"""`regaudit.sweep`: a sweep from Python, of a file or of a model in memory."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, get_args

from msgspec.structs import replace

from regaudit.auditing.audit_file import audit_file
from regaudit.auditing.containers import refuse_inside
from regaudit.errors import UnreadableModelError, UsageError
from regaudit.live.data_file import DataError
from regaudit.live.in_memory import is_live, saved
from regaudit.live.keras_package import keras_package
from regaudit.live.verify import chosen_package
from regaudit.sweeping.in_process import InProcess
from regaudit.sweeping.journal import opened
from regaudit.sweeping.outcome import Kind, Sweep
from regaudit.sweeping.plan import Plan, Wanted
from regaudit.sweeping.processes import Processes, Trainers
from regaudit.sweeping.sweep import run
from regaudit.sweeping.task import Opening
from regaudit.sweeping.write import SUFFIXES, write


def sweep(
    model: Any,
    data: Any,
    validation_data: Any = None,
    *,
    validation_split: float | None = None,
    aim: Kind | Sequence[Kind] = "l2",
    rungs: int = 4,
    epochs: int | None = None,
    budget: float = 2.0,
    batch_size: int | None = None,
    from_scratch: bool = False,
    repeats: int = 1,
    seed: int = 0,
    monitor: str = "",
    loss: str | None = None,
    optimizer: str | None = None,
    custom_objects: Sequence[str] = (),
    jobs: int = 1,
    out: str | PathLike[str] | None = None,
    journal: str | PathLike[str] | None = None,
) -> Sweep:
    """Find the kind and strength of regularization by training on and validating.

    A model in memory and data in memory are trained in this process, one candidate after the other,
    and the seed of everything random is set; a file with data in files in processes of their own.

    Args:
        model: file of a whole model, or a `keras.Model` in memory, compiled; it is not changed.
        data: `(x, y)` or `(x, y, sample_weight)` as arrays, lists or dictionaries of them; a
            `tf.data.Dataset`, a `keras.utils.PyDataset` or a torch `DataLoader`; the path of an
            NPZ file; or `package.module:function`.
        validation_data: likewise.
        validation_split: share of `data` to validate on instead, drawn by the seed.
        aim: kind of regularization, or several to compare: l2, l1, activity, adamw.
        rungs: most strengths to try for each kind.
        epochs: for each of them; by default a quarter of those that the optimizer has done.
        budget: most trainings for each kind.
        batch_size: samples in a training step; 32 by default.
        from_scratch: whether to train new weights instead of going on from those there are.
        repeats: trainings of each candidate, with as many seeds.
        seed: of everything random.
        monitor: metric of the model to choose by, in place of the validation loss.
        loss: of a file that is not compiled.
        optimizer: likewise.
        custom_objects: modules to import first, so that their registered classes load.
        jobs: candidates trained at once; files only.
        out: file for the chosen model; nothing is written if that is the model as it is.
        journal: file that remembers what is done, so that the same call can go on after its end.

    Returns:
        The candidates, the chosen one, and what it means; its `model` is the chosen model where one
        in memory was given.

    Raises:
        UsageError: the data do not fit the model, or there is nothing to sweep.
        RefusedEditError: the file does not take a strength.
        UnreadableModelError: Keras cannot load or train the model.
    """
    if validation_data is None and validation_split is None:
        raise UsageError("nothing to validate on: give validation_data or validation_split")
    wanted = Wanted(
        kinds=(aim,) if isinstance(aim, str) else tuple(aim),
        rungs=rungs,
        epochs=epochs,
        budget=budget,
        batch_size=batch_size,
        from_scratch=from_scratch,
        repeats=repeats,
        seed=seed,
        jobs=jobs,
    )
    live = is_live(model)
    in_files = isinstance(data, str | PathLike)
    _refuse(wanted)
    for target in (out, journal):
        if target is not None:
            _refuse_target(
                Path(target), [one for one in (model, data, validation_data) if _is_name(one)]
            )
    if out is not None and Path(out).suffix.lower() not in SUFFIXES:
        raise UsageError(f"{out} must end with {' or '.join(SUFFIXES[:2])}")
    with ExitStack() as stack:
        file = Path(stack.enter_context(saved(model)) if live else model).absolute()
        report = audit_file(file)
        if report.model is None:
            why = report.failure.message if report.failure else "nothing was read"
            raise UnreadableModelError(f"{file}: {why}")
        refuse_inside(str(file))
        package = _package_of(model) if live else chosen_package(report.format, report.model)
        opening = Opening(
            file=str(file),
            data=os.fspath(data) if in_files else "",
            val_data=os.fspath(validation_data) if _is_name(validation_data) else None,
            val_split=validation_split,
            package=package,
            seed=seed,
            loss=loss,
            optimizer=optimizer,
            custom_objects=tuple(custom_objects),
            monitor=monitor,
        )
        trainers: Trainers
        if in_files and not live:
            trainers = Processes(jobs)
        else:
            given = None if in_files else (data, validation_data)
            trainers = InProcess(keras_package(package), given)
        stack.callback(trainers.close)
        done = stack.enter_context(opened(stack.enter_context(_place(journal))))
        try:
            found, chosen = run(Plan(file, report, opening, wanted), trainers, done)
        except DataError as error:
            raise UsageError(str(error)) from error
        if out is not None and chosen:
            write(trainers, chosen, Path(out))
            found = replace(found, out=Path(out))
        if live:
            new = keras_package(package).models.load_model(chosen) if chosen else model
            found = replace(found, model=new)
        done.remove()
    return found


def _refuse(wanted: Wanted) -> None:
    """Refuse what cannot be, in the order of the arguments.

    Raises:
        UsageError: it cannot be.
    """
    kinds = get_args(Kind)
    wrong = next((kind for kind in wanted.kinds if kind not in kinds), None)
    if wrong is not None or not wanted.kinds:
        raise UsageError(f"aim: {wrong!r} is not one of {', '.join(kinds)}")
    for name, value in (
        ("rungs", wanted.rungs),
        ("epochs", wanted.epochs),
        ("batch_size", wanted.batch_size),
        ("repeats", wanted.repeats),
        ("jobs", wanted.jobs),
    ):
        if value is not None and value < 1:
            raise UsageError(f"{name} must be at least 1, not {value}")
    if not wanted.budget > 0:
        raise UsageError(f"budget must be above 0, not {wanted.budget:g}")


def _refuse_target(target: Path, reads: Sequence[str | PathLike[str]]) -> None:
    """Refuse to write to what is read.

    Raises:
        UsageError: it is the same file.
    """
    for one in reads:
        if target.exists() and Path(one).exists() and target.samefile(one):
            raise UsageError(f"{target} is one of the files that are read: write to another file")


@contextmanager
def _place(journal: str | PathLike[str] | None) -> Iterator[Path]:
    """Yield the journal's name; in a temporary folder where none was given."""
    if journal is not None:
        yield Path(journal)
        return
    with tempfile.TemporaryDirectory(prefix="regaudit-") as folder:
        yield Path(folder, "sweep.jsonl")


def _is_name(data: Any) -> bool:
    return isinstance(data, str | PathLike)


def _package_of(model: Any) -> str:
    """Return the package that a model in memory is of."""
    names = {base.__module__.partition(".")[0] for base in type(model).__mro__}
    return "tf_keras" if "tf_keras" in names else "keras"
