"""What changed between two audits, from values and from files."""

import json
from itertools import pairwise

import pytest
from command_line import run
from msgspec.structs import replace
from paths import CORPUS, FIXTURES, MODELS
from rule_values import evidence, kernel, l2, layer

import regaudit
from regaudit.changes.compare import Shift, diff
from regaudit.changes.text import markdown, terminal
from regaudit.model import Optimizer
from regaudit.report.report import Finding, NotRun, Occurrence, Report
from regaudit.report.severity import Severity
from regaudit.report.view import View

OVERFIT, GOOD = str(MODELS / "digits-cnn.keras"), str(MODELS / "regularized-cnn.keras")


def report(*layers, findings=(), **settings):
    """Return an audit of made-up layers."""
    told = evidence(*layers, **settings)
    return Report(
        "m.keras",
        model=told.model,
        moments=told.moments,
        penalties=told.penalties,
        findings=findings,
    )


def dense(path, shape=(10, 10), **changes):
    return layer(path, weights=(kernel(path, shape, **changes),))


def finding(severity, *paths):
    items = tuple(Occurrence(path, severity, "bad") for path in paths)
    return Finding("REG101", "large-layer-unregularized", items)


def kinds(changes):
    return [(one.path, one.kind) for one in changes.weights]


def test_nothing_differs():
    one = report(dense("a", regularizer=l2()), dense("b"))
    changes = diff(one, one)
    assert changes.same
    assert kinds(changes) == [("a/kernel", "same"), ("b/kernel", "same")]


def test_weights_added_removed_reshaped_and_changed():
    old = report(dense("a"), dense("b"), dense("c"), dense("gone", (3, 3)))
    new = report(
        dense("come", (4, 4)), dense("a"), dense("b", (10, 20)), dense("c"), numbers=halved("c")
    )
    changes = diff(old, new)
    assert kinds(changes) == [
        ("come/kernel", "added"),
        ("a/kernel", "same"),
        ("b/kernel", "reshaped"),
        ("c/kernel", "changed"),
        ("gone/kernel", "removed"),
    ]
    numbers = changes.weights[3].numbers
    assert numbers["l2_norm"] == Shift(10.0, 5.0)
    assert numbers["l2_norm"].relative == -0.5
    assert numbers["dead_units"] == Shift(0, 3)


def halved(path):
    return {f"{path}/kernel": {"l2_norm": 5.0, "dead_units": 3}}


def test_layers_that_keras_numbered_anew_are_the_same_layers():
    old = report(dense("dense"), dense("dense_1"), findings=(finding(2, "dense_1/kernel"),))
    new = report(dense("dense_2"), dense("dense_3"), findings=(finding(2, "dense_3/kernel"),))
    changes = diff(old, new)
    assert kinds(changes) == [("dense_2/kernel", "renamed"), ("dense_3/kernel", "renamed")]
    assert not changes.findings


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (None, l2(), "added"),
        (l2(), None, "removed"),
        (l2(1e-4), l2(1e-3), "changed"),
        (l2(1e-3), l2(1e-3 * (1 + 1e-8)), None),
        (l2(1e-3), l2(1e-3, l1=1e-5), "changed"),
    ],
)
def test_regularizers(old, new, kind):
    changes = diff(report(dense("a", regularizer=old)), report(dense("a", regularizer=new)))
    assert [one.kind for one in changes.regularizers] == ([kind] if kind else [])
    assert kinds(changes) == [("a/kernel", "same")]


def test_activity_regularizers_belong_to_the_layer():
    bare = layer("a")
    changes = diff(report(bare), report(replace(bare, activity_regularizer=l2())))
    (change,) = changes.regularizers
    assert (change.path, change.key, change.kind) == ("a", "activity_regularizer", "added")


def test_findings_new_worse_milder_and_fixed():
    layers = (dense("a"), dense("b"), dense("c"))
    old = report(*layers, findings=(finding(Severity.WARNING, "a/kernel", "b/kernel"),))
    new = report(*layers, findings=(finding(Severity.ERROR, "c/kernel", "b/kernel"),))
    found = [(one.kind, one.item.path) for one in diff(old, new).findings]
    assert found == [("new", "c/kernel"), ("worse", "b/kernel"), ("fixed", "a/kernel")]
    assert [one.kind for one in diff(new, old).findings] == ["new", "milder", "fixed"]


FILES = [*sorted(MODELS.glob("*.keras")), *sorted((FIXTURES / "rules").glob("*/*.keras"))]


@pytest.mark.parametrize(("old", "new"), list(pairwise(FILES)), ids=lambda file: file.stem)
def test_it_fits_eighty_columns(old, new):
    changes = diff(regaudit.audit(old), regaudit.audit(new))
    text = terminal(changes, View(verbose=True)).replace(str(FIXTURES), "fixtures")
    assert max(map(len, text.splitlines())) <= 80, text


