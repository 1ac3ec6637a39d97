"""Advice for a whole model, worked out by hand: two kernels of norms 10 before 10 classes."""

from math import log

import pytest
from rule_values import adam, evidence, kernel, l2, layer

from regaudit.advice.suggest import suggest
from regaudit.errors import RefusedEditError, UsageError
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.training_facts import Facts
from regaudit.model import Model
from regaudit.report.proposal import Edit
from regaudit.report.report import Failure, Report
from regaudit.rules.reg202_penalty_over_budget import PenaltyOverBudget
from regaudit.rules.reg203_worse_than_constant import WorseThanConstant
from regaudit.rules.reg205_underregularized import Underregularized
from regaudit.rules.reg206_overregularized import Overregularized

H = log(10)


def dense(path, regularizer=None, **changes):
    return layer(path, weights=(kernel(path, regularizer=regularizer, **changes),), units=10)


def report(*layers, **given):
    found = evidence(*layers, **given)
    return Report("m.keras", "keras", 1, found.model, found.moments, found.penalties)


def bare():
    return report(dense("a"), dense("b"))


def regularized(strength, **given):
    return report(dense("a", l2(strength)), dense("b", l2(strength)), **given)


def facts(train, val, **more):
    return Facts(train_loss=train, val_loss=val, **more)


def strengths(proposal):
    return [(change.layer, change.l1, change.l2) for change in proposal.changes]


class TestGap:
    def test_the_whole_of_it_is_shared_by_the_kernels(self):
        proposal = suggest(bare(), facts(0.2, 0.9))  # 0.7 / 2 / 100 = 3.5e-3
        assert strengths(proposal) == [("a", 0.0, 5e-3), ("b", 0.0, 5e-3)]
        assert proposal.jump == pytest.approx(2 * 5e-3 * 100)
        assert proposal.changes[0].code == "kernel_regularizer=keras.regularizers.L2(0.005)"
        why = "about the gap of 0.7, shared equally by 2 kernels"
        assert [change.reason for change in proposal.changes] == [why, why]
        assert proposal.verdict.startswith("Regularize: the validation loss is 0.7 above")
        assert "30% of the chance loss" in proposal.verdict  # 0.7 / 2.303

    @pytest.mark.parametrize(
        ("gap", "strength"),
        [
            (0.28, 1e-3),  # 1.40e-3: the middle of 1 and 2 is at 1.414
            (0.285, 2e-3),  # 1.425e-3
            (0.63, 2e-3),  # 3.15e-3: that of 2 and 5 at 3.162
            (0.635, 5e-3),  # 3.175e-3
        ],
    )
    def test_strengths_are_rounded_by_ratio(self, gap, strength):
        assert strengths(suggest(bare(), facts(0.2, 0.2 + gap)))[0] == ("a", 0.0, strength)

    def test_for_l1_by_the_sum_of_absolute_values(self):
        proposal = suggest(bare(), facts(0.2, 0.9), "l1")  # 0.7 / 2 / 100
        assert strengths(proposal) == [("a", 5e-3, 0.0), ("b", 5e-3, 0.0)]

    def test_a_large_gap_is_not_cut(self):
        """2 / 2 / 100 = 0.01, which is Keras's default: the next lower step."""
        proposal = suggest(bare(), facts(0.5, 2.5))
        assert strengths(proposal) == [("a", 0.0, 5e-3), ("b", 0.0, 5e-3)]
        proposal = suggest(bare(), facts(0.5, 3.5))  # 0.015
        assert strengths(proposal) == [("a", 0.0, 0.02), ("b", 0.0, 0.02)]

    @pytest.mark.parametrize(("share", "changes"), [(0.119, 0), (0.121, 2), (-0.2, 0)])
    def test_a_small_one_asks_for_nothing(self, share, changes):
        proposal = suggest(bare(), facts(1.0, 1.0 + share * H))
        assert len(proposal.changes) == changes
        assert proposal.verdict.startswith("Regularize" if changes else "Leave it")

    def test_a_strength_that_is_there_already_is_left(self):
        both = report(dense("a", l2(5e-3)), dense("b"))
        assert strengths(suggest(both, facts(0.2, 0.9))) == [("b", 0.0, 5e-3)]
        assert suggest(regularized(5e-3), facts(0.2, 0.9)).changes == ()

    @pytest.mark.parametrize(
        ("train", "gap", "strength"),
        [
            (0.5, 2.02, 0.02),  # 0.0101: the most that is rounded up, to 1.98 gaps
            (2.2, 0.64, 5e-3),  # 3.2e-3: 1.56 gaps, and 3.2 in all where H is 2.3
        ],
    )
    def test_no_rule_calls_too_much_what_rounding_adds(self, train, gap, strength):
        given = facts(train, train + gap)
        asked = regularized(strength)
        assert strengths(suggest(bare(), given)) == [("a", 0.0, strength), ("b", 0.0, strength)]
        found = Evidence(asked.model, asked.moments, asked.penalties, given)
        rules = (PenaltyOverBudget(), WorseThanConstant(), Underregularized(), Overregularized())
        assert [item for rule in rules for item in rule.check(found)] == []
        assert suggest(asked, given).changes == ()

    @pytest.mark.parametrize("share", [0.05, 0.11, 0.1199, 0.1201, 0.3])
    def test_reg205_asks_for_penalties_where_they_are_proposed(self, share):
        given = facts(0.2, 0.2 + share * H)
        plain = bare()
        found = Evidence(plain.model, plain.moments, plain.penalties, given)
        asked = bool(list(Underregularized().check(found)))
        assert asked is bool(suggest(plain, given).changes) is (share > 0.12)

    def test_without_a_chance_loss_it_cannot_be_weighed(self):
        proposal = suggest(report(dense("a"), loss="my_own"), facts(0.2, 0.9))
        assert proposal.changes == ()
        assert "my_own" in proposal.verdict


