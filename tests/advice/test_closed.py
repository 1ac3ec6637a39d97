"""The next audit agrees: what is proposed, written by `apply`, is no fault and needs no more."""

import functools

import pytest
from advised import grave
from msgspec.structs import replace
from paths import CORPUS, FIXTURES, MODELS
from samples import sampled

import regaudit
from regaudit.evidence.training_facts import Facts
from regaudit.report.severity import Severity
from regaudit.settings.config import Config

FACTS = {
    "no facts": Facts(),
    "a large gap": Facts(train_loss=0.01, val_loss=2.0, target_variance=1.0),
    "a gap": Facts(train_loss=0.2, val_loss=0.6, target_variance=1.0),
    "a small gap": Facts(train_loss=0.30, val_loss=0.31, target_variance=1.0),
    "no gap": Facts(train_loss=0.3, val_loss=0.3, target_variance=1.0),
    "underfit": Facts(train_loss=0.65, val_loss=0.66, target_variance=1.0),
    "train loss alone": Facts(train_loss=0.4, target_variance=1.0),
}
AIMS = ("l2", "l1", "adamw")
WRITABLE = {".keras", ".h5"}


def files():
    for folder in (MODELS, FIXTURES / "rules", CORPUS):
        for file in sorted(folder.rglob("*")):
            if file.suffix in WRITABLE and file.is_file() and ".weights." not in file.name:
                yield file


def cases():
    for file in files():
        for facts in FACTS:
            for aim in AIMS:
                name = f"{file.parent.name}/{file.name}"
                yield pytest.param(file, facts, aim, id=f"{name}-{facts}-{aim}")


@functools.lru_cache(maxsize=4)
def audited(file, facts):
    return regaudit.audit(file, config(facts))


def config(facts):
    return replace(Config.default(), facts=FACTS[facts])


@pytest.mark.parametrize(("file", "facts", "aim"), sampled(list(cases()), every=61))
def test_the_next_audit_agrees(file, facts, aim, tmp_path):
    before = audited(file, facts)
    if before.failure is not None or not before.model.class_name:
        return
    proposal = regaudit.suggest(before, FACTS[facts], aim)
    if aim == "l2":
        assert proposal == before.proposal
    assert proposal.verdict.endswith(".")
    if not proposal.edits:
        return
    out = tmp_path / file.name
    regaudit.apply(file, proposal.edits, out)
    after = regaudit.audit(out, config(facts))

    assert after.penalty == pytest.approx(proposal.after, rel=1e-4, abs=1e-9)
    assert grave(after) <= grave(before)
    changed = {path for change in proposal.changes for path in change.weights}
    for finding in after.findings:
        for item in finding.items:
            if item.path in changed and item.severity >= Severity.WARNING:
                assert item.suggestion is None, (finding.code, item)
    cured = {
        (finding.code, item.path)
        for finding in before.findings
        for item in finding.items
        if item.suggestion is not None and item.suggestion.basis and aim == "l2"
    }
    assert not cured & grave(after)
    again = regaudit.suggest(after, FACTS[facts], aim)
    assert again.changes == ()
    assert again.decay is None
