"""What a run keeps of a model whose report is written: what its exit code and last lines need."""

from msgspec import Struct

from regaudit.report.report import INTERRUPTED, Failure, Report
from regaudit.report.sentences import unjudged, verdict
from regaudit.settings.baseline import Key
from regaudit.settings.config import Config
from regaudit.settings.self_audit import concerned_by, used_by


class Outcome(Struct, frozen=True):
    """How the audit of one model came out."""

    file: str
    size: int | None
    failure: Failure | None
    complete: bool
    """Whether the file was audited, and no rule of a plug-in failed on it."""
    verdict: str
    """In one sentence."""
    worst: int
    """Highest severity among the findings; 0 without findings."""
    unjudged: str
    """Why no regularizer of it is known; empty if some are."""
    ignores: tuple[int, ...] = ()
    """Which ignores of the settings accept something, by their position."""
    concerned: tuple[int, ...] = ()
    """Which ignores are about a rule that ran."""
    stale: tuple[Key, ...] = ()
    """Entries of the baseline that are no longer found."""
    of_rules: tuple[Failure, ...] = ()
    """What went wrong with rules of plug-ins."""

    @property
    def interrupted(self) -> bool:
        """Whether the run was stopped before this file and those after it."""
        return self.failure is not None and self.failure.kind == INTERRUPTED


def outcome_of(report: Report, config: Config) -> Outcome:
    """Return what is kept of a report."""
    return Outcome(
        report.file,
        report.size,
        report.failure,
        report.complete,
        str(verdict(report)),
        report.worst,
        str(unjudged(report)),
        used_by(report, config),
        concerned_by(report, config),
        tuple(config.baseline.stale([report])) if config.baseline else (),
        tuple(rule.failure for rule in report.failed_rules if rule.failure),
    )