class TestTooStrong:
    @pytest.mark.parametrize(("strength", "weakens"), [(2.8e-3, False), (2.9e-3, True)])
    def test_over_a_quarter_of_the_chance_loss_penalties_are_scaled_down(self, strength, weakens):
        proposal = suggest(regularized(strength))  # R = 200 x strength; H / 4 is 0.576
        assert proposal.verdict.startswith("Weaken") is weakens
        if weakens:  # 0.05 x 2.3026 / 0.58 x 2.9e-3 = 5.76e-4
            assert strengths(proposal) == [("a", 0.0, 5e-4), ("b", 0.0, 5e-4)]
            assert proposal.changes[0].confidence == "high"
            assert proposal.changes[0].before == pytest.approx(0.29)
            assert proposal.jump == pytest.approx(2 * 5e-4 * 100 - 0.58)

    @pytest.mark.parametrize(("strength", "weakens"), [(4.9e-3, False), (5.1e-3, True)])
    def test_so_are_those_over_ten_times_the_gap(self, strength, weakens):
        proposal = suggest(regularized(strength), facts(0.2, 0.3))
        assert proposal.verdict.startswith("Weaken") is weakens
        if weakens:  # 0.1 / 1.02 x 5.1e-3 = 5e-4
            assert strengths(proposal) == [("a", 0.0, 5e-4), ("b", 0.0, 5e-4)]

    def test_a_penalty_whose_units_die_is_not_raised(self):
        """REG402 calls it too strong; what it pays stays its part of the gap."""
        dying = report(dense("a", l2(1e-4)), dense("b"), dead=60)
        proposal = suggest(dying, facts(0.2, 0.9))
        assert strengths(proposal) == [("b", 0.0, 5e-3)]
        assert proposal.left["a/kernel"].startswith("60 of its 1,000 units are dead")
        few = report(dense("a", l2(1e-4)), dense("b"), dead=40)
        assert len(suggest(few, facts(0.2, 0.9)).changes) == 2

    def test_nor_is_it_given_to_other_kernels(self):
        dying = report(dense("a", l2(1e-4)), dense("b"), dead=60)
        proposal = suggest(dying)
        assert proposal.changes == ()
        assert proposal.left["b/kernel"] == (
            "units of the other kernels are dead: their strength may be too strong"
        )
        few = report(dense("a", l2(1e-4)), dense("b"), dead=40)
        assert strengths(suggest(few)) == [("b", 0.0, 1e-4)]

    @pytest.mark.parametrize("given", [{}, {"train_loss": 0.2, "val_loss": 0.9}])
    def test_a_collapsed_model_is_to_be_trained_again_first(self, given):
        gone = {"a/kernel": {"max_abs": 1e-6, "l2_norm": 1e-5}}
        found = report(dense("a", l2(1e-4)), dense("b"), numbers=gone, optimizer=adam())
        proposal = suggest(found, Facts(**given))
        assert (proposal.decision, proposal.edits) == ("unknown", ())
        assert proposal.verdict.startswith("Train again from new weights")
        assert "a/kernel" in proposal.verdict


