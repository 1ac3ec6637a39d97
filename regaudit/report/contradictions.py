"""What in a report that was read back cannot be: no audit has found it."""

import re
from collections.abc import Iterator
from itertools import pairwise
from math import hypot, isclose, prod, sqrt
from typing import Any

from msgspec import UNSET, Struct
from msgspec.structs import replace

from regaudit.measures.moments import Moments
from regaudit.measures.spectrum import Spectrum
from regaudit.model import Status, Weight
from regaudit.report import schema
from regaudit.report.document import described
from regaudit.report.report import Report
from regaudit.report.schema import added_later

MOST = 1 << 62
"""Largest count, size, or product of a shape."""

PATH, ARGUMENT = 4096, 1 << 17
"""Bytes of the longest path that can be opened, and of the longest that a command can be given."""

_ROUNDING, _UNDERFLOW = 1e-6, 1e-140
"""What sums may be off, relative to them and absolutely: squares of small values are denormal."""

_TAME = 1e150
"""No square of what is below overflows."""

_BYTE = re.compile(r"\\udc[89a-f][0-9a-f]")
"""A byte of a file's name that is no UTF-8, as a record has it."""

_Faults = Iterator[tuple[bool, str]]
"""Whether there is a fault, and which."""


def check_report(report: Report, read: schema.Report) -> None:
    """Refuse what contradicts itself.

    Args:
        report: as it was read.
        read: what it was made from.

    Raises:
        ValueError: it does; the message says how.
    """
    _refuse(_of_report(report))
    for _, weight in report.model.weights() if report.model else ():
        moments = report.moments.get(weight.stored_path)
        _refuse(_of_weight(weight, report, moments), weight.path)
    # Sums, shares and counts are worked out anew: others are not of this report.
    made = replace(described(report), file=read.file)
    if place := _difference(read, made):
        raise ValueError(f"{place.lstrip('.')[:100]} is not what the rest of it comes to")


def _refuse(faults: _Faults, path: str = "") -> None:
    for is_there, what in faults:
        if is_there:
            raise ValueError(f"{path[:100]}: {what}" if path else what)


def _of_report(report: Report) -> _Faults:
    longest = PATH if report.failure is None else ARGUMENT
    length = len(_BYTE.sub("?", report.file).encode("utf-8", "replace"))
    yield length > longest, f"the name of its file is longer than {longest:,} bytes"
    yield not 0 <= (report.size or 0) <= MOST, "its size is below zero, or beyond all sizes"


def _of_weight(weight: Weight, report: Report, moments: Moments | None) -> _Faults:
    yield weight.size > MOST, "it has more values than any weight"
    penalty = report.penalties[weight.stored_path]
    yield weight.regularizer is None and bool(penalty), "it has a penalty and no regularizer"
    if moments is None:
        return
    # Values that lie packed, two in a byte, are more than the shape says.
    packed = weight.dequantized_from is not None
    most = 2 * weight.size if packed else weight.size
    yield not weight.size <= moments.size <= most, "its sparsity is not that of its zeros"
    exact = not packed or moments.zeros > 0
    yield from _of_counts(moments, most)
    yield from _of_norms(moments, moments.size if exact else most)
    yield from _of_distribution(moments if exact else None)
    yield _is_wrong(penalty, weight, moments), "its penalty is not that of its norms"
    spectrum = (report.spectra or {}).get(weight.stored_path)
    if spectrum:
        yield from _of_spectrum(spectrum, weight.size, most, moments)


