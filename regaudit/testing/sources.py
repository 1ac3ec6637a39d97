"""What a rule sees, without a file: of a Keras model, of a program that makes one, of values."""

import json
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from regaudit.api import audit
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.graph import Graph
from regaudit.evidence.training_facts import Facts
from regaudit.evidence.units import weighed
from regaudit.measures.moments import measure
from regaudit.measures.penalty import penalties
from regaudit.model import Model
from regaudit.report.report import Report
from regaudit.settings.config import Config
from regaudit.tensors.tensor import ArrayTensor


def evidence(source: Any, values: Mapping[str, Any] | None = None, **facts: Any) -> Evidence:
    """Return what rules see of a model.

    Args:
        source: a `keras.Model` in memory; the path of a file; a configuration, which
            `json.loads(model.to_json())` returns; or a model as `regaudit.testing.chain` makes it.
        values: of a model that `chain` makes: arrays by the path of the weight. Without it all are
            drawn at random, the same each time; with it those of others are unknown.
        facts: what the user says about the training, by the fields of `regaudit.Facts`:
            `train_loss=0.1`.

    Raises:
        ValueError: the model cannot be read.
        TypeError: the source is none of these, or a fact does not exist.
    """
    if isinstance(source, Model):
        return _of_values(source, _drawn(source) if values is None else values, Facts(**facts))
    if values is not None:
        raise TypeError("values are for models that `chain` makes: others have their own")
    known = Facts(**facts)
    config = replace(Config.default(plugins=True), rules=(), facts=known)
    if isinstance(source, Mapping):
        with tempfile.TemporaryDirectory(prefix="regaudit-") as folder:
            file = Path(folder, "model.json")
            file.write_text(json.dumps(source), encoding="utf-8")
            return _of(audit(file, config), known)
    if isinstance(source, list | tuple):
        raise TypeError("not a model: chain(*layers) makes one of layers")
    return _of(audit(source, config), known)


def evidence_of_program(program: str, **facts: Any) -> Evidence:
    """Return what rules see of a model that a Keras program makes, such as `about.bad` of a rule.

    Args:
        program: binds `model`; it has `keras` and `np`. It is run in this process.
        facts: as those of `evidence`.

    Raises:
        ImportError: Keras is not installed.
        ValueError: the program binds no `model`, or that cannot be audited.
    """
    keras = import_module("keras")
    keras.utils.set_random_seed(0)
    names: dict[str, Any] = {"keras": keras, "np": np}
    exec(program, names)  # noqa: S102 - the caller's own program
    if "model" not in names:
        raise ValueError("the program binds no `model`")
    return evidence(names["model"], **facts)


def _of(report: Report, facts: Facts) -> Evidence:
    if report.model is None:
        why = report.failure.message if report.failure else "it has no model"
        raise ValueError(f"{report.file}: {why}")
    return Evidence(report.model, report.moments, report.penalties, facts, report.measured)


def _of_values(model: Model, values: Mapping[str, Any], facts: Facts) -> Evidence:
    """Measure arrays as those of a file are measured."""
    weights = [weight for _, weight in model.weights() if weight.path in values]
    if strange := values.keys() - {weight.path for weight in weights}:
        raise ValueError(f"the model has no weight {', '.join(sorted(strange))}")
    tensors = {
        weight.stored_path: ArrayTensor(np.asarray(values[weight.path])) for weight in weights
    }
    for weight in weights:
        if tensors[weight.stored_path].shape != weight.shape:
            raise ValueError(f"the values of {weight.path} are of another shape")
    found = measure([(tensors[weight.stored_path], weight.units) for weight in weights])
    named = {weight.stored_path: one for weight, one in zip(weights, found, strict=True)}
    moments = weighed(Graph(model), named)
    return Evidence(model, moments, penalties(model, moments, tensors), facts)


def _drawn(model: Model) -> dict[str, Any]:
    """Return values for each weight as an initializer may draw them; biases are zero."""
    random = np.random.default_rng(0)
    return {
        weight.path: random.normal(0.0, 0.05, weight.shape).astype(np.float32)
        if len(weight.shape) > 1
        else np.zeros(weight.shape, np.float32)
        for _, weight in model.weights()
    }