class TestWithoutLosses:
    def test_a_twentieth_of_the_chance_loss_is_where_to_start(self):
        proposal = suggest(bare())  # 0.05 x 2.3026 / 200 = 5.8e-4
        assert strengths(proposal) == [("a", 0.0, 5e-4), ("b", 0.0, 5e-4)]
        assert {change.confidence for change in proposal.changes} == {"low"}
        assert proposal.basis == "untested start of a sweep"
        assert proposal.decision == "unknown"

    def test_or_what_the_model_uses_itself(self):
        proposal = suggest(report(dense("a"), dense("b", l2(3e-4))))
        assert strengths(proposal) == [("a", 0.0, 3e-4)]

    def test_a_negative_strength_is_no_regularization(self):
        proposal = suggest(report(dense("a", l2(-1e-3)), dense("b", l2(3e-4))))
        assert strengths(proposal) == [("a", 0.0, 3e-4)]

    def test_a_model_that_is_regularized_is_left(self):
        assert suggest(regularized(1e-4)).verdict.startswith(
            "No strength is proposed: every kernel has a penalty"
        )

    def test_without_a_chance_loss_nothing_can_be_named(self):
        proposal = suggest(report(dense("a"), loss="my_own"))
        assert proposal.changes == ()
        assert proposal.verdict.startswith("No strength is proposed")


class TestAdamW:
    def given(self, optimizer, *layers):
        return report(*(layers or (dense("a", l2(1e-3)), dense("b"))), optimizer=optimizer)

    def test_the_lower_end_is_one_over_rate_times_steps(self):
        proposal = suggest(self.given(adam(steps=4_000)), aim="adamw")  # 1 / (0.001 x 4000)
        assert proposal.decay == 0.2  # 0.25: 1.25 from 0.2, 2 from 0.5
        assert proposal.edits == (
            Edit("a", "kernel_regularizer", None),
            Edit("", "optimizer", {"class_name": "AdamW", "weight_decay": 0.2}),
        )

    @pytest.mark.parametrize(
        ("steps", "given", "decay", "times"),
        [
            (20_000, {}, 0.05, 30),
            (600, {}, 2.0, 5),
            (64, {}, 5.0, 2),
            (600, {"train_size": 300, "batch_size": 3}, 2.0, 5),
            (600, {"train_size": 300, "batch_size": 20}, 2.0, 30),
        ],
    )
    def test_the_sweep_ends_before_the_decay_is_called_too_strong(self, steps, given, decay, times):
        proposal = suggest(self.given(adam(steps=steps)), Facts(**given), "adamw")
        assert proposal.decay == decay
        assert f"try 1 to {times} times that" in proposal.verdict
        assert ("it takes 0.5% off every weight" in proposal.remarks[0]) is (steps == 64)

    def test_the_upper_end_takes_the_steps_of_an_epoch(self):
        known = Facts(train_size=1_000, batch_size=10)
        proposal = suggest(self.given(adam()), known, "adamw")  # 1 / (0.001 x 100)
        assert any(remark.endswith("= 10") for remark in proposal.remarks)

    @pytest.mark.parametrize(
        ("optimizer", "said"),
        [
            (None, "not in the file"),
            (adam("SGD"), "SGD"),
            (adam("AdamW", weight_decay=0.004), "already has a weight decay of 0.004"),
            (adam(steps=0), "the learning rate or the steps"),
            (adam(steps=None), "the learning rate or the steps"),
        ],
    )
    def test_where_it_cannot_be_named_the_reason_is(self, optimizer, said):
        proposal = suggest(self.given(optimizer), aim="adamw")
        assert (proposal.decay, proposal.changes) == (None, ())
        assert said in proposal.verdict

    def test_no_overfitting_no_decay(self):
        assert suggest(self.given(adam()), facts(0.2, 0.25), "adamw").decay is None


