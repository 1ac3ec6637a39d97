"""Models as plain values, for tests of rules: a chain of layers with made-up numbers."""

from msgspec.structs import replace
from numpy import arange, packbits

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.training_facts import Facts
from regaudit.keras_semantics.layer_table import last_axis
from regaudit.measures.moments import Moments
from regaudit.model import Layer, Model, Node, Optimizer, Output, Regularizer, Status, Weight


def kernel(path, shape=(1000, 1000), **changes):
    weight = Weight(
        f"{path}/kernel",
        f"layers/{path}/vars/0",
        "kernel",
        shape,
        "float32",
        trainable=True,
        regularizer_key="kernel_regularizer",
        units=last_axis(shape, {}),
    )
    return replace(weight, **changes)


def layer(path, class_name="Dense", weights=(), **config):
    return Layer(path, path, class_name, config, trainable=True, weights=weights, node=path)


def moments(weight, dead=0):
    units = weight.units.units if weight.units else None
    packed = packbits(arange(units or 0) < dead).tobytes()
    return Moments(weight.size, 0, 0, 0, 1e-5, 100.0, 10.0, 1.0, 0.0, 0.1, units, dead, packed)


def l2(strength=1e-4, l1=0.0, status=Status.IN_FORCE):
    """Return a regularizer."""
    return Regularizer("L1L2" if l1 else "L2", l1, strength, {"l2": strength}, status)


def adam(class_name="Adam", steps=1000, **config):
    """Return an optimizer of the rate 0.001 that has taken some steps."""
    return Optimizer(class_name, {"learning_rate": 1e-3, **config}, steps)


def evidence(
    *layers,
    nodes=None,
    optimizer=None,
    loss="categorical_crossentropy",
    dead=0,
    numbers=None,
    penalties=None,
    facts=None,
    keras="3.15.1",
):
    """Return a chain of layers with made-up numbers: norms L1 100 and L2 10 for every weight.

    Args:
        layers: the last makes the output.
        nodes: the graph, where it is no chain.
        optimizer: as the file keeps it.
        loss: as stored.
        dead: dead units in every weight.
        numbers: `Moments` fields to change, by the path of the weight.
        penalties: by the path of the weight; by default by its strength and the norms.
        facts: what the user knows, by name.
        keras: version that saved the file.
    """
    if nodes is None:
        nodes = tuple(
            Node(one.path, one.class_name, (layers[n - 1].path,) if n else ())
            for n, one in enumerate(layers)
        )
    last = nodes[-1].path
    model = Model(
        "m",
        "Sequential",
        layers,
        keras_version=keras,
        optimizer=optimizer,
        loss=loss,
        nodes=nodes,
        outputs=(Output(last, last),),
    )
    weights = [weight for _, weight in model.weights()]
    measured = {
        w.stored_path: replace(moments(w, dead), **(numbers or {}).get(w.path, {})) for w in weights
    }
    paid = {
        w.stored_path: (penalties or {}).get(w.path, _penalty(w, measured[w.stored_path]))
        for w in weights
    }
    return Evidence(model, measured, paid, Facts(**(facts or {})))


def _penalty(weight, measured):
    regularizer = weight.regularizer
    if regularizer is None or regularizer.status is not Status.IN_FORCE:
        return 0.0
    l1, l2 = regularizer.l1 or 0.0, regularizer.l2 or 0.0
    return l1 * measured.l1_norm + l2 * measured.l2_norm**2


def severities(found):
    """Return the severities in order."""
    return [item.severity for item in found]
