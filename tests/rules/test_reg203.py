import pytest
from rule_values import evidence, kernel, l2, layer

from regaudit.rules.reg203_worse_than_constant import WorseThanConstant


def found(strength=1e-3, penalties=None, **changes):
    """Two kernels of norm 10 (R = 200 x strength) before 10 classes: H = 2.303."""
    hidden = layer("hidden", weights=(kernel("hidden", regularizer=l2(strength)),))
    out = layer("out", weights=(kernel("out", regularizer=l2(strength)),), units=10)
    given = {"facts": {"train_loss": 2.0}, "penalties": penalties, **changes}
    return evidence(hidden, out, **given)


class TestWorseThanConstant:
    check = staticmethod(lambda given: list(WorseThanConstant().check(given)))

    @pytest.mark.parametrize(("strength", "fires"), [(1.6e-3, False), (1.7e-3, True)])
    def test_loss_and_penalties_against_a_constant(self, strength, fires):
        assert bool(self.check(found(strength))) is fires  # 2.326 is 1 % above H

    @pytest.mark.parametrize(
        ("train", "val", "fires"),
        [
            (2.0, 2.21, False),  # 0.4 is at most twice the gap of 0.21
            (2.0, 2.19, True),
            (2.4, 2.8, True),  # the loss alone is above H
        ],
    )
    def test_with_both_losses_penalties_of_up_to_two_gaps_pass(self, train, val, fires):
        given = found(2e-3, facts={"train_loss": train, "val_loss": val})
        assert bool(self.check(given)) is fires

    def test_a_loss_above_chance_by_itself_is_said_of_the_model(self):
        (item,) = self.check(found(1e-5, facts={"train_loss": 2.4}))
        assert (item.path, item.suggestion) == ("", None)
        (item,) = self.check(found(0.0, facts={"train_loss": 2.4}))
        assert item.path == ""

    def test_without_a_chance_loss_or_a_training_loss_it_is_not_asked(self):
        for lacking in ({"loss": "my_own"}, {"facts": {}}):
            given = found(**lacking)
            assert not WorseThanConstant().not_run(given).partly
            assert not self.check(given)

    def test_penalties_that_are_not_known_do_not_stop_it(self):
        given = found(penalties={"out/kernel": None, "hidden/kernel": 0.5})
        assert WorseThanConstant().not_run(given).partly
        assert [item.path for item in self.check(given)] == ["hidden/kernel"]
