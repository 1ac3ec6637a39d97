"""REG903: an ignore whose last day is over."""

from collections.abc import Collection, Iterator
from datetime import date
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.report.ignore import Ignore
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule


class ExpiredIgnore(Rule):
    about: ClassVar[About] = About(
        code="REG903",
        name="expired-ignore",
        title="An ignore of the settings whose last day is over",
        severity=Severity.WARNING,
        confidence="high",
        what="An entry of [[tool.regaudit.ignore]] whose `expires` lies before today (UTC).",
        rationale=(
            "The entry was meant to be reviewed by that day. It accepts nothing any more, so its "
            "findings are back; the entry says why they were once accepted."
        ),
        source="regaudit's own design; expiry dates as in Trivy's and Snyk's ignore files.",
        fix="Fix the findings and remove the entry, or give it a later day and a new reason.",
        false_positives="None: the day is in the settings.",
        bad="""
[[ignore]]
code = "REG101"
layer = "hidden"
reason = "until the next training"
expires = 2020-01-01
""",
        good="""
[[ignore]]
code = "REG101"
layer = "hidden"
reason = "until the next training"
expires = 9999-12-31
""",
    )

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        yield from ()

    def check_ignores(
        self, ignores: Collection[Ignore], used: Collection[Ignore], today: date
    ) -> Iterator[Occurrence]:
        for ignore in ignores:
            if ignore.expired(today):
                text = f"the ignore of {ignore.spelled} expired on {ignore.expires}"
                yield self.item(None, f"{text}: {ignore.reason}")
