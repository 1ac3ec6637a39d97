"""Checkpoints held against what the libraries that wrote them make of them."""

import json

import pytest
from msgspec.structs import replace
from paths import FIXTURES

from regaudit.auditing.audit_file import audit_file
from regaudit.keras_semantics.safe_json import parse_architecture
from regaudit.settings.config import Config

FOLDER = FIXTURES / "checkpoints"
CASES = sorted(file.parent for file in FOLDER.glob("*/*/expected.json"))
JOINED = [case for case in CASES if (case / "model.json").is_file()]


def named(case):
    return f"{case.parent.name}/{case.name}"


def expected(case):
    return json.loads((case / "expected.json").read_text("utf-8"))


def audited(case, *, joined=False):
    said = expected(case)
    config = Config.default()
    if joined:
        raw = (case / "model.json").read_bytes()
        config = replace(config, architecture=parse_architecture(raw, "model.json"))
    report = audit_file(case / said["prefix"], config)
    assert report.failure is None, report.failure
    assert report.format == "checkpoint"
    assert report.file.endswith(".index")
    return report, said


def found_by_values(report, said, *, joined=False):
    """Pair what is expected with the weight of the same values, which no other has."""
    left = {
        weight.stored_path: (layer, weight, report.moments[weight.stored_path])
        for layer, weight in report.model.weights()
    }
    for one in said["weights"]:
        alike = [
            key
            for key, (_, weight, moments) in left.items()
            if list(weight.shape) == one["shape"]
            and moments.l2_norm == pytest.approx(one["l2_norm"], rel=1e-6)
            and moments.l1_norm == pytest.approx(one["l1_norm"], rel=1e-6)
            and moments.zeros == one["zeros"]
            and weight.role == one["name"].rpartition("/")[2]
        ]
        assert alike, one
        yield one, *left.pop(alike[0])[:2]
    assert len(left) == said.get("others", 0) * (not joined), list(left)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_every_weight_is_measured_and_nothing_else(case):
    report, said = audited(case)
    for _, layer, weight in found_by_values(report, said):
        assert not layer.known
        assert weight.regularizer is None
        assert not weight.regularizer_known


@pytest.mark.parametrize("case", JOINED, ids=named)
def test_with_its_configuration_it_is_what_keras_makes_of_it(case):
    report, said = audited(case, joined=True)
    for one, layer, weight in found_by_values(report, said, joined=True):
        assert layer.known
        assert weight.trainable == one["trainable"], one["name"]
        penalty = report.penalties[weight.stored_path]
        assert penalty == pytest.approx(one["penalty"], rel=1e-5), one["name"]
    assert report.penalty_complete
    assert report.penalty == pytest.approx(said["losses"], rel=1e-5)


@pytest.mark.parametrize("case", [c for c in CASES if "iterations" in expected(c)], ids=named)
def test_steps_and_rate_of_the_optimizer_are_read(case):
    report, said = audited(case)
    optimizer = report.model.optimizer
    assert optimizer.iterations == said["iterations"]
    assert optimizer.learning_rate == pytest.approx(said.get("learning_rate"))
