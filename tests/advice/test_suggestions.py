"""What stands beside a finding: the proposal's change for its weight, or why there is none."""

import pytest
from rule_values import evidence, kernel, l2, layer

from regaudit.advice.propose import propose
from regaudit.advice.suggestions import remove, with_proposed
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity


def dense(path, regularizer=None, **changes):
    return layer(path, weights=(kernel(path, regularizer=regularizer, **changes),), units=10)


def at(path):
    return Occurrence(path, Severity.WARNING, "something is wrong")


def weaker(change):
    return change.after < change.before


def test_a_strength_that_goes_the_other_way_is_no_cure():
    strong = propose(evidence(dense("a", l2(0.1)), dense("b", l2(0.1))))
    item = with_proposed(at("a/kernel"), strong, lambda change: not weaker(change))
    assert item.suggestion is None
    assert "does not end this fault" in item.no_suggestion


def test_a_fault_of_strength_gets_the_change_of_the_proposal():
    proposal = propose(evidence(dense("a", l2(2e-3)), dense("b", l2(2e-3)), facts={}))
    assert proposal.changes == ()
    strong = propose(evidence(dense("a", l2(0.1)), dense("b", l2(0.1))))
    item = with_proposed(at("a/kernel"), strong, weaker)
    (change, _) = strong.changes
    assert item.suggestion.edits == (change.edit,)
    assert item.suggestion.code == change.code
    assert item.suggestion.penalty == pytest.approx(change.after)
    assert item.suggestion.basis == "untested start of a sweep"
    assert item.no_suggestion == ""


def test_or_why_the_kernel_is_left():
    table = layer("table", "Embedding", weights=(kernel("table", (1_000, 200), role="embeddings"),))
    item = with_proposed(at("table/kernel"), propose(evidence(table, dense("b"))), weaker)
    assert item.suggestion is None
    assert "rows that no batch holds" in item.no_suggestion


def test_or_why_the_model_is():
    losses = {"train_loss": 0.5, "val_loss": 0.51}
    proposal = propose(evidence(dense("a"), facts=losses))
    item = with_proposed(at("a/kernel"), proposal, weaker)
    assert item.no_suggestion == proposal.verdict
    assert "does not overfit" in item.no_suggestion


def test_a_regularizer_can_be_taken_away():
    one = layer("d", weights=(kernel("d", regularizer=l2(0.1)),))
    suggestion = remove(one, one.weights[0], "it does harm")
    assert suggestion.code == "kernel_regularizer=None"
    assert suggestion.edits[0].value is None
    assert suggestion.basis is None


def test_what_has_no_key_cannot_be():
    one = layer("d", weights=(kernel("d", regularizer_key=None),))
    assert remove(one, one.weights[0], "it does harm") is None
