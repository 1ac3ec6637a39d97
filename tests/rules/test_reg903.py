from datetime import UTC, date, datetime, timedelta

import pytest
from msgspec.structs import replace

from regaudit.report.ignore import Ignore
from regaudit.report.severity import Severity
from regaudit.rules.reg903_expired_ignore import ExpiredIgnore
from regaudit.settings.config import Config
from regaudit.settings.self_audit import audit_settings

TODAY = date(2026, 3, 1)
IGNORE = Ignore("REG101", "until the next training", layer="hidden", expires=date(2026, 2, 28))


def check(*ignores, used=()):
    return list(ExpiredIgnore().check_ignores(ignores, used, TODAY))


def test_says_when_and_why():
    (item,) = check(IGNORE)
    assert (item.path, item.severity) == ("", Severity.WARNING)
    assert item.message == (
        "the ignore of REG101 at hidden expired on 2026-02-28: until the next training"
    )


@pytest.mark.parametrize(
    ("expires", "fires"),
    [
        (date(2026, 2, 28), True),
        (TODAY, False),  # the last day on which it holds
        (date(2026, 3, 2), False),
        (date.min, True),
        (date.max, False),
        (None, False),
    ],
)
def test_fires_from_the_day_after_on(expires, fires):
    assert bool(check(replace(IGNORE, expires=expires))) is fires


def test_whether_it_was_used_does_not_matter():
    assert check(IGNORE, used={IGNORE})
    assert not check()


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(("days", "codes"), [(-1, ["REG903"]), (0, [])])
def test_a_day_is_over_by_utc_whatever_was_audited(days, codes, whole):
    day = datetime.now(UTC).date() + timedelta(days=days)
    settings = replace(
        Config.default(select=["REG903"]),
        file="regaudit.toml",
        ignores=(replace(IGNORE, expires=day),),
    )
    report = audit_settings(settings, (), (), whole)
    assert [one.code for one in (report.findings if report else ())] == codes
