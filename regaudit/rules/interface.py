"""What a rule is: a check on evidence, with its thresholds and its documentation."""

from abc import ABCMeta, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from datetime import date
from functools import cache
from importlib import import_module
from sys import float_info
from typing import Annotated, ClassVar, Literal, dataclass_transform

from msgspec import Meta, Struct, StructMeta
from msgspec.structs import fields

from regaudit.discovery import defined, modules
from regaudit.errors import did_you_mean
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import DECAY, REGULARIZERS, lacks
from regaudit.evidence.training_facts import Facts
from regaudit.model import Layer, Weight
from regaudit.plugins.installed import RULES, entry_points, is_outside, selected
from regaudit.report.ignore import Ignore
from regaudit.report.proposal import StrengthChange, Suggestion
from regaudit.report.report import Failure, NotRun, Occurrence
from regaudit.report.severity import Severity

Threshold = (
    Annotated[int, Meta(ge=0, le=(1 << 63) - 1, description="a number, at least 0")]
    | Annotated[float, Meta(ge=0, le=float_info.max)]
)
"""What settings may make of a rule's field; a whole number stays one."""

LISTED = 100
"""Most layers that a rule which did not judge them lists; of more it is said how many."""


Confidence = Literal["low", "medium", "high"]
"""How surely a finding is right, the least first."""


class About(Struct, frozen=True):
    """The documentation of a rule; `explain`, SARIF and the rules page are made from it."""

    code: str
    name: str
    """The fault, so that "allow <name>" reads well."""
    title: str
    severity: Severity
    """The highest that it reports; an item may be lower."""
    confidence: Confidence
    what: str
    """What it looks at and when it reports something, without the thresholds."""
    rationale: str
    """Why it matters."""
    source: str
    fix: str
    """What to write instead."""
    false_positives: str
    """When a finding is not a fault."""
    bad: str
    """Keras program that binds `model` to one on which the rule fires."""
    good: str
    """The same without the fault."""
    bad_file: str = ""
    """File below `fixtures` that stands for `bad` where today's Keras cannot make one."""
    good_file: str = ""
    facts: Facts = Facts()
    """What the user says about the training of both examples."""
    url: str = ""
    """Page on a rule of a plug-in, which SARIF links to."""

    @property
    def on_settings(self) -> bool:
        """Whether it is about the settings, and its examples are TOML, not Keras programs."""
        return self.bad.lstrip().startswith("[")


@dataclass_transform(frozen_default=True)
class _Meta(StructMeta, ABCMeta):
    """Of structs that may be abstract."""