@pytest.mark.parametrize(
    ("known", "remark"),
    [
        (Facts(train_loss=0.2), "one loss alone"),
        (Facts(val_loss=0.2), "one loss alone"),
        (facts(0.9, 0.2), "above the validation loss"),
        (facts(0.2, 7.0), "worse than guessing"),
        (facts(0.2, 0.9, val_size=199), "199 validation samples are few"),
        (facts(0.2, 0.9), "EarlyStopping"),
    ],
)
def test_the_usual_mistakes_are_named(known, remark):
    assert any(remark in said for said in suggest(bare(), known).remarks)


def test_enough_samples_and_no_gap_need_no_remark():
    assert suggest(bare(), facts(0.2, 0.21, val_size=200)).remarks == ()


class TestWithPenalty:
    def test_it_is_taken_out_of_both_losses(self):
        inside = suggest(regularized(1e-3), facts(0.4, 1.1), with_penalty=True)
        assert (inside.train_loss, inside.val_loss) == pytest.approx((0.2, 0.9))

    def test_a_loss_below_it_is_refused(self):
        with pytest.raises(UsageError, match=r"below the penalty of 0\.2"):
            suggest(regularized(1e-3), facts(0.1, 1.1), with_penalty=True)

    def test_a_loss_barely_above_it_is_noticed(self):
        remarks = suggest(regularized(1e-3), facts(0.29, 0.9)).remarks
        assert any("--with-penalty" in remark for remark in remarks)
        remarks = suggest(regularized(1e-3), facts(0.31, 0.9)).remarks
        assert not any("--with-penalty" in remark for remark in remarks)


def test_a_cross_entropy_below_zero_is_refused():
    with pytest.raises(UsageError, match=r"train-loss -0\.1 is below zero"):
        suggest(bare(), facts(-0.1, 0.2))
    suggest(report(dense("a"), loss="my_own"), facts(-0.1, 0.2))


def test_what_is_no_number_must_be_restored_first():
    broken = report(dense("a"), dense("b"), numbers={"b/kernel": {"nonfinite": 1}})
    proposal = suggest(broken, facts(0.2, 0.9))
    assert proposal.changes == ()
    assert "NaN or infinite values in b/kernel;" in proposal.verdict


def test_both_directions_get_the_weaker_strength():
    pair = [dense("way/forward_x"), dense("way/backward_x")]
    numbers = {"way/forward_x/kernel": {"l2_norm": 5.0}}  # 0.014 -> 0.02 and 3.5e-3 -> 5e-3
    proposal = suggest(report(*pair, numbers=numbers), facts(0.2, 0.9))
    assert [change.l2 for change in proposal.changes] == [5e-3, 5e-3]
    assert [change.after for change in proposal.changes] == pytest.approx([5e-3 * 25, 5e-3 * 100])


@pytest.mark.parametrize(
    "given",
    [
        Report("m.keras", failure=Failure("UnreadableModelError", "cut short")),
        Report("m.keras"),
        Report("m.keras", model=Model("", "", ())),
    ],
)
def test_what_says_nothing_gets_no_advice(given):
    with pytest.raises(RefusedEditError):
        suggest(given)


def test_a_model_without_kernels_is_left():
    assert suggest(report(layer("a", "ReLU"))).verdict.startswith("Leave it: no trainable kernel")
    frozen = suggest(report(dense("a", trainable=False)), facts(0.2, 0.9))
    assert frozen.verdict.startswith("Leave it: no trainable kernel")
