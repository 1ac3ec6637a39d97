"""What a rule is: a check on evidence, with its thresholds and its documentation."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from datetime import date
from functools import cache
from typing import ClassVar, dataclass_transform

from regaudit.dataclass import dataclass, field
from regaudit.discovery import defined, modules
from regaudit.evidence.evidence import DECAY, Evidence
from regaudit.evidence.training_facts import Facts
from regaudit.model import Layer, Weight
from regaudit.report.ignore import Ignore
from regaudit.report.report import NotRun, Occurrence, Suggestion
from regaudit.report.severity import Severity


@dataclass(frozen=True, slots=True)
class About:
    """The documentation of a rule; `explain`, SARIF and the rules page are made from it."""

    code: str
    name: str
    """The fault, so that "allow <name>" reads well."""
    title: str
    severity: Severity
    """The highest that it reports; an item may be lower."""
    confidence: str
    """`high`, `medium` or `low`: how surely a finding is right."""
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
    facts: Facts = field(default_factory=Facts)
    """What the user says about the training of both examples."""

    @property
    def on_settings(self) -> bool:
        """Whether it is about the settings, and its examples are TOML, not Keras programs."""
        return self.bad.lstrip().startswith("[")


@dataclass_transform(frozen_default=True)
class Rule(ABC):
    """One rule; each lives in a module of `regaudit.rules`.

    A subclass is a frozen data class, without a decorator; its fields are the thresholds, each
    with a default:

        class LargeLayerUnregularized(Rule):
            about: ClassVar[About] = About(...)
            min_parameters: float = 10_000
    """

    about: ClassVar[About]
    needs: ClassVar[tuple[str, ...]] = ()
    """Without these it cannot run: fields of `Facts`, `CHANCE_LOSS`, `TOTAL_PENALTY`, `VALUES`."""
    wants: ClassVar[tuple[str, ...]] = ()
    """Without these it checks only in part."""
    __match_args__: ClassVar[tuple[str, ...]]
    """The names of its fields, as every data class has them."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        dataclass(frozen=True)(cls)

    @classmethod
    def thresholds(cls) -> dict[str, float]:
        """Return the default thresholds, by name."""
        return {name: getattr(cls, name) for name in cls.__match_args__}

    @abstractmethod
    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        """Yield the places of the fault."""

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
        for wanted, partly in ((self.needs, False), (self.wants, True)):
            lacking = [why for need in wanted if (why := evidence.lacks(need)) is not None]
            if lacking:
                code, name = self.about.code, self.about.name
                *others, last = dict.fromkeys(lacking)
                needs = f"{', '.join(others)} and {last}" if others else last
                return NotRun(code, name, needs, partly)
        judged = list(self.undecayed(evidence))
        unknown = [layer.path for layer, weight in judged if evidence.decay_unknown(weight)]
        if not unknown:
            return None
        partly, layers = len(unknown) < len(judged), tuple(dict.fromkeys(unknown))
        return NotRun(self.about.code, self.about.name, DECAY, partly, layers)

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


@cache
def rules() -> tuple[type[Rule], ...]:
    """Return the rules, by code."""
    found: list[type[Rule]] = [
        rule for module in modules("regaudit.rules") for rule in defined(module, Rule)
    ]
    return tuple(sorted(found, key=lambda rule: rule.about.code))
