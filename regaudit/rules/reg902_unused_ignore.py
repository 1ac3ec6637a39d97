"""REG902: an ignore that accepts nothing any more."""

from collections.abc import Collection, Iterator
from datetime import date
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.report.ignore import Ignore
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule


class UnusedIgnore(Rule):
    about: ClassVar[About] = About(
        code="REG902",
        name="unused-ignore",
        title="An ignore of the settings that accepts nothing any more",
        severity=Severity.WARNING,
        confidence="high",
        what=(
            "Looks for entries of [[tool.regaudit.ignore]] that covered nothing, although their "
            "model was audited and their rule was run. It does not run when single files were "
            "named, as pre-commit does: the entry may be about the others."
        ),
        rationale=(
            "What it accepted was fixed or no longer exists. If the entry stays, it will "
            "silently accept the next fault of that kind, for a reason that was given for "
            "another one."
        ),
        source="regaudit's own design; as mypy's warn_unused_ignores and Ruff's RUF100.",
        fix="Remove the entry, or correct its code, model or layer if it was mistyped.",
        false_positives=(
            "A fault that comes and goes with the checkpoint; then a baseline fits better."
        ),
        bad="""
[[ignore]]
code = "REG402"
layer = "no_such_layer"
reason = "pruned later"
""",
        good="""
[[ignore]]
code = "REG101"
layer = "hidden"
reason = "early stopping holds it"
""",
    )

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        yield from ()

    def check_ignores(
        self, ignores: Collection[Ignore], used: Collection[Ignore], today: date
    ) -> Iterator[Occurrence]:
        for ignore in ignores:
            if ignore not in used and not ignore.expired(today):
                yield self.item(
                    None, f"the ignore of {ignore.spelled} covers nothing: {ignore.reason}"
                )
