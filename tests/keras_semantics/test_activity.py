"""The judgement on activity regularizers held against what each Keras made of them.

`fixtures/activity.py` built and ran all cases in each version and wrote `fixtures/activity.json`.
"""

import json
from functools import cache
from itertools import count

import pytest
from msgspec.structs import replace
from paths import FIXTURES

from regaudit import Edit
from regaudit.editing.validity import refusal
from regaudit.keras_semantics.activity import writes_down
from regaudit.keras_semantics.build import activity_unknown
from regaudit.keras_semantics.describe import describe
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.match_by_name import LegacyJoin
from regaudit.model import Status
from regaudit.tensors.tensor import TensorGroup

TABLE = json.loads((FIXTURES / "activity.json").read_text(encoding="utf-8"))
VERSIONS = list(TABLE["versions"])
KEY = "activity_regularizer"
CUSTOM = {"Cell", "Held", "HoldingCell"}
"""Classes of `fixtures/activity_outcome.py` itself."""
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
    if value["class_name"] in CUSTOM:
        own = {"module": None, "registered_name": f"oracle>{value['class_name']}"}
        return {"class_name": value["class_name"], "config": config, **own}
    return {"class_name": value["class_name"], "config": config}


@cache
def described(version):
    """Return what a version made of each case, and the model as the joins describe it."""
    found = []
    for case in TABLE["cases"]:
        layer = written(case["layer"], count())
        if case.get("frozen"):
            layer["config"]["trainable"] = False
        keras = TABLE["versions"][version]["keras"]
        config = {"class_name": "Sequential", "config": {"name": "model", "layers": [layer]}}
        by_path = describe(config, {"keras_version": keras}, TensorGroup()).model
        join = LegacyJoin(Dialect.of(keras))
        join.walk(config, {layer["config"]["name"]: {}})
        models = by_path, replace(by_path, layers=tuple(join.layers))
        found.append((case, outcome_in(version, case), models))
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_each_is_in_force_where_keras_pays_it(version):
    for case, outcome, models in described(version):
        if "refused" in outcome:
            continue
        for model in models:
            found = [one.activity_regularizer for one in model.layers if one.activity_regularizer]
            assert {one.status for one in found} == {expected(outcome)}, (case, outcome)
            if "divided" in outcome and expected(outcome) is Status.IN_FORCE:
                said = {"not divided" not in one.why for one in found}
                assert said == {outcome["divided"]}, (case, outcome)


@pytest.mark.parametrize("version", VERSIONS)
def test_apply_refuses_those_that_keras_never_pays(version):
    for case, outcome, models in described(version):
        never = outcome.get("refused") == "takes no activity regularizer"
        if "refused" in outcome and not never:
            continue
        acts = not never and expected(outcome) is Status.IN_FORCE
        for model in models:
            for layer in model.layers:
                if layer.activity_regularizer and layer.class_name != "ActivityRegularization":
                    bare = without(model, layer, listed=not never)
                    said = refusal(bare, Edit(layer.path, KEY, L1))
                    assert bool(said) is not acts, (case, outcome, said)
                    assert "\n" not in said


def without(model, layer, *, listed):
    """Return a model with no regularizer on the output of a layer, which may list the key."""
    config = {key: value for key, value in layer.config.items() if key != KEY}
    config |= {KEY: None} if listed else {}
    bare = replace(layer, activity_regularizer=None, config=config)
    layers = tuple(bare if one is layer else one for one in model.layers)
    return replace(model, layers=layers)


@pytest.mark.parametrize("version", VERSIONS)
def test_none_in_a_file_says_something_only_of_layers_that_write_it_down(version):
    dialect = Dialect.of(TABLE["versions"][version]["keras"])
    for case in TABLE["cases"]:
        name, outcome = case["layer"]["class_name"], outcome_in(version, case)
        own = KEY in case["layer"]["config"] and name not in CUSTOM
        if own and outcome.get("losses") and isinstance(outcome["stored"], bool):
            assert writes_down(name, dialect) is outcome["stored"], (case, outcome)
            if not dialect.before_keras_3:
                bare = {"class_name": name, "config": {}}
                assert activity_unknown(bare, dialect) is not outcome["stored"]