def _of_counts(one: Moments, size: int) -> _Faults:
    small, effective = one.small_values, one.effective_units
    counts = (one.nonfinite, one.zeros, one.near_zeros, one.units or 0, one.dead_units or 0)
    yield min(*counts, small or 0, effective or 0) < 0, "a count is below zero"
    most = max(one.zeros, one.near_zeros) + one.nonfinite
    yield most > size, "more values are counted than it has"
    yield (one.units or 0) > size > 0, "it has more units than values"
    yield one.near_zeros < one.zeros, "more of its values are zero than near zero"
    yield (one.dead_units is None) != (one.units is None), "units or dead units are missing"
    yield (one.dead_units or 0) > (one.units or 0), "more units are dead than there are"
    yield (effective or 0) > (one.units or 0), "more units are effective than there are"
    if small is not None:
        yield small < one.zeros, "more of its values are zero than small"
        yield small + one.nonfinite > size, "more values are small than it has"
    if one.units and one.dead_units:
        dead = one.dead_units * (one.size // one.units)
        yield dead > one.near_zeros, "more units are dead than its values near zero make up"


def _of_norms(one: Moments, size: int) -> _Faults:
    """Compare the norms with each other, for so many values at most."""
    norms = (one.l1_norm, one.l2_norm, one.max_abs)
    known = [norm for norm in (*norms, one.mean, one.std) if norm is not None]
    yield any(norm < 0 for norm in (*norms, one.std) if norm is not None), "a norm is below zero"
    yield one.nonfinite > 0 and bool(known), "it has norms, and values that are not finite"
    if one.nonfinite or one.max_abs is None:
        yield not one.nonfinite, "its largest value is missing"
        return
    yield (one.max_abs == 0) != (one.zeros == one.size), "its zeros are not those of its norms"
    tame = one.max_abs * size < _TAME
    yield tame and size > 0 and len(known) < 5, "a norm is missing"
    nonzero = size - one.zeros
    if one.l2_norm is not None:
        yield _exceeds(one.max_abs, one.l2_norm), "its largest value exceeds its L2 norm"
        most = one.max_abs * sqrt(nonzero)
        yield _exceeds(one.l2_norm, most), "its L2 norm exceeds what its values come to"
    if one.l1_norm is not None:
        yield _exceeds(one.l2_norm or 0, one.l1_norm), "its L2 norm exceeds its L1 norm"
        most = one.max_abs * nonzero
        yield _exceeds(one.l1_norm, most), "its L1 norm exceeds what its values come to"


def _of_distribution(one: Moments | None) -> _Faults:
    """Compare mean and deviation with the norms, where it is known of how many values."""
    if one is None or one.size == 0:
        return
    if one.mean is not None and one.l1_norm is not None:
        yield _exceeds(abs(one.mean), one.l1_norm / one.size), "its mean exceeds its values"
    if one.mean is not None and one.std is not None and one.l2_norm is not None:
        mean_square = one.l2_norm / sqrt(one.size)
        fits = _is_close(hypot(one.mean, one.std), mean_square)
        yield not fits, "its mean and deviation are not those of its L2 norm"


def _is_wrong(penalty: float | None, weight: Weight, one: Moments) -> bool:
    """Whether a penalty is neither none nor what Keras makes of the norms."""
    found = weight.regularizer
    if found is None or not penalty or found.l1 is None or found.l2 is None:
        return False
    if weight.shared_with is not None or found.status in {Status.INERT, Status.UNKNOWN}:
        return True
    if one.l1_norm is None or one.l2_norm is None:
        return True
    return not _is_close(penalty, found.l1 * one.l1_norm + found.l2 * one.l2_norm**2)


def _of_spectrum(one: Spectrum, least: int, most: int, moments: Moments) -> _Faults:
    """Compare a spectrum with the moments of a weight of `least` to `most` values."""
    fits = min(one.shape) >= 0 and least <= prod(one.shape) <= most
    yield not fits, "its matrix has another size than it has"
    yield min(one.spectral_norm, one.spectral_norm_error) < 0, "a norm is below zero"
    largest = (moments.l2_norm or 0) * (1 + one.spectral_norm_error)
    above = moments.l2_norm is not None and _exceeds(one.spectral_norm, largest)
    yield above, "its spectral norm exceeds its L2 norm"
    side = min(one.shape) * (2 if most > least else 1)
    ranks = [rank for rank in (one.stable_rank, one.effective_rank) if rank is not None]
    slack = 1 + 1e-3 + one.spectral_norm_error
    wrong = any(not 1 / slack**2 <= rank <= side * slack**2 for rank in ranks)
    yield wrong, "a rank of it is none that its matrix can have"
    yield not 0 <= (one.alpha_tail or 0) <= side, "its tail has more values than its matrix"
    ordered = (0, *one.ranks, side + 1)
    fits = len(one.ranks) == len(one.singular_values)
    fits = fits and all(low < high for low, high in pairwise(ordered))
    yield not fits, "its singular values have no ranks that its matrix can have"
    values = (one.spectral_norm, *one.singular_values, 0.0)
    yield any(_exceeds(low, high) for high, low in pairwise(values)), "its singular values grow"


def _exceeds(one: float, other: float) -> bool:
    """Whether one is larger by more than rounding."""
    return one > other * (1 + _ROUNDING) + _UNDERFLOW


def _is_close(one: float, other: float) -> bool:
    return isclose(one, other, rel_tol=_ROUNDING, abs_tol=_UNDERFLOW)


def _difference(given: Any, made: Any, place: str = "") -> str:
    """Return where what was given is not what was made of it; empty for nowhere.

    Results of earlier versions lack some keys.
    """
    if isinstance(given, Struct) and type(given) is type(made):
        names = (name for name in given.__struct_fields__ if getattr(given, name) is not UNSET)
        pairs = ((f"{place}.{name}", getattr(given, name), getattr(made, name)) for name in names)
    elif type(given) is dict and type(made) is dict:
        keys = (key for key in made if key in given or key not in _OF_OPTIMIZERS)
        pairs = ((f"{place}.{key}", given.get(key), made[key]) for key in keys)
    elif type(given) is list and type(made) is list and len(given) == len(made):
        both = enumerate(zip(given, made, strict=True))
        pairs = ((f"{place}[{number}]", *pair) for number, pair in both)
    elif type(given) in {int, float} and type(made) in {int, float}:
        return "" if isclose(given, made, rel_tol=_ROUNDING) else place
    else:
        return "" if given == made else place
    return next(filter(None, (_difference(one, other, at) for at, one, other in pairs)), "")


_OF_OPTIMIZERS = added_later(schema.Optimizer)
