"""Records that are of the right types, and of nothing that any audit has found."""

import copy

import numpy as np
import pytest
from paths import MODELS

import regaudit
from regaudit.auditing.audit_file import audit_file
from regaudit.report.contradictions import ARGUMENT, PATH
from regaudit.report.document import record
from regaudit.report.read_record import report_of
from regaudit.settings.config import Config

GOOD = record(audit_file(MODELS / "tutorial-l2.keras", Config.default(spectral=True)))
KERNEL = GOOD["layers"][0]["weights"][0]
SUGGESTION = {
    "weight": "dense/kernel",
    "code": "kernel_regularizer=None",
    "edits": [],
    "penalty": 0.0,
    "reason": "",
}
WEIGHT, SPECTRUM = ("layers", 0, "weights", 0), ("layers", 0, "weights", 0, "spectrum")


def changed(place, value):
    made = copy.deepcopy(GOOD)
    inner = made
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return made


def test_what_was_not_changed_is_read():
    assert record(report_of(copy.deepcopy(GOOD))) == GOOD


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("l2_norm", 1e308, "L2 norm exceeds"),
        ("l2_norm", KERNEL["l1_norm"] * 1.001, "L2 norm exceeds"),
        ("l2_norm", 0.0, "exceeds its L2 norm"),
        ("l2_norm", None, "a norm is missing"),
        ("l1_norm", 1e300, "L1 norm exceeds"),
        ("l1_norm", KERNEL["l2_norm"] / 2, "exceeds its L1 norm"),
        ("max_abs", KERNEL["l2_norm"] * 1.001, "largest value exceeds"),
        ("max_abs", 0.0, "zeros are not those"),
        ("max_abs", None, "its largest value is missing"),
        ("mean", 1e9, "mean"),
        ("mean", -KERNEL["max_abs"], "mean"),
        ("std", KERNEL["std"] * 2, "deviation"),
        ("std", None, "a norm is missing"),
        ("nonfinite", 3, "not finite"),
        ("zeros", KERNEL["near_zeros"] + 1, "near zero"),
        ("near_zeros", 10**9, "more values are counted"),
        ("sparsity", 5e-324, "sparsity"),
        ("sparsity", None, "sparsity"),
        ("sparsity", 0.5, "sparsity"),
        ("units", 10**7, "more units than values"),
        ("dead_units", KERNEL["units"], "near zero make up"),
        ("dead_units", None, "missing"),
        ("zeros", None, "only in part"),
        ("penalty", KERNEL["penalty"] * 1.01, "penalty"),
        ("penalty_share", 0.5, "penalty_share"),
        ("shape", [1, 1], "more values are counted"),
        ("regularizer", None, "no regularizer"),
    ],
)
def test_numbers_of_one_weight(key, value, why):
    with pytest.raises(ValueError, match=why):
        report_of(changed((*WEIGHT, key), value))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shape", [3, 3]),
        ("shape", [-1, -1]),
        ("spectral_norm", 1e9),
        ("spectral_norm", -1.0),
        ("stable_rank", 1e9),
        ("stable_rank", 0.1),
        ("effective_rank", 1e9),
        ("alpha_tail", 10**6),
        ("ranks", [1]),
        ("ranks", [2, 1]),
        ("singular_values", [1.0]),
        ("singular_values", [1e9]),
    ],
)
def test_numbers_of_a_spectrum(key, value):
    with pytest.raises(ValueError, match=r"dense/kernel|spectrum\.shape"):
        report_of(changed((*SPECTRUM, key), value))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("size",), -1),
        (("coverage", "weights"), 1),
        (("coverage", "measured"), 0),
        (("penalty", "total"), 1e9),
        (("model", "parameters"), 7),
        (("model", "trainable_parameters"), 10**40),
        (("model",), None),
        (("findings", 0, "count"), 9),
        (("findings", 0, "severity"), "error"),
        (("suggestions",), [SUGGESTION]),
    ],
)
def test_sums_are_those_of_the_parts(place, value):
    with pytest.raises(ValueError, match=f"{place[0]}|comes to"):
        report_of(changed(place, value))


def test_names_are_no_longer_than_those_of_files():
    with pytest.raises(ValueError, match="longer than"):
        report_of(changed(("file",), "a" * (PATH + 1)))
    odd = "\\udcff" * PATH  # bytes that are no UTF-8, as a record shows them
    assert report_of(changed(("file",), odd)).file == odd
    failed = record(regaudit.audit("a" * (PATH + 1)))
    assert report_of(failed).failure
    with pytest.raises(ValueError, match="longer than"):
        report_of({**failed, "file": "a" * (ARGUMENT + 1)})


@pytest.mark.parametrize("scale", [0.0, 5e-324, 1e-200, 1e-160, 1e150, 1e160, 1.7e308])
def test_squares_that_overflow_or_vanish_are_no_contradiction(tmp_path, scale):
    """Of arrays that are next to the ends of what float64 holds."""
    h5py = pytest.importorskip("h5py")
    file = tmp_path / "w.weights.h5"
    with h5py.File(file, "w") as out:
        out["layers/dense/vars/0"] = np.full((50, 30), scale)
        out["layers/dense/vars/1"] = np.linspace(-1, 1, 30) * scale
    found = regaudit.audit(file, Config.default(spectral=True))
    assert found.failure is None
    assert record(report_of(record(found))) == record(found)
