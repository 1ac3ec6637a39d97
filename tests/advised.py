"""What is advised for a file, by every way that leads to it, and what comes of it."""

import json

import pytest
from command_line import run
from msgspec.structs import replace

import regaudit
from regaudit.evidence.training_facts import Facts
from regaudit.report.severity import Severity
from regaudit.settings.config import Config


def audited(file, **facts):
    return regaudit.audit(file, replace(Config.default(), facts=Facts(**facts)))


def options(**facts):
    return [part for key, value in facts.items() for part in (f"--{key.replace('_', '-')}", value)]


def places(report, code):
    return {
        item.path: item
        for finding in report.findings
        if finding.code == code
        for item in finding.items
    }


def grave(report):
    """Return the places of findings that fail or warn: code, path."""
    return {
        (finding.code, item.path)
        for finding in report.findings
        for item in finding.items
        if item.severity >= Severity.WARNING
    }


def applied(file, **facts):
    """Return the file that `apply --suggested` writes, after holding it against what was said."""
    out = file.with_name("after.keras")
    before = audited(file, **facts)
    proposal = json.loads(run("suggest", file, "--format", "json", *options(**facts)).output)
    assert [one["code"] for one in proposal["changes"]] == [
        one.code for one in before.proposal.changes
    ]
    assert proposal["penalty_after"] == pytest.approx(before.proposal.after)
    done = run("apply", file, "-o", out, "--suggested", *options(**facts))
    assert done.exit_code == 0
    after = audited(out, **facts)
    assert after.penalty == pytest.approx(proposal["penalty_after"], rel=1e-5)
    assert after.proposal.changes == ()
    assert grave(after) <= grave(before)
    pointed = {
        (finding.code, item.path)
        for finding in before.findings
        for item in finding.items
        if item.suggestion is not None and item.suggestion.basis
    }
    assert not pointed & grave(after)
    assert "Nothing was written" in run("apply", out, "--dry-run", "--suggested").output or facts
    return out, after
