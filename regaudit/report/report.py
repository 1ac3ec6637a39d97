"""What an audit says: findings with suggestions, and the report of one file."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from importlib import import_module
from math import isfinite
from typing import Any

from msgspec import Struct

from regaudit.keras_semantics.dialect import Dialect
from regaudit.measures.moments import Moments
from regaudit.measures.spectrum import Spectrum
from regaudit.model import Model, Skip, Status, Tally, Weight
from regaudit.report.ignore import Ignore
from regaudit.report.proposal import Proposal, Suggestion
from regaudit.report.severity import Severity

UNREAD = Skip("(weights)", "not measured: --no-weights reads shapes and dtypes, not the values")
"""What a report says that was not to read the values of the weights."""
NO_VALUES = Skip("(weights)", "no weights in the file: norms and penalties are unknown")
"""What a report says on a configuration alone."""

INTERRUPTED = "Interrupted"
"""Kind of the failure for all models that were not audited because the run was stopped."""


class Occurrence(Struct, frozen=True):
    """One place at which a rule found its fault."""

    path: str
    """Path of the weight or the layer; empty for the model as a whole."""
    severity: Severity
    """At most that of the rule."""
    message: str
    """What is wrong, with the numbers that decided it, in one sentence."""
    observed: Mapping[str, float | int | str] = {}
    """The numbers that decided it, by name."""
    evidence: tuple[str, ...] = ()
    """What was weighed in favour of the model."""
    suggestion: Suggestion | None = None
    """What to write there."""
    no_suggestion: str = ""
    """Why no strength is suggested, where the fault is one of strength; else empty."""
    rank: int | float = 0.0
    """Larger is worse among items of the same severity."""


class Finding(Struct, frozen=True):
    """What one rule found in a model: the fault, and every place of it."""

    code: str
    name: str
    items: tuple[Occurrence, ...]
    """Worst first; at least one."""

    def __post_init__(self) -> None:
        """Raise ValueError for no items."""
        if not self.items:
            raise ValueError("has no items")

    @classmethod
    def of(cls, code: str, name: str, items: Iterable[Occurrence]) -> "Finding | None":
        """Group what a rule found; None for nothing."""
        ordered = sorted(items, key=lambda item: (-item.severity, -item.rank))
        return cls(code, name, tuple(ordered)) if ordered else None

    @property
    def severity(self) -> Severity:
        """That of the worst item."""
        return self.items[0].severity

    @property
    def path(self) -> str:
        """Path of the worst item."""
        return self.items[0].path

    @property
    def message(self) -> str:
        """Message of the worst item."""
        return self.items[0].message


class Failure(Struct, frozen=True):
    """Why a file could not be audited, or a rule of a plug-in not run on it."""

    kind: str
    """Name of the error's class."""
    message: str
    trace: str = ""
    """Where it happened, as Python shows it, if it is a bug; for people, in no output."""


class NotRun(Struct, frozen=True):
    """A rule that did not run, or ran only partly."""

    code: str
    name: str
    needs: str
    """What it lacks: `--train-loss and --val-loss`; empty for one that failed."""
    partly: bool = False
    """Whether it ran on what there was."""
    layers: tuple[str, ...] = ()
    """Paths of the layers on which it did not run; empty for all of them, and for very many."""
    failure: Failure | None = None
    """What is wrong with a rule of a plug-in; None for one that lacks something."""

    def concerns(self, path: str) -> bool:
        """Whether it may have missed something at a weight or a layer, or in the model (``""``)."""
        return not self.layers or any(f"{path}/".startswith(f"{one}/") for one in self.layers)


class Suppressed(Struct, frozen=True):
    """One place of a fault that was looked at and accepted."""

    code: str
    name: str
    item: Occurrence
    reason: str
    ignore: Ignore | None = None
    """What accepts it; None for the baseline."""


