"""One file in, one report out: read, measure, check, advise."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import NamedTuple, Self

from msgspec.structs import replace

from regaudit.auditing.judge import judge
from regaudit.errors import (
    RegauditError,
    UnknownFormatError,
    UnreadableModelError,
    described,
    is_out_of_memory,
)
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.graph import Graph
from regaudit.evidence.units import weighed
from regaudit.formats.interface import Artifact, Format, recognize
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.configuration_file import parse_configuration
from regaudit.limits import OUT_OF_MEMORY, allowing
from regaudit.measures.moments import Moments, merged
from regaudit.measures.partial_sums import PartRun, Piece, Progress, measure_pieces, pieces_of
from regaudit.measures.penalty import penalties
from regaudit.model import Skip, UnitView
from regaudit.plugins.installed import FORMATS, RULES, in_use, using
from regaudit.processors import processors
from regaudit.report.report import NO_VALUES, UNREAD, Failure, PlugIn, Report
from regaudit.settings.config import Config
from regaudit.storage.checkpoint_files import index_of, renamed
from regaudit.storage.container_marks import may_be_container
from regaudit.storage.container_names import is_named_like_one, split_name
from regaudit.storage.location import Location, is_local, is_url, read_bounded, redacted_name
from regaudit.storage.size import refuse_holes, size_on_disk
from regaudit.storage.standard_input import NAME, ONE_FILE, Spooled
from regaudit.tensors.tensor import Tensor

_PIECE = 1 << 20
"""Bytes of a file that are read at once for its digest."""


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
    config = config or Config.default()
    with Attempt(str(file)) as attempt, attempt.opened(config) as opened:
        return report_on(opened, config, progress=progress)
    return attempt.failed


class Opened(NamedTuple):
    """A file that has been read, but for the values of its weights."""

    name: str
    """As reports call it."""
    file: Location
    size: int | None
    format: Format
    artifact: Artifact


class Attempt:
    """What is done with one file; whatever goes wrong on the way becomes the report on it.

    with Attempt(file) as attempt, attempt.opened(config) as opened:
        return report_on(opened, config)
    return attempt.failed
    """

    failed: Report
    """The report with a `failure`, where something went wrong."""

    def __init__(self, file: str, at: Path | None = None) -> None:
        """Make one.

        Args:
            file: path or URL.
            at: where it lies, if `file` is only what reports call it.
        """
        self._file, self._at = file, at
        self._name = file if at else redacted_name(file)
        self._size: int | None = None

    def __enter__(self) -> Self:
        return self

    @contextmanager
    def opened(self, config: Config) -> Iterator[Opened]:
        """Read the file, within the limits of the settings."""
        with allowing(config.limits), using(config.plugins), self._located(config) as named:
            file = index_of(named)
            self._name = renamed(self._name, named, file)
            self._size = size_on_disk(file)
            refuse_holes(file, self._size)
            plugin = self._recognized(file, config)
            plugin.by_name = config.by_name
            architecture, remarks = self._architecture(config)
            with plugin.read(file, architecture) as found:
                artifact = _with_roles(found, config)
                artifact = replace(artifact, skipped=(*remarks, *artifact.skipped))
                yield Opened(self._name, file, self._size, plugin, artifact)

    def _architecture(self, config: Config) -> tuple[Serialized | None, tuple[Skip, ...]]:
        """Return the configuration for a file of weights alone, and where it comes from.

        Raises:
            UnreadableModelError: the file that it is paired with is not one.
        """
        if self._file not in config.pairs:
            return config.architecture, ()
        beside = Path(config.pairs[self._file])
        found = parse_configuration(read_bounded(beside, "json_bytes"), beside.name)
        return found, (Skip("(configuration)", f"read from {beside.name}, which is beside it"),)

    @contextmanager
    def _located(self, config: Config) -> Iterator[Location]:
        """Yield where the model lies: the file, or what is in it if that is a container.

        Raises:
            UnreadableModelError: it is standard input, and could not be kept.
        """
        if spooled := self._spooled(config):
            if spooled.trouble:
                raise UnreadableModelError(spooled.trouble)
            yield _model_at(spooled.file, "")
        elif self._at or not is_url(self._file):
            file, member = split_name(str(self._at or self._file))
            refuse_holes(Path(file), size_on_disk(Path(file)) if member else None)
            yield _model_at(Path(file), member)
        else:
            from regaudit.storage.remote_file import reached  # noqa: PLC0415 - paths need none of it

            url, member = split_name(self._file)
            with ExitStack() as stack:
                remote = stack.enter_context(reached(url, values=config.weights))
                if member and not remote.is_file():  # a key may look like this
                    remote = stack.enter_context(reached(self._file, values=config.weights))
                    member = ""
                yield _model_at(remote, member) if is_named_like_one(url) else remote

    def _spooled(self, config: Config) -> Spooled | None:
        """Return where standard input was kept, if that is the file."""
        return config.standard_input if self._file == NAME and not self._at else None

    def _recognized(self, file: Location, config: Config) -> Format:
        try:
            return recognize(file)
        except UnknownFormatError as error:
            if self._spooled(config) is None:
                raise
            raise UnknownFormatError(f"{error}; {ONE_FILE}") from error

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, Exception):  # all is well, or Ctrl-C
            return False
        if is_out_of_memory(error):
            _let_go(error)  # the report takes some, too
        # A bug here must not lose the other files.
        self.failed = Report(self._name, size=self._size, failure=failure_of(error))
        return True


def _model_at(file: Location, member: str) -> Location:
    """Return the model in a container, or the file itself if it is none."""
    if not member and not may_be_container(file):
        return file
    from regaudit.auditing.containers import model_at  # noqa: PLC0415 - most models are in none

    return model_at(file, member)


def _with_roles(found: Artifact, config: Config) -> Artifact:
    """Give the weights of custom layers their roles."""
    if not config.roles and all(layer.known for layer in found.model.layers):
        return found
    from regaudit.keras_semantics.placing import (  # noqa: PLC0415 - most models have no such layer
        with_roles,
    )

    model, skipped = with_roles(found.model, found.skipped, found.tensors, config.roles)
    return replace(found, model=model, skipped=skipped)


def _let_go(error: BaseException) -> None:
    """Free what the functions hold that an error went through."""
    place = error.__traceback__
    while place is not None:
        with suppress(RuntimeError):  # it still runs
            place.tb_frame.clear()
        place = place.tb_next
    if error.__context__ is not None:
        _let_go(error.__context__)


def failure_of(error: Exception) -> Failure:
    """Say why a file could not be audited."""
    if isinstance(error, RegauditError):
        return Failure(type(error).__name__, str(error), getattr(error, "trace", ""))
    if is_out_of_memory(error):
        return Failure("UnsafeFileError", OUT_OF_MEMORY)
    if isinstance(error, OSError):
        return Failure("UnreadableModelError", f"cannot be read: {error.strerror or error}")
    return bug(error)


def bug(error: Exception) -> Failure:
    """Describe an error that nobody foresaw, in one line: where, and what."""
    import traceback  # noqa: PLC0415 - a rare case

    how = "`regaudit --traceback COMMAND ...` shows more"
    message = f"regaudit failed on it, which is a bug ({described(error)}; {how})"
    return Failure("InternalError", message, "".join(traceback.format_exception(error)))


def _sha256(file: Location) -> str | None:
    if file.is_dir() or not is_local(file):  # a store's file is fetched once only
        return None
    from hashlib import sha256  # noqa: PLC0415 - only pages show it

    digest = sha256()
    with file.open("rb") as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


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
    reads = config.weights and artifact.model.stored
    moments, unread = _measure(artifact, config, shares, progress) if reads else ({}, (UNREAD,))
    if not artifact.model.stored:
        unread = (NO_VALUES,)
    model, found = artifact.model, None
    moments = weighed(Graph(model), moments)
    if config.spectral and reads:
        from regaudit.measures.spectra import spectra  # noqa: PLC0415 - only who asks for them waits for it

        found, untaken = spectra(model, moments, artifact.tensors)
        unread += untaken
    paid = penalties(model, moments, artifact.tensors)
    evidence = Evidence(model, moments, paid, config.facts, reads)
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
        proposal=replace(judgement.proposal, why_not=plugin.why_not),
        spectra=found,
        skipped=(*_redirects(file), *artifact.skipped, *unread),
        sha256=_sha256(file) if config.detailed else None,
        measured=reads,
        plugins=_plugins(config, plugin.name),
    )


def _plugins(config: Config, format_: str) -> tuple[PlugIn, ...]:
    """Return the distributions whose rules were asked, or whose format it is."""
    asked = {(RULES, rule.about.code) for rule in config.rules} | {(FORMATS, format_)}
    used = [one for one in in_use() if (one.group, one.name) in asked]
    whose = dict.fromkeys((one.distribution, one.version) for one in used)
    return tuple(
        PlugIn(
            name,
            version,
            tuple(one.name for one in used if (one.distribution, one.group) == (name, RULES)),
            tuple(one.name for one in used if (one.distribution, one.group) == (name, FORMATS)),
        )
        for name, version in whose
    )


def _redirects(file: Location) -> tuple[Skip, ...]:
    """Say that a web server sent us to hosts that the user did not name."""
    led: str = getattr(file, "redirected", "")
    return (Skip("(file)", led),) if led else ()


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
    return measure_pieces(
        values, pieces, processors(), histograms=config.detailed, progress=progress
    )


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
