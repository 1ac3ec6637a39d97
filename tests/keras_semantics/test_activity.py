"""The judgement on activity regularizers held against what each Keras made of them.

`fixtures/activity.py` built and ran all cases in each version and wrote `fixtures/activity.json`.
"""

import json
from itertools import count

import pytest
from msgspec.structs import replace
from paths import FIXTURES

from regaudit import Edit
from regaudit.editing.validity import refusal
from regaudit.keras_semantics.describe import describe
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.match_by_name import LegacyJoin
from regaudit.model import Status
from regaudit.tensors.tensor import TensorGroup

TABLE = json.loads((FIXTURES / "activity.json").read_text(encoding="utf-8"))
VERSIONS = list(TABLE["versions"])
KEY = "activity_regularizer"
L1 = {"class_name": "L1", "config": {"l1": 0.1}}


def outcome_in(version, case):
    """Return what one version made of a case."""
    at = VERSIONS.index(version)
    (found,) = (
        outcome
        for outcome in case["outcomes"]
        if any(VERSIONS.index(a) <= at <= VERSIONS.index(z) for a, z in outcome["in"])
    )
    return found


def expected(outcome):
    if isinstance(outcome.get("evaluate"), str):
        return Status.UNKNOWN  # an error
    return Status.IN_FORCE if outcome["losses"] else Status.INERT


def written(value, names):
    """Return a description of a layer as a file has it."""
    if isinstance(value, list):
        return [written(item, names) for item in value]
    if not isinstance(value, dict) or value.get("class_name") in {None, "L1"}:
        return value
    config = {key: written(item, names) for key, item in value["config"].items()}
    config["name"] = f"l{next(names)}"
    if isinstance(config.get("cell"), list):
        config["cell"] = written(
            {"class_name": "StackedRNNCells", "config": {"cells": value["config"]["cell"]}}, names
        )
    if value["class_name"] in {"Cell", "Held", "HoldingCell"}:
        own = {"module": None, "registered_name": f"oracle>{value['class_name']}"}
        return {"class_name": value["class_name"], "config": config, **own}
    return {"class_name": value["class_name"], "config": config}


def models(case, version):
    """Yield the model of a case as the joins by path and by name describe it."""
    layer = written(case["layer"], count())
    if case.get("frozen"):
        layer["config"]["trainable"] = False
    keras = TABLE["versions"][version]["keras"]
    config = {"class_name": "Sequential", "config": {"name": "model", "layers": [layer]}}
    model = describe(config, {"keras_version": keras}, TensorGroup()).model
    yield model
    join = LegacyJoin(Dialect.of(keras))
    join.walk(config, {layer["config"]["name"]: {}})
    yield replace(model, layers=tuple(join.layers))


@pytest.mark.parametrize("version", VERSIONS)
def test_each_is_in_force_where_keras_pays_it(version):
    for case in TABLE["cases"]:
        outcome = outcome_in(version, case)
        if "refused" in outcome:
            continue
        for model in models(case, version):
            paying = [layer for layer in model.layers if layer.activity_regularizer]
            found = {layer.activity_regularizer.status for layer in paying}
            assert found == {expected(outcome)}, (case, outcome)
            if "divided" in outcome and found == {Status.IN_FORCE}:
                said = {"not divided" in layer.activity_regularizer.why for layer in paying}
                assert said == {not outcome["divided"]}, (case, outcome)


@pytest.mark.parametrize("version", VERSIONS)
def test_apply_refuses_those_that_keras_never_pays(version):
    for case in TABLE["cases"]:
        outcome = outcome_in(version, case)
        never = outcome.get("refused") == "takes no activity regularizer"
        if "refused" in outcome and not never:
            continue
        acts = not never and expected(outcome) is Status.IN_FORCE
        for model in models(case, version):
            for layer in model.layers:
                if layer.activity_regularizer and layer.class_name != "ActivityRegularization":
                    said = refusal(
                        without(model, layer, listed=not never), Edit(layer.path, KEY, L1)
                    )
                    assert bool(said) is not acts, (case, outcome, said)
                    assert "\n" not in said


def without(model, layer, *, listed):
    """Return a model with no regularizer on the output of a layer, which may list the key."""
    config = {key: value for key, value in layer.config.items() if key != KEY}
    bare = replace(
        layer, activity_regularizer=None, config=config | {KEY: None} if listed else config
    )
    return replace(model, layers=tuple(bare if one is layer else one for one in model.layers))
