"""The weights of a legacy file that no slot is for: which layer each of them belongs to."""

from collections.abc import Iterable
from itertools import takewhile

from msgspec.structs import replace

from regaudit.keras_semantics import keras1
from regaudit.keras_semantics.expected_layers import Planned
from regaudit.keras_semantics.layer_table import OPTIMIZATION_WRAPPERS, Slot
from regaudit.keras_semantics.stored_names import StoredName, relative_path

Named = list[tuple[Slot, StoredName]]
_STATISTICS = {
    *("moving_mean", "moving_variance", "mean", "variance", "count", "vector_u"),
    *("sn_u", "initialized"),  # of TensorFlow Addons' wrappers
}
_OF_CELLS = "ClusterWeightsRNN"
"""A wrapper whose variables have names that end with the number of a cell: `.._kernel/0`."""
_STATISTIC_ENDINGS = ("_scale", "_zero", "_min", "_max")


def spare_weights(
    plan: list[Planned], spare: list[StoredName]
) -> tuple[dict[int, Named], dict[str, Named]]:
    """Find the layers of weights that no slot is for.

    Returns:
        Those that name a layer of the plan, by its identity; the others by path.
    """
    by_name: dict[str, list[tuple[tuple[str, ...], Planned]]] = {}
    for planned in plan:
        for chain in filter(None, planned.chains):
            by_name.setdefault(chain[-1], []).append((chain, planned))
    outermost = plan[0]
    own: dict[int, Named] = {}
    others: dict[str, Named] = {}
    for name in spare:
        owner = _nearest(by_name.get(name.owner[-1], ()), name.owner) if name.owner else outermost
        if owner is None and len(plan) == 1 and outermost.known:
            owner = outermost
        slot = extra_slot(name)
        if owner is None and str(outermost.serialized.get("class_name")) == _OF_CELLS:
            owner, slot = outermost, replace(slot, role=f"{name.owner[-1]}_{name.role}")
        if owner is not None:
            if str(owner.serialized.get("class_name")) in {*OPTIMIZATION_WRAPPERS, "QuantizeLayer"}:
                slot = replace(slot, trainable=slot.role.startswith("cluster_centroids"))
            own.setdefault(id(owner), []).append((slot, name))
        else:
            others.setdefault(relative_path(outermost.path, name.owner), []).append((slot, name))
    return own, others


def _nearest(
    named: Iterable[tuple[tuple[str, ...], Planned]], owner: tuple[str, ...]
) -> Planned | None:
    """Return the layer whose chain of names has most of an owner's in common, from the end."""

    def common(chain: tuple[str, ...]) -> int:
        pairs = zip(reversed(chain), reversed(owner), strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    return max(named, key=lambda pair: common(pair[0]), default=((), None))[1]


def extra_slot(name: StoredName) -> Slot:
    """Return the slot of a weight that only its name describes."""
    statistic = name.role in _STATISTICS or name.role.endswith(_STATISTIC_ENDINGS)
    slot = Slot(name.role, trainable=not statistic)
    return keras1.gate_slot(slot, name.gate) if name.gate else slot