def test_names_cannot_break_out():
    hostile = "a\x1b[31m|<script>\nb"
    changes = diff(report(dense("a")), report(dense(hostile)))
    assert "\x1b" not in terminal(changes, View())
    assert "<script>" not in markdown(changes, View()).replace("\\<script", "")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([OVERFIT, GOOD], 0, "fixed E REG101 hidden/kernel"),
        ([OVERFIT, GOOD, "--exit-code"], 1, "Regularizers: 2 added"),
        ([GOOD, GOOD, "--exit-code"], 0, "Nothing differs."),
        ([GOOD, OVERFIT], 0, "Why and what to do: regaudit explain REG101"),
        ([GOOD], 2, "Missing argument 'NEW'"),
        ([GOOD, OVERFIT, GOOD], 2, "diff compares two files, not 3: for a series of checkpoints"),
        ([GOOD, str(MODELS)], 2, "one model each"),
        ([GOOD, "gone.keras"], 3, "gone.keras: could not be audited: no such file"),
        ([OVERFIT, GOOD, "--format", "markdown"], 0, "### Regularizers: 2 added"),
    ],
)
def test_the_command(arguments, code, said):
    result = run("diff", *arguments)
    assert result.exit_code == code, result.output
    assert said in result.output


def test_json_has_every_weight_with_its_numbers():
    result = run("diff", OVERFIT, GOOD, "--format", "json")
    content = json.loads(result.output)
    assert content["schema"] == "regaudit-diff/1"
    weights = {one["path"]: one for one in content["weights"]}
    assert weights["conv/kernel"]["kind"] == "reshaped"
    shift = weights["conv/kernel"]["numbers"]["l2_norm"]
    assert shift["relative"] == pytest.approx((shift["new"] - shift["old"]) / shift["old"])
    assert [one["kind"] for one in content["findings"]] == ["fixed"]
    assert not content["same"]
    assert content["optimizer"]["new"]["class_name"] == "SGD"


def test_another_optimizer_is_a_change():
    one = report(dense("a"))
    adam, decayed = (
        replace(
            one, model=replace(one.model, optimizer=Optimizer("AdamW", {"weight_decay": decay}))
        )
        for decay in (None, 0.004)
    )
    changes = diff(decayed, adam)
    assert not changes.same
    assert "weight decay 0.004 -> AdamW" in " ".join(terminal(changes, View()).split())
    assert "- optimizer: AdamW" in markdown(changes, View())
    assert diff(adam, adam).same
    assert diff(adam, one).same


def test_long_lists_are_cut_and_the_cut_is_told():
    old = report(*(dense(f"d{n}", regularizer=l2()) for n in range(30)))
    new = report(
        *(dense(f"d{n}") for n in range(30)),
        findings=(finding(Severity.ERROR, *(f"d{n}/kernel" for n in range(30))),),
    )
    text = terminal(diff(old, new), View())
    assert text.count("and 10 more (--verbose)") == 2
    assert "and 10 more" not in terminal(diff(old, new), View(verbose=True))


def test_what_one_of_the_files_does_not_tell_is_no_change():
    was = report(dense("a", regularizer=l2()), dense("b", regularizer=l2()))
    now = report(dense("a", regularizer_known=False), dense("b"))
    changes = diff(was, now)
    assert [one.path for one in changes.regularizers] == ["b/kernel"]
    assert changes.untold == 1
    assert "regularizers of 1 weight are not compared" in terminal(changes, View())
    assert "regularizers of 1 weight are not compared" in markdown(changes, View())


def test_nor_is_what_a_rule_did_not_look_at_fixed():
    was = report(
        dense("a"), dense("b"), findings=(finding(Severity.ERROR, "a/kernel", "b/kernel"),)
    )
    lacking = NotRun("REG101", "large-layer-unregularized", "it", partly=True, layers=("a",))
    now = replace(report(dense("a"), dense("b")), not_run=(lacking,))
    assert [one.item.path for one in diff(was, now).findings] == ["b/kernel"]


def test_weights_alone_are_compared_by_their_values_only():
    folder = FIXTURES / "apply" / "regularized.directory"
    changes = diff(regaudit.audit(folder), regaudit.audit(folder / "model.weights.h5"))
    assert not changes.regularizers
    assert changes.untold == len(changes.weights)
    assert "0.02552 -> not known" in terminal(changes, View())


@pytest.mark.parametrize("turned", [False, True])
def test_weights_alone_are_those_of_the_model_that_they_were_saved_from(turned):
    pair = [CORPUS / "keras-3.15.1" / f"names.{kind}" for kind in ("keras", "weights.h5")]
    old, new = map(regaudit.audit, reversed(pair) if turned else pair)
    changes = diff(old, new)
    assert changes.weights
    assert all(change.kind == "same" for change in changes.weights)
    assert not changes.regularizers


def test_weights_alone_that_were_trained_further_changed():
    old = report(dense("a"), dense("b"))
    bare = replace(kernel("a", (10, 10)), path="a/variable_0", role="variable_0")
    numbers = {"a/variable_0": {"l2_norm": 5.0}}
    changes = diff(old, report(layer("a", weights=(bare,)), numbers=numbers))
    assert kinds(changes) == [("a/variable_0", "changed"), ("b/kernel", "removed")]
