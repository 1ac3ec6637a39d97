"""What settings may be is told by the structs they are decoded into; the rest is a usage error."""

import pytest

from regaudit.errors import UsageError
from regaudit.evidence.training_facts import Facts
from regaudit.rules.interface import rules
from regaudit.settings.decode import decoded
from regaudit.settings.given import Given
from regaudit.settings.presets import PRESETS, PresetName


def test_keys_are_written_with_dashes_or_underscores():
    for text in ("{}-{}", "{}_{}"):
        train, json = text.format("train", "loss"), text.format("json", "bytes")
        given = decoded(Given, {train: -1, "limits": {json: 5}, text.format("val", "size"): 32})
        assert (given.train_loss, given.val_size, given.limits.json_bytes) == (-1.0, 32, 5)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"limits": {"json-bytse": 1}}, "unknown setting 'limits.json-bytse'; did you mean 'json_"),
        ({"limits": {"json-bytes": 0}}, "limits.json-bytes must be a whole number above 0, at mo"),
        ({"limits": {"json_bytes": 2.5}}, "limits.json_bytes must be a whole number above 0, at m"),
        ({"limits": 3}, "limits must be a table: [tool.regaudit.limits]"),
        ({"rules": {"REG101": 3}}, "rules must be a table of tables: [tool.regaudit.rules.REG101]"),
        ({"models": ["a", 3]}, "models[1] must be the path of a file, its names of at most 255 ch"),
        ({"models": "a"}, "models must be a list of strings"),
        ({"select": [3]}, "select[0] must be a string, not 3"),
        ({"ignore": [3]}, "ignore must be a list of tables: [[tool.regaudit.ignore]]"),
        ({"ignore": [{"code": "REG101", "reason": " "}]}, "ignore[0].reason must be a reason, in"),
        ({"ignore": [{"reason": "x"}]}, "ignore[0] needs a code"),
        ({"fail_on": "warn"}, "fail_on must be one of note, warning, error, never, not 'warn'"),
        ({"layers": []}, "layers must be a table: [tool.regaudit.layers], not []"),
    ],
)
def test_what_is_wrong_is_named_as_it_was_written(given, said):
    with pytest.raises(UsageError) as raised:
        decoded(Given, given)
    assert str(raised.value).startswith(said)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("train_size", 0, "train_size must be a whole number of samples, not 0"),
        ("val-size", 1.5, "val-size must be a whole number of samples, not 1.5"),
        ("batch-size", True, "batch-size must be a whole number of samples, not True"),
        ("val-loss", float("nan"), "val-loss must be a finite number, not nan"),
        ("val-loss", 10**400, f"val-loss must be a finite number, not 1{'0' * 99}..."),
        ("target-variance", 0, "target-variance must be a number above zero, not 0"),
    ],
)
def test_a_fact_that_cannot_be(name, value, said):
    with pytest.raises(UsageError) as raised:
        decoded(Facts, {name: value})
    assert str(raised.value) == said


def test_every_threshold_takes_numbers_from_0_on():
    """What one can be set to is in its type; a plain `float` would take a NaN."""
    for rule in rules():
        for name, default in rule.thresholds().items():
            assert decoded(rule, {name: default}) == rule()
            with pytest.raises(UsageError, match=f"x.{name} must be a number, at least 0, not nan"):
                decoded(rule, {name: float("nan")}, "x")


def test_every_preset_can_be_named():
    assert tuple(PRESETS) == PresetName.__args__


def test_a_long_path_is_refused_at_once():
    for path in ("/".join(["a" * 255] * 16), "a" * 255, "../" * 900 + "m.keras"):
        assert decoded(Given, {"models": [path]}).models == (path,)
    for path in ("/".join(["a" * 255] * 17), "a" * 256, "a/" * 100_000, "", "a\0b"):
        with pytest.raises(UsageError, match="must be the path of a file"):
            decoded(Given, {"models": [path]})
