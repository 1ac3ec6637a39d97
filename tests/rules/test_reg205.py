import pytest
from rule_values import evidence, kernel, l2, layer

from regaudit.evidence.evidence import Evidence
from regaudit.rules.reg205_underregularized import Underregularized


def model(gap=0.5, penalty=0.001, train=0.25, **changes):
    """One kernel of norm 10 before 10 classes: H = 2.303."""
    out = layer("out", weights=(kernel("out", regularizer=l2(1e-5)),), units=10)
    facts = {"train_loss": train, "val_loss": train + gap}
    return evidence(out, **{"facts": facts, "penalties": {"out/kernel": penalty}, **changes})


def check(given, **thresholds):
    return list(Underregularized(**thresholds).check(given))


@pytest.mark.parametrize(
    ("gap", "penalty", "fires"),
    [
        (0.5, 0.05, False),  # ten times the penalty
        (0.5, 0.0499, True),
        (0.5, 0.0, True),
        (0.276, 0.001, False),  # 0.12 H, to which no penalty is proposed, is 0.2763
        (0.277, 0.001, True),
        (0.0, 0.0, False),
        (-0.5, 0.0, False),
    ],
)
def test_fires_where_the_gap_is_large_and_ten_times_the_penalty(gap, penalty, fires):
    assert bool(check(model(gap, penalty))) is fires


def test_thresholds_can_be_set():
    assert not check(model(0.5, 0.001), ratio=500)
    assert not check(model(0.5, 0.001), min_share=0.22)  # 0.507
    assert check(model(0.5, 0.2), ratio=2)


def test_the_numbers():
    (item,) = check(model(0.5, 0.001))
    assert item.path == "out/kernel"
    assert item.message == (
        "the validation loss is 0.5 above the training loss, but all penalties "
        "together add only 0.001"
    )
    assert item.observed == {
        "gap": 0.5,
        "total_penalty": 0.001,
        "chance_loss": pytest.approx(2.302585),
    }


def test_every_trainable_kernel_is_named_once():
    bare = kernel("bare")
    frozen = kernel("frozen", trainable=False)
    twin = kernel("twin", shared_with="bare/kernel")
    bias = kernel("bias", role="bias")
    layers = [layer(one.path[:-7], weights=(one,), units=10) for one in (bare, frozen, twin, bias)]
    facts = {"train_loss": 0.2, "val_loss": 0.9}
    assert [item.path for item in check(evidence(*layers, facts=facts))] == ["bare/kernel"]


@pytest.mark.parametrize(
    ("changes", "needs"),
    [
        ({"facts": {}}, "--train-loss and --val-loss"),
        ({"facts": {"val_loss": 2.0}}, "--train-loss"),
        ({"loss": "my_own"}, "a loss whose chance level is known, unlike my_own"),
        ({"penalties": {"out/kernel": None}}, "built-in layers and regularizers"),
    ],
)
def test_it_is_not_asked_where_something_is_missing(changes, needs):
    lacking = Underregularized().not_run(model(**changes))
    assert lacking.needs.startswith(needs)
    assert not lacking.partly


def test_with_everything_there_it_is_asked():
    assert Underregularized().not_run(model()) is None


def test_without_values_there_is_no_strength_to_name():
    given = model()
    unread = Evidence(given.model, penalties={"layers/out/vars/0": 0.0}, facts=given.facts)
    assert [item.suggestion for item in check(unread)] == [None]
