"""Matrices of which a sample always runs, and the whole under `-m slow`."""

import pytest


def sampled(values, every=5):
    """Return the values as parameters: one in so many stays, the others are `slow`.

    An odd number takes both of what stands in pairs: good and bad, `.h5` and `.keras`. A tuple is
    several arguments of a test.
    """
    params = [one if hasattr(one, "marks") else _param(one) for one in values]
    slow = pytest.mark.slow
    return [
        pytest.param(*one.values, id=one.id, marks=[*one.marks, slow]) if at % every else one
        for at, one in enumerate(params)
    ]


def _param(value):
    return pytest.param(*value) if isinstance(value, tuple) else pytest.param(value)
