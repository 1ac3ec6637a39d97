"""What a sweep prints in a terminal."""

import pytest
from harmless import assert_harmless, assert_quoted
from msgspec.structs import replace
from sweep_values import ALL, SETTING, all_diverged, as_it_is, change_nothing, one_kind, rung

from regaudit.sweeping.outcome import Sweep
from regaudit.sweeping.text import terminal


def test_the_verdict_comes_first_and_the_chosen_one_is_marked():
    lines = terminal(one_kind(), 120).splitlines()
    assert lines[0] == "digits.keras"
    assert lines[1].startswith("4 times the suggestion: validation loss 0.312 -> 0.271")
    (row,) = [line for line in lines if line.startswith("l2 x4") and "chosen" in line]
    assert "0.271 +- 0.02" in row
    assert "0.251 (T 1.2)" in row
    assert "92.0%" in row
    assert [line for line in lines if line.startswith("l2 x16") and "no different" in line]


def test_a_diverged_rung_has_no_numbers():
    (row,) = [r for r in terminal(all_diverged(), 120).splitlines() if r.startswith("l2 x4")]
    assert "diverged" in row
    assert "nan" not in row
    assert "inf" not in row


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("width", [60, 80, 200])
def test_it_fits_the_terminal(name, width):
    text = terminal(ALL[name](), width)
    commands = [line for line in text.splitlines() if line.startswith("  regaudit")]
    names = [line for line in text.splitlines() if "script" in line]
    longest = max(
        len(line) for line in text.splitlines() if line not in commands and line not in names
    )
    assert longest <= width


def test_the_chart_has_losses_across_and_strengths_down():
    text = terminal(one_kind(), 100)
    chart = text[text.index("Validation loss by strength") :].split("\n\n")[0].splitlines()[1:]
    assert [line.split("  ")[0] for line in chart] == [
        "as it is",
        "no penalty",
        "l2 x0.25",
        "l2 x1",
        "l2 x4",
        "l2 x16",
        "soup",
    ]
    places = {line.split("  ")[0]: max(line.find("o", 20), line.find("*", 20)) for line in chart}
    assert sorted(places, key=places.get) == [
        "l2 x4",
        "soup",
        "l2 x16",
        "l2 x1",
        "l2 x0.25",
        "as it is",
        "no penalty",
    ]


def test_there_is_no_chart_of_fewer_than_three_points():
    assert "Validation loss by strength" not in terminal(change_nothing(), 100)
    three = Sweep(SETTING, (as_it_is(), rung(1, 0.3), rung(4, 0.2)), "l2 x4", "it is")
    assert "Validation loss by strength" in terminal(three, 100)


@pytest.mark.parametrize("losses", [(0.3, 0.3, 0.3), (0.0, 0.0, 0.0), (0.1, 1e30, 1e200)])
def test_the_chart_takes_any_losses(losses):
    first, *others = losses
    rungs = [rung(4.0**n, loss, val_error=None) for n, loss in enumerate(others)]
    sweep = Sweep(SETTING, (as_it_is(val_loss=first, val_error=0.0), *rungs), "as it is", "none")
    assert "Validation loss by strength" in terminal(sweep, 80)


def test_it_says_what_to_do_next():
    text = terminal(one_kind(), 100)
    assert "add -o OUT to the same command" in text
    assert "  regaudit apply digits.keras -o OUT --from edits.json" in text
    nothing = terminal(change_nothing(), 100)
    assert "Keep the model as it is" in nothing
    assert "regaudit apply" not in nothing


def test_a_model_that_is_written_is_named():
    text = terminal(replace(one_kind(), out="new.keras"), 100)
    assert "The chosen model is in new.keras" in text
    assert "add -o OUT" not in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_nothing_of_a_name_is_acted_on(width):
    text = terminal(ALL["hostile"](), width)
    assert_harmless((), text)
    assert_quoted((), text)
