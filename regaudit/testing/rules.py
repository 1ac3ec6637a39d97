"""Rules held against models: this one fires here, and is silent there."""

from collections.abc import Iterable
from typing import Any

from regaudit.evidence.evidence import Evidence
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import Rule
from regaudit.testing.sources import evidence_of_program


def assert_fires(
    rule: Rule | type[Rule],
    evidence: Evidence,
    at: str | Iterable[str] | None = None,
    severity: Severity | None = None,
) -> tuple[Occurrence, ...]:
    """Fail a test unless a rule finds its fault.

    Args:
        rule: with its thresholds; a class for those by default.
        evidence: the model, as `regaudit.testing.evidence` returns it.
        at: path of the weight or the layer, or the paths, of all that it is to find there; "" is
            the model as a whole.
        severity: of all of them.

    Returns:
        What it found, in its order.

    Raises:
        AssertionError: it found nothing, or something else, or did not run.
    """
    __tracebackhide__ = True
    found = _found(rule, evidence)
    code = rule.about.code
    if not found:
        raise AssertionError(f"{code} found nothing")
    wanted = None if at is None else sorted([at] if isinstance(at, str) else at)
    if wanted is not None and sorted(item.path for item in found) != wanted:
        raise AssertionError(f"{code} was to find {wanted}, and found\n{_listed(found)}")
    if severity is not None and any(item.severity is not severity for item in found):
        raise AssertionError(f"{code} was to find {severity}s, and found\n{_listed(found)}")
    return found


def assert_silent(rule: Rule | type[Rule], evidence: Evidence) -> None:
    """Fail a test if a rule finds something, or does not run.

    Args:
        rule: with its thresholds; a class for those by default.
        evidence: the model, as `regaudit.testing.evidence` returns it.

    Raises:
        AssertionError: it found something, or did not run.
    """
    __tracebackhide__ = True
    if found := _found(rule, evidence):
        raise AssertionError(f"{rule.about.code} found\n{_listed(found)}")


def assert_documented(rule: type[Rule]) -> None:
    """Fail a test unless a rule finds its fault in its `about.bad` and nothing in its `about.good`.

    Both are run in this process, with Keras.

    Args:
        rule: its class.

    Raises:
        AssertionError: one of the two is otherwise.
        ImportError: Keras is not installed.
    """
    __tracebackhide__ = True
    about = rule.about
    facts = {
        name: value
        for name in about.facts.__struct_fields__
        if (value := getattr(about.facts, name)) is not None
    }
    assert_fires(rule, evidence_of_program(about.bad, **facts))
    assert_silent(rule, evidence_of_program(about.good, **facts))


def _found(rule: Rule | type[Rule], evidence: Evidence) -> tuple[Occurrence, ...]:
    __tracebackhide__ = True
    made = rule() if isinstance(rule, type) else rule
    lacking = made.not_run(evidence)
    if lacking is not None and not lacking.partly:
        raise AssertionError(f"{made.about.code} did not run: it needs {lacking.needs}")
    found: tuple[Any, ...] = tuple(made.check(evidence))
    for item in found:
        if not isinstance(item, Occurrence):
            message = f"{made.about.code} yields {item!r}, not what self.item() returns"
            raise AssertionError(message)  # noqa: TRY004 - it is the test that fails
    return found


def _listed(found: Iterable[Occurrence]) -> str:
    return "\n".join(
        f"  {item.severity} {item.path or '(model)'}: {item.message}" for item in found
    )
