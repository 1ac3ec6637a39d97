"""One file in, one report out: read, measure, check, advise."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from os import PathLike
from pathlib import Path
from typing import NamedTuple, TypeVar

from regaudit.auditing.judge import judge
from regaudit.errors import (
    RegauditError,
    UnreadableModelError,
)
from regaudit.evidence.evidence import Evidence
from regaudit.formats.interface import Artifact, Format, recognize
from regaudit.limits import allowing
from regaudit.measures.moments import Moments, merged
from regaudit.measures.partial_sums import PartRun, Piece, Progress, measure_pieces, pieces_of
from regaudit.measures.penalty import penalties
from regaudit.model import Skip, UnitView
from regaudit.report.report import UNREAD, Failure, Report
from regaudit.settings.config import Config
from regaudit.storage.location import Location, is_url, redacted_name
from regaudit.storage.size import size_on_disk
from regaudit.tensors.tensor import Tensor

_Found = TypeVar("_Found")


def audit_file(
    file: str | PathLike[str], config: Config | None = None, progress: Progress | None = None
) -> Report:
    """Audit one file.

    Args:
        file: its path or URL.
        config: rules and thresholds; all rules with their own by default.
        progress: of the pass over its weights.

    Returns:
        The report. A file that cannot be read makes a report with a `failure`, never an error.
    """
    return read(str(file), config or Config.default(), partial(report_on, progress=progress))


class Opened(NamedTuple):
    """A file that has been read, but for the values of its weights."""

    name: str
    """As reports call it."""
    file: Location
    size: int | None
    format: Format
    artifact: Artifact


def read(file: str, config: Config, use: Callable[[Opened, Config], _Found]) -> _Found | Report:
    """Read a file and do something with it.

    Args:
        file: path or URL.
        config: its limits hold.
        use: what to do.

    Returns:
        What that returned; or a report with a `failure`.
    """
    return read_from(_located(file, config), redacted_name(file), config, use)


def _located(name: str, config: Config) -> AbstractContextManager[Location]:
    """Return where a model lies that the user named; a URL leads into a store."""
    if not is_url(name):
        return nullcontext(Path(name))
    from regaudit.storage.remote_file import reached  # noqa: PLC0415 - paths need none of it

    return reached(name, values=config.weights)


def read_from(
    located: AbstractContextManager[Location],
    name: str,
    config: Config,
    use: Callable[[Opened, Config], _Found],
) -> _Found | Report:
    """Read a file that lies where a context manager says, and do something with it."""
    size = None
    try:
        with allowing(config.limits), located as file:
            size = size_on_disk(file)
            plugin = recognize(file)
            with plugin.read(file, config.architecture) as artifact:
                return use(Opened(name, file, size, plugin, artifact), config)
    except Exception as error:  # noqa: BLE001 - a bug here must not lose the other files
        return Report(name, size=size, failure=failure_of(error))


def failure_of(error: Exception) -> Failure:
    """Say why a file could not be audited."""
    if isinstance(error, RegauditError):
        return Failure(type(error).__name__, str(error))
    if isinstance(error, OSError):
        return Failure("UnreadableModelError", f"cannot be read: {error.strerror or error}")
    if isinstance(error, MemoryError):
        message = "reading it takes more memory than there is; --limit memory_bytes=N allows more"
        return Failure("UnsafeFileError", message)
    return bug(error)


def bug(error: Exception) -> Failure:
    """Describe an error that nobody foresaw, in one line: where, and what."""
    import traceback  # noqa: PLC0415 - a rare case

    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())[:200]
    where = f"{Path(frame.filename).name}:{frame.lineno}"
    message = f"regaudit failed on it, which is a bug ({type(error).__name__} in {where}: {text})"
    return Failure("InternalError", message)


def _sha256(file: Location) -> str | None:
    if file.is_dir() or not isinstance(file, Path):  # a store's file is fetched once only
        return None
    from hashlib import file_digest  # noqa: PLC0415 - only pages show it

    with file.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def report_on(
    opened: Opened,
    config: Config,
    shares: Sequence[Mapping[int, PartRun]] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Measure, check and advise.

    Args:
        opened: the file.
        config: rules and thresholds.
        shares: what others measured of `values_of` it; by default it is measured here.
        progress: of measuring it here.
    """
    name, file, size, plugin, artifact = opened
    config = config.for_model(name)
    moments, unread = (
        _measure(artifact, config, shares, progress) if config.weights else ({}, (UNREAD,))
    )
    model, found = artifact.model, None
    if config.spectral and config.weights:
        from regaudit.measures.spectra import spectra  # noqa: PLC0415 - only who asks for them waits for it

        found, untaken = spectra(model, moments, artifact.tensors)
        unread += untaken
    paid = penalties(model, moments, artifact.tensors)
    evidence = Evidence(model, moments, paid, config.facts, config.weights)
    judgement = judge(evidence, name, config)
    return Report(
        file=name,
        format=plugin.name,
        size=size,
        model=model,
        moments=moments,
        penalties=evidence.penalties,
        findings=judgement.findings,
        not_run=judgement.not_run,
        suppressed=judgement.suppressed,
        spectra=found,
        skipped=(*artifact.skipped, *unread),
        sha256=_sha256(file) if config.detailed else None,
        measured=config.weights,
    )


def values_of(artifact: Artifact) -> list[tuple[Tensor, UnitView | None]]:
    """Return what there is to measure in a file, in the order of its weights."""
    return [
        (artifact.tensors[weight.stored_path], weight.units)
        for _, weight in artifact.model.weights()
    ]


def measure_some(
    values: Sequence[tuple[Tensor, UnitView | None]],
    pieces: Sequence[Piece],
    config: Config,
    progress: Progress | None = None,
) -> dict[int, PartRun]:
    """Measure consecutive parts of the values of a file, on all processors."""
    threads = os.cpu_count() or 1
    return measure_pieces(values, pieces, threads, histograms=config.detailed, progress=progress)


def _measure(
    artifact: Artifact,
    config: Config,
    shares: Sequence[Mapping[int, PartRun]] | None,
    progress: Progress | None,
) -> tuple[dict[str, Moments], tuple[Skip, ...]]:
    """Measure every weight, or merge what others measured; say which cannot be read."""
    values = values_of(artifact)
    if shares is None:
        shares = [measure_some(values, pieces_of(values), config, progress)]
    moments: dict[str, Moments] = {}
    skipped = []
    for index, (_, weight) in enumerate(artifact.model.weights()):
        stretches = [share[index] for share in shares if index in share]
        try:
            measured = merged(*values[index], stretches, histograms=config.detailed)
        except UnreadableModelError as error:
            skipped.append(Skip(weight.path, str(error)))
        else:
            moments[weight.stored_path] = measured
    return moments, tuple(skipped)