class Rule(Struct, frozen=True, metaclass=_Meta):
    """One rule; each lives in a module of `regaudit.rules`.

    A subclass is a frozen struct; its fields are the thresholds, each with a default:

        class LargeLayerUnregularized(Rule):
            about: ClassVar[About] = About(...)
            min_parameters: Threshold = 10_000
    """

    about: ClassVar[About]
    failure: ClassVar[Failure | None] = None
    """Why a rule of a plug-in cannot be loaded: then this one only says so."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Without these it cannot run: fields of `Facts`, or what `lacks` knows besides."""
    wants: ClassVar[tuple[str, ...]] = ()
    """Without these it checks only in part."""
    about_strength: ClassVar[bool] = False
    """Whether the cure is another strength: then it is the proposal's for the model."""

    @classmethod
    def thresholds(cls) -> dict[str, float]:
        """Return the default thresholds, by name."""
        return {one.name: one.default for one in fields(cls)}

    @abstractmethod
    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        """Yield the places of the fault."""

    def cured_by(self, change: StrengthChange) -> bool:
        """Whether the proposal's strength for a kernel goes against the fault."""
        return True

    def check_ignores(
        self, ignores: Collection[Ignore], used: Collection[Ignore], today: date
    ) -> Iterator[Occurrence]:
        """Yield what is wrong with the ignores of the settings, after all models.

        Args:
            ignores: those that the run can judge.
            used: those that covered something.
            today: by UTC.
        """
        yield from ()

    def undecayed(self, evidence: Evidence) -> Iterator[tuple[Layer, Weight]]:
        """Yield the weights of which it would say that no weight decay acts on them."""
        yield from ()

    def not_run(self, evidence: Evidence) -> NotRun | None:
        """Say what keeps the rule from running, or from checking all it could."""
        if lacking := [why for need in self.needs if (why := lacks(evidence, need)) is not None]:
            return self._not_run(lacking)
        lacking = [why for need in self.wants if (why := lacks(evidence, need)) is not None]
        untold = evidence.untold if REGULARIZERS in self.needs else ()
        if untold:
            lacking.append(f"the regularizers of {_listed(untold)}, which custom code decides")
        unshaped = evidence.unshaped if REGULARIZERS in self.needs else ()
        if unshaped:
            lacking.append(
                f"the weights of {_listed(unshaped)}, which the configuration does not lay out"
            )
        judged = list(self.undecayed(evidence))
        undecayed = [layer.path for layer, weight in judged if evidence.decay_unknown(weight)]
        if undecayed:
            lacking.append(DECAY)
        if not lacking:
            return None
        layers = tuple(dict.fromkeys((*untold, *unshaped, *undecayed)))
        partly = not undecayed or len(undecayed) < len(judged)
        return self._not_run(lacking, partly=partly, layers=layers)

    def _not_run(
        self, lacking: list[str], *, partly: bool = False, layers: tuple[str, ...] = ()
    ) -> NotRun:
        *others, last = dict.fromkeys(lacking)
        needs = f"{', '.join(others)} and {last}" if others else last
        listed = layers if len(layers) <= LISTED else ()
        return NotRun(self.about.code, self.about.name, needs, partly, listed)

    def item(
        self,
        at: Layer | Weight | None,
        message: str,
        *,
        severity: Severity | None = None,
        rank: float | None = None,
        evidence: tuple[str, ...] = (),
        suggestion: Suggestion | None = None,
        **observed: float | str | None,
    ) -> Occurrence:
        """Say where the fault is, and by which numbers.

        Args:
            at: the layer or weight; None for the model as a whole.
            message: what is wrong there, in one sentence without a full stop.
            severity: the rule's own by default; lower where the fault is less serious.
            rank: larger is worse among places of the same severity; the weight's size by default.
            evidence: what was weighed in favour of the model.
            suggestion: what to write instead.
            observed: the numbers that decided it; None for one that is not in the file.
        """
        if rank is None:
            rank = float(at.size) if isinstance(at, Weight) else 0.0
        return Occurrence(
            path="" if at is None else at.path,
            severity=self.about.severity if severity is None else severity,
            message=message,
            observed={key: value for key, value in observed.items() if value is not None},
            evidence=evidence,
            suggestion=suggestion,
            rank=rank,
        )


def _listed(layers: tuple[str, ...]) -> str:
    """Name a few layers, and count the others."""
    named, more = ", ".join(layer or "(model)" for layer in layers[:3]), len(layers) - 3
    return f"{named} and {more:,} more" if more > 0 else named


def rules() -> tuple[type[Rule], ...]:
    """Return the rules by code, those of plug-ins in use among them.

    Raises:
        UsageError: two of them have one name, or as `entry_points`.
    """
    entries = tuple(entry_points(RULES).values())
    if not entries:
        return own_rules()
    others: tuple[type[Rule], ...] = import_module("regaudit.rules.outside").rules_of(entries)
    return tuple(sorted((*own_rules(), *others), key=lambda rule: rule.about.code))


@cache
def own_rules() -> tuple[type[Rule], ...]:
    """Return the rules of regaudit itself, by code."""
    found: list[type[Rule]] = [rule for module in modules(RULES) for rule in defined(module, Rule)]
    return tuple(sorted(found, key=lambda rule: rule.about.code))


def hint(word: str, known: Iterable[str]) -> str:
    """Say which rule was meant by a word, or why none of plug-ins is called so; empty for neither.

    Args:
        word: a code, a name or the beginning of a code.
        known: those that there are.
    """
    if is_outside(word):
        left_out = "the settings or --no-plugins leave plug-ins out"
        why = left_out if selected() is not None else "no installed plug-in has it"
        return did_you_mean(word, known, 0.8) or f"; {why}"
    broken = (f"; {rule.failure.message}" for rule in rules() if rule.failure)
    return did_you_mean(word, known) + next(broken, "")


def may_be_left_out(code: str) -> bool:
    """Whether a code that no rule has may be that of a plug-in that is installed and not used."""
    return selected() is not None and is_outside(code)
