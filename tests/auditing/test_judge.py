"""Asking the rules: what is found, what is accepted, what could not be asked."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from rule_values import evidence, kernel, layer

from regaudit.auditing.judge import judge
from regaudit.report.ignore import Ignore
from regaudit.report.report import Finding, Report
from regaudit.report.severity import Severity
from regaudit.rules.interface import Rule
from regaudit.rules.reg101_large_layer_unregularized import LargeLayerUnregularized
from regaudit.settings.baseline import Baseline
from regaudit.settings.config import Config

GIVEN = evidence(
    *(
        layer(path, weights=(kernel(path, shape),))
        for path, shape in (("a", (10, 10)), ("b", (20, 20)), ("c", (30, 30)))
    )
)
TODAY = datetime.now(UTC).date()


class EveryKernel(Rule):
    """Finds every kernel with so many values: an error from 400 values on, else a warning."""

    about = replace(
        LargeLayerUnregularized.about, code="REG997", name="every-kernel", severity=Severity.ERROR
    )
    least: float = 0

    def check(self, evidence):
        for _, weight in evidence.kernels():
            if weight.size >= self.least:
                severity = Severity.ERROR if weight.size >= 400 else Severity.WARNING
                yield self.item(weight, "here", severity=severity)


class Mild(Rule):
    about = replace(EveryKernel.about, code="REG996", name="mild", severity=Severity.NOTE)

    def check(self, _):
        yield self.item(None, "of the model")


class NeedsLoss(Rule):
    about = replace(EveryKernel.about, code="REG998", name="needs-loss")
    needs = ("train_loss",)
    least: float = 0
    check = EveryKernel.check


class WantsLoss(Rule):
    about = replace(EveryKernel.about, code="REG999", name="wants-loss")
    wants = ("val_loss",)
    least: float = 0
    check = EveryKernel.check


def config(*rules, **changes):
    return replace(Config.default(), rules=rules or (EveryKernel(),), **changes)


def judged(*rules, file="m.keras", **changes):
    return judge(GIVEN, file, config(*rules, **changes))


def places(judgement):
    return [(item.path, item.severity) for found in judgement.findings for item in found.items]


def test_findings_are_one_a_rule_and_the_worst_come_first():
    found = judged(Mild(), EveryKernel()).findings
    assert [(one.code, one.severity) for one in found] == [
        ("REG997", Severity.ERROR),
        ("REG996", Severity.NOTE),
    ]
    assert [item.path for item in found[0].items] == ["c/kernel", "b/kernel", "a/kernel"]


def test_rules_of_one_severity_come_by_code():
    found = judged(WantsLoss(), EveryKernel()).findings
    assert [one.code for one in found] == ["REG997", "REG999"]


def test_a_rule_that_finds_nothing_is_no_finding():
    judgement = judged(EveryKernel(least=1_000))
    assert (judgement.findings, judgement.not_run, judgement.suppressed) == ((), (), ())


def test_a_rule_without_what_it_needs_is_not_asked_but_one_without_what_it_wants_is():
    judgement = judged(NeedsLoss(), WantsLoss())
    assert [one.code for one in judgement.findings] == ["REG999"]
    assert [(one.code, one.needs, one.partly) for one in judgement.not_run] == [
        ("REG998", "--train-loss", False),
        ("REG999", "--val-loss", True),
    ]


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        (Ignore("REG997", "why", layer="b"), {"a", "c"}),
        (Ignore("every-kernel", "why", layer="b/kernel"), {"a", "c"}),
        (Ignore("REG997", "why"), set()),
        (Ignore("REG997", "why", model="m.*"), set()),
        (Ignore("REG997", "why", model="other.keras"), {"a", "b", "c"}),
        (Ignore("REG996", "why"), {"a", "b", "c"}),
        (Ignore("REG997", "why", expires=TODAY), set()),
        (Ignore("REG997", "why", expires=TODAY - timedelta(days=1)), {"a", "b", "c"}),
    ],
)
def test_what_an_ignore_covers_is_set_apart_with_its_reason(ignore, left):
    judgement = judged(ignores=(ignore,))
    assert {path[0] for path, _ in places(judgement)} == left
    assert {one.item.path[0] for one in judgement.suppressed} == {"a", "b", "c"} - left
    assert all((one.reason, one.ignore) == ("why", ignore) for one in judgement.suppressed)


def test_what_the_baseline_knows_passes_and_what_got_worse_says_so():
    (whole,) = judged().findings
    old = [
        replace(item, rank=1.0) if item.path == "c/kernel" else item
        for item in whole.items
        if item.path != "a/kernel"
    ]
    known = Finding(whole.code, whole.name, tuple(old))
    baseline = Baseline(Path("b.json").absolute()).written([Report("m.keras", findings=(known,))])
    judgement = judged(baseline=baseline)
    assert [(one.item.path, one.reason, one.ignore) for one in judgement.suppressed] == [
        ("b/kernel", "in the baseline", None)
    ]
    (found,) = judgement.findings
    assert {item.path: item.message for item in found.items} == {
        "a/kernel": "here",
        "c/kernel": "here; worse than in the baseline",
    }


@pytest.mark.parametrize(
    ("highest", "severities"),
    [
        # The worst places take what is set, milder ones stay below it.
        (Severity.ERROR, [Severity.ERROR, Severity.ERROR, Severity.WARNING]),
        (Severity.WARNING, [Severity.WARNING, Severity.WARNING, Severity.WARNING]),
        (Severity.NOTE, [Severity.NOTE, Severity.NOTE, Severity.NOTE]),
    ],
)
def test_the_highest_severity_can_be_set(highest, severities):
    found = places(judged(severities={"REG997": highest}))
    assert [severity for _, severity in found] == severities


def test_a_rule_can_be_made_more_severe():
    ((path, severity),) = places(judged(Mild(), severities={"REG996": Severity.ERROR}))
    assert (path, severity) == ("", Severity.ERROR)


def test_of_settings_for_layers_the_last_that_matches_counts():
    strict = config(EveryKernel(least=500))
    mild = config(EveryKernel(), severities={"REG997": Severity.NOTE})
    judgement = judged(layers=(("*", strict), ("b", mild)))
    assert places(judgement) == [("c/kernel", Severity.ERROR), ("b/kernel", Severity.NOTE)]
    judgement = judged(layers=(("b", mild), ("*", strict)))
    assert places(judgement) == [("c/kernel", Severity.ERROR)]


def test_a_rule_left_out_everywhere_is_not_asked_for_layers_alone():
    others = config(EveryKernel())
    assert judged(Mild(), layers=(("b", others),)).findings[0].code == "REG996"
    assert len(judged(Mild(), layers=(("b", others),)).findings) == 1
