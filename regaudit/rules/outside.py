"""Rules of other distributions: loaded by their entry points, and held to what a rule is."""

import pickle
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import msgspec

from regaudit.errors import PlugInError
from regaudit.evidence.evidence import Evidence
from regaudit.plugins.calling import calling, loaded
from regaudit.plugins.installed import NAME, EntryPoint, refuse_clash
from regaudit.report.report import Failure, NotRun, Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule, own_rules


class BrokenRule(Rule):
    """Stands for a rule that cannot be loaded: it has its code, and says so of each model."""

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        yield from ()

    def not_run(self, evidence: Evidence) -> NotRun:
        return NotRun(self.about.code, self.about.name, "", failure=self.failure)

    def __reduce__(self) -> tuple[Callable[..., "Rule"], tuple[Any, ...]]:
        """Have a worker make it anew: its class is in no module."""
        return _made_broken, (self.about.code, self.failure)


def broken(code: str, failure: Failure) -> type[BrokenRule]:
    """Return what stands for a rule that cannot be loaded."""
    about = About(
        code=code,
        name=code.lower(),
        title=failure.message,
        severity=Severity.ERROR,
        confidence="high",
        what="Nothing: it cannot be loaded.",
        rationale="",
        source="",
        fix="Mend or update the distribution, or leave it out by --no-plugins.",
        false_positives="",
        bad="",
        good="",
    )
    return type("Broken", (BrokenRule,), {"about": about, "failure": failure, "__doc__": None})


def _made_broken(code: str, failure: Failure) -> Rule:
    return broken(code, failure)()


@cache
def rules_of(entries: tuple[EntryPoint, ...]) -> tuple[type[Rule], ...]:
    """Load rules; what stands for one that cannot be loaded says why.

    Raises:
        UsageError: two of them, or one of them and one of our own, have the same name.
    """
    owners: dict[str, EntryPoint | None] = {rule.about.name: None for rule in own_rules()}
    found: list[type[Rule]] = []
    for entry in entries:
        try:
            rule = _checked(entry)
        except PlugInError as error:
            failure = Failure(type(error).__name__, str(error), error.trace)
            found.append(broken(entry.name, failure))
            continue
        name = rule.about.name
        if name in owners:
            refuse_clash(f"the name of a rule {name}", owners[name], entry)
        owners[name] = entry
        found.append(rule)
    return tuple(found)


def _checked(entry: EntryPoint) -> type[Rule]:
    """Load one rule, and hold it to what is asked of a rule.

    Raises:
        PlugInError: it cannot be imported, or is not what it should be.
    """
    rule: type[Rule] = loaded(entry, Rule)  # type: ignore[type-abstract]
    with calling(entry, PlugInError):
        about = getattr(rule, "about", None)
        if not isinstance(about, About):
            raise PlugInError(f"{entry} failed: its `about` is not an About")
        _converted(about, About, f"{entry} failed: its `about` is wrong")
        if about.code != entry.name:
            raise PlugInError(f"{entry} failed: its `about` has the code {about.code}")
        if not re.fullmatch(NAME, about.name):
            raise PlugInError(
                f"{entry} failed: {about.name!r} is not a name: write small letters, with dashes "
                "between words"
            )
        _converted(
            rule.thresholds(), dict[str, int | float], f"{entry} failed: a threshold is no number"
        )
        if pickle.loads(pickle.dumps(rule())) != rule():  # noqa: S301 - what we wrote
            raise PlugInError(f"{entry} failed: workers cannot be sent it")
    return rule


def sound(who: str, items: Any) -> Iterator[Occurrence]:
    """Yield what a rule of another distribution finds, if it is what rules find.

    Raises:
        PlugInError: it is something else.
    """
    if not isinstance(items, Iterable):
        raise PlugInError(f"{who} failed: check returns a {type(items).__name__}: it is to yield")
    for item in items:
        if not isinstance(item, Occurrence):
            kind = type(item).__name__
            raise PlugInError(f"{who} failed: check yields a {kind}, not what self.item() returns")
        _converted(item, Occurrence, f"{who} failed: check yields a wrong value")
        yield item


def _converted(value: Any, kind: Any, wrong: str) -> None:
    """Hold the types of fields to their annotations, which Python does not.

    Raises:
        PlugInError: one is of another type.
    """
    try:
        msgspec.convert(msgspec.to_builtins(value), kind)
    except (msgspec.ValidationError, TypeError) as error:
        raise PlugInError(f"{wrong}: {error}") from error
