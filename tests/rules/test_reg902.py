from datetime import date

import pytest
from msgspec.structs import replace

from regaudit.report.ignore import Ignore
from regaudit.report.report import Failure, Finding, NotRun, Occurrence, Report, Suppressed
from regaudit.report.severity import Severity
from regaudit.rules.reg902_unused_ignore import UnusedIgnore
from regaudit.settings.config import Config
from regaudit.settings.self_audit import audit_settings, concerned_by, used_by

TODAY = date(2026, 3, 1)
IGNORE = Ignore("REG402", "pruned later", layer="encoder/*", model="big*")


def check(*ignores, used=()):
    return list(UnusedIgnore().check_ignores(ignores, used, TODAY))


def test_says_what_the_ignore_was_about():
    (item,) = check(IGNORE)
    assert (item.path, item.severity) == ("", Severity.WARNING)
    assert item.message == "the ignore of REG402 at encoder/* in big* covers nothing: pruned later"


def test_what_is_used_passes():
    other = replace(IGNORE, layer="decoder/*")
    assert not check(IGNORE, used={IGNORE})
    (item,) = check(IGNORE, other, used={IGNORE})
    assert "decoder/*" in item.message
    assert not check()


@pytest.mark.parametrize(
    ("expires", "found"), [(None, 1), (date(2026, 3, 2), 1), (TODAY, 1), (date(2026, 2, 28), 0)]
)
def test_an_expired_one_is_left_to_its_own_rule(expires, found):
    assert len(check(replace(IGNORE, expires=expires))) == found


SETTINGS = replace(Config.default(select=["REG402", "REG902"]), file="regaudit.toml")


def told(report, *ignores, whole=True):
    """Return what the audit of the settings says after one model."""
    config = replace(SETTINGS, ignores=ignores)
    used, concerned = used_by(report, config), concerned_by(report, config)
    settings = audit_settings(config, used, concerned, whole)
    return [finding.code for finding in settings.findings] if settings else []


def test_after_a_run_over_all_models_it_is_told():
    ignore = replace(IGNORE, model="*")
    covered = Suppressed("REG402", "dead-units", Occurrence("a", Severity.NOTE, "x"), "why", ignore)
    assert told(Report("m.keras"), ignore) == ["REG902"]
    assert told(Report("m.keras", suppressed=(covered,)), ignore) == []


def test_by_code_or_by_name():
    for code in ("REG402", "dead-units"):
        assert told(Report("m.keras"), Ignore(code, "why")) == ["REG902"]


@pytest.mark.parametrize(
    ("report", "ignore", "whole"),
    [
        (Report("m.keras"), Ignore("REG402", "why"), False),  # single files were named
        (Report("m.keras"), IGNORE, True),  # about other models
        (Report("m.keras"), Ignore("REG101", "why"), True),  # of a rule that was not asked
        (
            Report("m.keras", not_run=(NotRun("REG402", "dead-units", "values"),)),
            Ignore("REG402", "why"),
            True,
        ),
        (Report("m.keras", failure=Failure("unreadable", "damaged")), Ignore("REG402", "w"), True),
    ],
)
def test_where_it_could_not_have_been_used_nothing_is_told(report, ignore, whole):
    assert told(report, ignore, whole=whole) == []


def test_a_finding_alone_uses_nothing():
    found = Finding.of("REG402", "dead-units", [Occurrence("a", Severity.NOTE, "x")])
    assert told(Report("m.keras", findings=(found,)), Ignore("REG402", "why")) == ["REG902"]
