import pytest
from rule_values import adam, evidence, kernel, l2, layer, severities

from regaudit.model import Status
from regaudit.report.severity import Severity
from regaudit.rules.reg403_collapsed_layer import CollapsedLayer

GLOROT = {"class_name": "GlorotUniform", "config": {}}
PENALIZED = layer(
    "d", weights=(kernel("d", (100, 100), regularizer=l2()),), kernel_initializer=GLOROT
)
# GlorotUniform: a standard deviation of 0.1 and a norm of 10


class TestCollapsedLayer:
    check = staticmethod(lambda found: list(CollapsedLayer().check(found)))

    @pytest.mark.parametrize(
        ("largest", "norm", "count"),
        [
            (9e-4, 0.09, 1),
            (9e-4, 4.9, 1),
            (9e-4, 5.1, 0),  # an initializer of small values
            (1.1e-3, 0.11, 0),
            (1.1e-3, 0.099, 1),
            (1.0, 0.101, 0),
        ],
    )
    def test_by_its_largest_value_or_by_its_norm(self, largest, norm, count):
        numbers = {"d/kernel": {"max_abs": largest, "l2_norm": norm}}
        found = self.check(evidence(PENALIZED, numbers=numbers))
        assert len(found) == count

    @pytest.mark.parametrize(
        ("norm", "small", "effective", "count"),
        [
            (0.99, 9_990, 98, 1),  # one value is left, and nothing else
            (1.01, 9_990, 98, 0),
            (0.99, 9_890, 98, 0),
            (0.99, 9_990, 40, 0),  # few units do the work: no collapse
            (0.99, None, 98, 0),
        ],
    )
    def test_by_shrinking_as_a_whole(self, norm, small, effective, count):
        changes = {"small_values": small, "effective_units": effective}
        numbers = {"d/kernel": {"max_abs": 0.2, "l2_norm": norm, **changes}}
        assert len(self.check(evidence(PENALIZED, numbers=numbers))) == count

    def test_normalization_after_it_makes_it_a_warning(self):
        numbers = {"d/kernel": {"max_abs": 1e-5, "l2_norm": 1e-3}}
        rest = (layer("n", "BatchNormalization"), layer("out"))
        found = self.check(evidence(PENALIZED, *rest, numbers=numbers))
        assert severities(found) == [Severity.WARNING]

    def test_so_does_a_custom_layer_which_may_be_one(self):
        numbers = {"d/kernel": {"max_abs": 1e-5, "l2_norm": 1e-3}}
        rest = (layer("c", "mine>Norm"), layer("out"))
        found = self.check(evidence(PENALIZED, *rest, numbers=numbers))
        assert severities(found) == [Severity.WARNING]

    def test_untrained_and_unpenalized_kernels_pass(self):
        numbers = {"d/kernel": {"max_abs": 1e-5, "l2_norm": 1e-3}}
        assert not self.check(evidence(PENALIZED, numbers=numbers, optimizer=adam(steps=0)))
        bare = layer("d", weights=(kernel("d", (100, 100)),), kernel_initializer=GLOROT)
        inert = kernel("d", (100, 100), regularizer=l2(0.0, status=Status.INERT))
        assert not self.check(evidence(bare, numbers=numbers))
        assert not self.check(evidence(layer("d", weights=(inert,)), numbers=numbers))

    @pytest.mark.parametrize(("optimizer", "count"), [(None, 0), (adam(), 1)])
    def test_of_an_unknown_initializer_only_a_trained_one(self, optimizer, count):
        zeros = {"class_name": "Zeros", "config": {}}
        weights = (kernel("d", (100, 100), regularizer=l2()),)
        found = evidence(
            layer("d", weights=weights, kernel_initializer=zeros),
            numbers={"d/kernel": {"max_abs": 0.0, "l2_norm": 0.0}},
            optimizer=optimizer,
        )
        assert len(self.check(found)) == count
