"""How far a sweep is, and how long the rest will take."""

from regaudit.sweeping.pace import Pace


def test_the_time_left_comes_from_the_epochs_that_were_done():
    clock = iter([0.0, 20.0])
    pace = Pace(100, lambda: next(clock))
    pace.begin()
    for epoch in (1, 2, 3, 4):
        pace.epoch("one", epoch)
    pace.epoch("two", 1)
    assert pace.text == "5 of at most 100 epochs, at most about 6:20 left"


def test_what_a_journal_had_tells_nothing_of_the_speed():
    clock = iter([0.0, 10.0])
    pace = Pace(100, lambda: next(clock))
    pace.found("before", 50)
    pace.begin()
    assert pace.text == "50 of at most 100 epochs"
    pace.epoch("now", 10)
    assert pace.text == "60 of at most 100 epochs, at most about 0:40 left"


def test_an_epoch_that_is_told_twice_counts_once():
    """A child process that died begins its training again."""
    pace = Pace(1000, lambda: 0.0)
    for epoch in (1, 2, 3, 1, 2):
        pace.epoch("one", epoch)
    assert pace.text == "3 of at most 1,000 epochs"
