from paths import FIXTURES
from rule_values import evidence, kernel, layer

import regaudit
from regaudit.rules.reg320_optimizer_lost_in_saving import OptimizerLostInSaving


def test_only_a_model_that_a_load_compiles_with_another_optimizer():
    assert not list(OptimizerLostInSaving().check(evidence(layer("a", weights=(kernel("a"),)))))


def test_what_keras_saves_after_an_h5():
    """Its like is loaded by Keras in `tests/keras_semantics/test_optimizers.py`."""
    report = regaudit.audit(FIXTURES / "rules/REG320/bad.keras")
    (finding,) = (finding for finding in report.findings if finding.code == "REG320")
    assert "a load goes on with RMSprop" in finding.message
    assert finding.items[0].observed == {"loads_with": "RMSprop"}
    assert (report.model.compiled, report.model.optimizer) == (True, None)
