"""REG320: an optimizer that saving lost, so that a load trains on with another one."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule


class OptimizerLostInSaving(Rule):
    about: ClassVar[About] = About(
        code="REG320",
        name="optimizer-lost-in-saving",
        title="Optimizer lost in saving: a load trains on with another one",
        severity=Severity.WARNING,
        confidence="high",
        what=(
            "Looks for models that were compiled and whose file names no optimizer. Keras 3 writes "
            "such files when a model is saved as `.h5` first and as `.keras` then: saving as `.h5` "
            "takes the optimizer out of what the model remembers of `compile`."
        ),
        rationale=(
            "`load_model` compiles the model all the same, with the default of `compile`, RMSprop, "
            "and says nothing. Training goes on without the learning rate, the weight decay and "
            "the clipping of before; the state of the old optimizer is skipped. A load also loses "
            "what no file keeps: variables that `exclude_from_weight_decay` named are decayed "
            "again, and losses added by `add_loss` outside of a layer's `call` are gone."
        ),
        source=(
            "keras/src/legacy/saving/saving_utils.py: model_metadata takes `optimizer` out of the "
            "model's own configuration; keras/src/trainers/trainer.py: compile_from_config"
        ),
        fix=(
            "Save as `.keras` before `.h5`, or compile the model again before it is saved. After a "
            "load of this file, compile it with the optimizer it had, exclude variables from "
            "weight decay and add losses again."
        ),
        false_positives="A model that is loaded to predict, or compiled again after every load.",
        bad="""
import tempfile

model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, use_bias=False),
])
model.compile(keras.optimizers.AdamW(0.01, weight_decay=0.2), "mse")
with tempfile.TemporaryDirectory() as folder:
    model.save(f"{folder}/model.h5")
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, use_bias=False),
])
model.compile(keras.optimizers.AdamW(0.01, weight_decay=0.2), "mse")
""",
    )

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        instead = evidence.model.loads_with
        if instead:
            yield self.item(
                None,
                f"the file does not name the optimizer of its training: a load goes on with "
                f"{instead}, without its weight decay and learning rate",
                loads_with=instead,
            )
