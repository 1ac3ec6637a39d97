"""Regularizers as files have them, read as each Keras does: see `fixtures/identifiers.py`."""

import json
from math import isfinite

import numpy as np
import pytest
from paths import FIXTURES

from regaudit.keras_semantics.build import make_layer
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.regularizers import is_refused, parse_regularizer
from regaudit.model import Status

TABLE = json.loads((FIXTURES / "identifiers.json").read_text(encoding="utf-8"))


def dialect(column):
    name, _, suffix = column.rpartition(".")
    version = TABLE["versions"][name]["keras"]
    return Dialect(Dialect.of(version).version, of_hdf5=suffix == "h5")


def read(where, value, dialect):
    """Return what regaudit makes of it."""
    if where != "ActivityRegularization":
        return parse_regularizer(value, dialect)
    serialized = {"class_name": where, "config": {"name": "a", **value}}
    return make_layer(serialized, "a", (), dialect=dialect).activity_regularizer


def told(found):
    """Say of it what the table says of Keras's, as far as that can be compared."""
    if found is None:
        return {"class": None}
    if found.status is Status.OPAQUE:
        return {"custom": True}
    if is_refused(found):
        return {"refused": True}
    keys = {"L1": ("l1",), "L2": ("l2",), "L1L2": ("l1", "l2")}.get(found.class_name, ())
    strengths = {key: getattr(found, key) for key in keys}
    if found.class_name == "OrthogonalRegularizer":
        strengths = dict(found.config)
    return {"class": found.class_name, **strengths}


def expected(outcome):
    """Say what is right, given what Keras did."""
    unusable = isinstance(outcome.get("penalty"), str) and outcome["penalty"].endswith("Error")
    finite = all(isfinite(float(outcome.get(key, 0))) for key in ("l1", "l2", "factor"))
    too_large = any(float(outcome.get(key, 0)) > 3.4e38 for key in ("l1", "l2"))
    if unusable and finite and not too_large:
        return {"refused": True}
    return {key: value for key, value in outcome.items() if key != "penalty"}


def same(ours, right):
    """Compare numbers as float32: some versions keep them so."""
    if ours.keys() != right.keys():
        return False
    with np.errstate(over="ignore"):
        return all(
            np.float32(right[key]) == np.float32(value)
            if key in {"l1", "l2", "factor"}
            else right[key] == value
            for key, value in ours.items()
        )


@pytest.mark.parametrize("column", TABLE["columns"])
def test_every_identifier_is_read_as_this_keras_reads_it(column):
    at, keras = TABLE["columns"].index(column), dialect(column)
    wrong = []
    for where, value, outcomes, by in TABLE["cases"]:
        outcome = outcomes[int(by[at], 36)]
        right, found = expected(outcome), read(where, value, keras)
        ours = told(found)
        pays = bool(outcome.get("penalty", 0))
        if not same(ours, right) or (pays and found.status is Status.INERT):
            wrong.append(f"{where} {json.dumps(value)}: {right} in Keras, not {ours}")
    assert not wrong, "\n".join(wrong)