class PlugIn(Struct, frozen=True):
    """Another distribution that took part in an audit."""

    name: str
    version: str
    rules: tuple[str, ...] = ()
    """Codes of its rules that ran, or should have."""
    formats: tuple[str, ...] = ()
    """Its format, if that read the file."""

    def __str__(self) -> str:
        """Name it: `acme-rules 1.0`."""
        return f"{self.name} {self.version}"


class Coverage(Struct, frozen=True):
    """How much of the file was examined."""

    layers: int
    """Nested and wrapped ones included."""
    weights: int
    """Stored weights, optimizer variables apart."""
    measured: int
    """Of these, those whose values were read."""
    skipped: tuple[Skip, ...]
    regularized: Tally
    """Weights with a regularizer in force, without one, and those that the file tells not of."""
    unplaced_regularizers: int = 0
    """Configured ones that are tied to no stored weight."""


class Report(Struct, frozen=True, dict=True, tag=True):
    """The audit of one file."""

    file: str
    """As it was named by the user."""
    format: str | None = None
    """Name of the file format; None if it was not recognized."""
    size: int | None = None
    """Bytes."""
    model: Model | None = None
    """Its layers and weights; None if it was not read."""
    moments: Mapping[str, Moments] = {}
    """By `Weight.stored_path`."""
    penalties: Mapping[str, float | None] = {}
    """By `Weight.stored_path`; None where it is not known from the file."""
    findings: tuple[Finding, ...] = ()
    """One a rule, worst first."""
    not_run: tuple[NotRun, ...] = ()
    """Rules that lacked a fact about the training."""
    suppressed: tuple[Suppressed, ...] = ()
    """Places that an ignore or the baseline accepts."""
    skipped: tuple[Skip, ...] = ()
    """What was not or not wholly examined."""
    failure: Failure | None = None
    """Why it could not be audited; None if it was."""
    spectra: Mapping[str, Spectrum] | None = None
    """Of kernels, by `Weight.stored_path`; None where they were not asked for."""
    sha256: str | None = None
    """Of the file, in hexadecimal; None for a directory or URL, and where it was not asked for."""
    measured: bool = True
    """Whether the values of the weights were to be read."""
    proposal: Proposal | None = None
    """What to change in the model as a whole; None where nothing was read."""
    plugins: tuple[PlugIn, ...] = ()
    """Other distributions that took part."""

    @property
    def ok(self) -> bool:
        """Whether the file was audited, by all rules, and no finding is an error."""
        return self.complete and self.worst < Severity.ERROR

    @property
    def complete(self) -> bool:
        """Whether the file was audited, and no rule of a plug-in failed on it."""
        return self.failure is None and not self.failed_rules

    @property
    def failed_rules(self) -> tuple[NotRun, ...]:
        """Rules of plug-ins that raised an error, took too long or could not be loaded."""
        return tuple(rule for rule in self.not_run if rule.failure)

    @property
    def interrupted(self) -> bool:
        """Whether the run was stopped before this file and those after it."""
        return self.failure is not None and self.failure.kind == INTERRUPTED

    @property
    def worst(self) -> int:
        """Highest severity among the findings; 0 without findings."""
        return max((finding.severity for finding in self.findings), default=0)

    @cached_property
    def penalty(self) -> float:
        """What the weights add to the loss, as far as is known: `sum(model.losses)`."""
        return sum(value for value in self.penalties.values() if value is not None)

    @property
    def known_penalty(self) -> float | None:
        """The same; None where the values that it is of were left unread."""
        if self.model is None or self.measured:
            return self.penalty
        unread = any(
            weight.regularizer and self.penalties.get(weight.stored_path) is None
            for _, weight in self.model.weights()
        )
        return None if unread or self._unshaped_penalty else self.penalty

    @property
    def _unshaped_penalty(self) -> bool:
        """Whether a weight of unknown shape may pay, too."""
        layers = self.model.layers if self.model else ()
        return any(layer.unshaped and (layer.unplaced or not layer.known) for layer in layers)

    @property
    def redirected(self) -> str:
        """To which hosts that nobody named its server led; empty for none, or for a failure."""
        told = (skip.reason for skip in self.skipped if skip.path == "(file)")
        return next((reason for reason in told if reason.startswith("redirected to ")), "")

    @property
    def told_penalty(self) -> float | None:
        """The penalty, as far as is known; None where nothing is known of any."""
        return None if self.unjudged else self.known_penalty

    @property
    def unjudged(self) -> int:
        """How many weights there are, where the regularizer of none is known; else 0."""
        tally = self.coverage.regularized
        return 0 if tally.yes or tally.no else tally.unknown

    @property
    def penalty_complete(self) -> bool:
        """Whether everything that weights add to the loss is known from the file.

        It does not for custom regularizers, nor for custom layers with weights: their own code may
        regularize these.
        """
        if any(value is None for value in self.penalties.values()) or self._unshaped_penalty:
            return False
        layers = self.model.layers if self.model else ()
        return all(layer.tells_penalties for layer in layers)

    @property
    def coverage(self) -> Coverage:
        """How much of the file was examined."""
        if self.model is None:
            return Coverage(0, 0, 0, self.skipped, Tally(0, 0, 0))
        weights = sum(1 for _ in self.model.weights())
        layers = self.model.layers
        unplaced = sum(len(layer.unplaced) for layer in layers)
        tally, measured = self.model.regularized, len(self.moments)
        return Coverage(len(layers), weights, measured, self.skipped, tally, unplaced)

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        """The suggestions of all findings."""
        items = (item for finding in self.findings for item in finding.items)
        return tuple(item.suggestion for item in items if item.suggestion)

    def __repr__(self) -> str:
        """Name the file and what came out: all that it holds is thousands of lines."""
        verdict: str = import_module("regaudit.report.sentences").verdict(self)
        return f"<Report {self.file}: {verdict}>"

    def _repr_html_(self) -> str:
        """Show itself in a notebook."""
        page: str = import_module("regaudit.renderers.notebook").report_html(self)
        return page

    def penalty_if_applied(self, weight: Weight) -> float | None:
        """Return what a weight of a custom layer adds if its code does as Keras does.

        None for weights whose regularizer was not placed, and where it cannot be told.
        """
        found, moments = weight.regularizer, self.moments.get(weight.stored_path)
        if not weight.placed_by or found is None or moments is None or weight.shared_with:
            return None
        if found.status is not Status.UNKNOWN or found.l1 is None or found.l2 is None:
            return None
        if moments.l1_norm is None or moments.l2_norm is None:
            return None
        version = self.model.keras_version if self.model else None
        if not (weight.trainable or Dialect.of(version).frozen_weights_penalized):
            return 0.0
        return found.l1 * moments.l1_norm + found.l2 * moments.l2_norm**2

    @cached_property
    def total_if_applied(self) -> float | None:
        """What all placed regularizers add together if they act; None where there are none."""
        weights = self.model.weights() if self.model else ()
        found = [self.penalty_if_applied(weight) for _, weight in weights]
        known = [value for value in found if value is not None]
        return sum(known) if known else None

    def to_html(self) -> str:
        """Return the page for people that `regaudit report --html` writes."""
        return str(self._alone().to_html())

    def to_json(self) -> str:
        """Return the document that `--format json` prints; `regaudit schema` describes it."""
        return str(self._alone().to_json())

    def to_dataframe(self) -> Any:
        """Return a row for each weight, with pandas or else polars.

        Raises:
            UsageError: neither is installed.
        """
        return self._alone().to_dataframe()

    def _alone(self) -> Any:
        return import_module("regaudit.report.reports").Reports([self])

    def share(self, weight: Weight) -> float | None:
        """Return the weight's share of the total penalty."""
        penalty = self.penalties.get(weight.stored_path)
        if penalty is None or not self.penalty or not isfinite(self.penalty):
            return None
        share = penalty / self.penalty
        return share if isfinite(share) else None
