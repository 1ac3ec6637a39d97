"""One file in, one report out: read, measure, check, advise."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from regaudit.config import Config
from regaudit.errors import RegauditError, UnknownFormatError, UnreadableModelError
from regaudit.evidence import Evidence
from regaudit.finding import Failure, Finding, NotRun, Report
from regaudit.format import Artifact, Format
from regaudit.live import is_live, saved, unsaved
from regaudit.measures import Moments, measure
from regaudit.model import Skip
from regaudit.penalty import penalties
from regaudit.presets import capped
from regaudit.registry import formats


def audit(model: Any, config: Config | None = None) -> Report:
    """Audit one model.

    Args:
        model: path of the file; or a `keras.Model` in memory, of Keras 3 or tf-keras.
        config: rules and thresholds; all rules with their own by default.

    Returns:
        The report. A file that cannot be read makes a report with a `failure`, never an error.
        That of a model in memory is about what a save makes of it; where the two differ, its
        `skipped` says so.

    Raises:
        RegauditError: a model in memory is not built, or Keras cannot save it.
    """
    if not is_live(model):
        return _audit_file(Path(model), str(model), config)
    with saved(model) as file:
        report = _audit_file(file, f"{model.name} (in memory)", config)
    remarks = unsaved(model, report.model) if report.model else ()
    return replace(report, format="live", size=None, skipped=(*report.skipped, *remarks))


def _audit_file(file: Path, name: str, config: Config | None) -> Report:
    """Audit a file that reports call by a name."""
    size = None
    try:
        size = _size(file)
        plugin = recognize(file)
        with plugin.read(file) as artifact:
            return _report(name, size, plugin, artifact, config or Config.default())
    except RegauditError as error:
        return Report(name, size=size, failure=Failure(type(error).__name__, str(error)))
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        return Report(name, size=size, failure=Failure("UnreadableModelError", message))
    except MemoryError:
        message = "reading it takes more memory than this machine has"
        return Report(name, size=size, failure=Failure("UnsafeFileError", message))


def recognize(file: Path) -> Format:
    """Return the format that the content of a file is of.

    Raises:
        UnreadableModelError: there is no such file, or it is empty.
        UnknownFormatError: no format recognizes it.
    """
    for plugin in formats():
        if plugin.sniff(file):
            return plugin
    raise UnknownFormatError(_what_it_is(file))


def is_model(folder: Path) -> bool:
    """Whether a directory is a saved model in itself."""
    return any(plugin.sniff(folder) for plugin in formats())


def _size(file: Path) -> int:
    if not file.exists():
        raise UnreadableModelError("no such file")
    if file.is_dir():
        return sum(part.stat().st_size for part in file.rglob("*") if part.is_file())
    return file.stat().st_size


def _what_it_is(file: Path) -> str:
    """Name what lies there instead of a model."""
    if file.is_dir():
        return "a directory, and no saved model in itself"
    with file.open("rb") as stream:
        head = stream.read(64)
    if not head:
        return "an empty file"
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the model itself: run `git lfs pull`"
    if all(byte >= 0x20 or byte in b"\t\n\r" for byte in head):
        return "a text file, not a saved Keras model"
    return "not a saved Keras model: its content is of no known format"


def _report(name: str, size: int, plugin: Format, artifact: Artifact, config: Config) -> Report:
    moments, unread = _measure(artifact)
    model = artifact.model
    evidence = Evidence(model, moments, penalties(model, moments, artifact.tensors), config.facts)
    findings, not_run = _judge(evidence, name, config)
    return Report(
        file=name,
        format=plugin.name,
        size=size,
        model=model,
        moments=moments,
        penalties=evidence.penalties,
        findings=findings,
        not_run=not_run,
        skipped=(*artifact.skipped, *unread),
    )


def _judge(
    evidence: Evidence, name: str, config: Config
) -> tuple[tuple[Finding, ...], tuple[NotRun, ...]]:
    """Ask every rule; leave out what is accepted, group the rest by rule, worst first."""
    today = datetime.now(UTC).date()
    findings, not_run = [], []
    for rule in config.rules:
        about = rule.about
        lacking = rule.not_run(evidence)
        if lacking is not None:
            not_run.append(lacking)
        if lacking is not None and not lacking.partly:
            continue
        highest = config.severities.get(about.code, about.severity)
        found = Finding.of(
            about.code,
            about.name,
            (
                replace(item, severity=capped(item.severity, about.severity, highest))
                for item in rule.check(evidence)
                if not any(ignore.covers(about, item, name, today) for ignore in config.ignores)
            ),
        )
        if found is not None:
            findings.append(found)
    findings.sort(key=lambda finding: (-finding.severity, finding.code))
    return tuple(findings), tuple(not_run)


def _measure(artifact: Artifact) -> tuple[dict[str, Moments], tuple[Skip, ...]]:
    """Measure every weight; if one cannot be read, measure them singly and say which."""
    weights = [weight for _, weight in artifact.model.weights()]
    work = [(artifact.tensors[weight.stored_path], weight.units) for weight in weights]
    try:
        measured = measure(work, threads=os.cpu_count() or 1)
    except UnreadableModelError:
        moments: dict[str, Moments] = {}
        skipped = []
        for weight, job in zip(weights, work, strict=True):
            try:
                moments[weight.stored_path] = measure([job])[0]
            except UnreadableModelError as error:
                skipped.append(Skip(weight.path, str(error)))
        return moments, tuple(skipped)
    return dict(zip((weight.stored_path for weight in weights), measured, strict=True)), ()
