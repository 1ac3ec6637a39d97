"""Which strengths a sweep tries, and which go on."""

from dataclasses import dataclass
from math import inf

import pytest

from regaudit.sweeping.search import halving, ladder


@dataclass
class Rung:
    factor: float
    score: float


def climbed(scores, most=4):
    """Return the factors that are tried, step by step."""
    steps = ladder(lambda factor: Rung(factor, scores.get(factor, inf)), most)
    return [[rung.factor for rung in step] for step in steps]


@pytest.mark.parametrize(
    ("scores", "tried"),
    [
        ({1: 3, 4: 2, 16: 1, 64: 0.5}, [[1, 4], [16], [64]]),
        ({1: 3, 4: 2, 16: 2.5}, [[1, 4], [16]]),
        ({1: 2, 4: 3, 0.25: 1, 0.0625: 0.5}, [[1, 4], [0.25], [0.0625]]),
        ({1: 2, 4: 3, 0.25: 2.5}, [[1, 4], [0.25]]),
        ({1: 2, 4: 2, 0.25: 3}, [[1, 4], [0.25]]),  # no different is not better
        ({1: 2, 4: inf, 0.25: 1, 0.0625: 2}, [[1, 4], [0.25], [0.0625]]),
        ({}, [[1, 4], [0.25]]),  # all diverge
    ],
)
def test_ladder_goes_where_the_score_improves(scores, tried):
    assert climbed(scores) == tried


@pytest.mark.parametrize("most", [1, 2, 3, 9])
def test_ladder_has_no_more_rungs_than_allowed(most):
    tried = climbed({4.0**power: -power for power in range(20)}, most)
    assert sum(map(len, tried)) == most


def test_the_better_half_goes_on_for_twice_as_long():
    rungs = [Rung(1, 4), Rung(4, 2), Rung(16, 1), Rung(64, 3)]
    steps = [([one.factor for one in alive], epochs) for alive, epochs in halving(rungs, 10, 1000)]
    assert steps == [([16, 4], 20), ([16], 40)]


def test_halving_spends_no_more_than_the_budget():
    rungs = [Rung(1, 4), Rung(4, 2), Rung(16, 1), Rung(64, 3)]
    steps = list(halving(rungs, 10, 30))
    assert [(len(alive), epochs) for alive, epochs in steps] == [(2, 15)]
    assert list(halving(rungs, 10, 1)) == []
    assert list(halving(rungs, 10, -5)) == []


def test_what_diverged_does_not_go_on():
    steps = list(halving([Rung(1, inf), Rung(4, inf), Rung(16, 1)], 10, 1000))
    assert steps == []
    steps = list(halving([Rung(1, 2), Rung(4, inf), Rung(16, 1)], 10, 1000))
    assert [[one.factor for one in alive] for alive, _ in steps] == [[16]]
