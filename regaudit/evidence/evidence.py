"""What rules see of a model: its description, its numbers, its graph, its training."""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property

from msgspec import Struct

from regaudit.evidence.graph import Graph, rate
from regaudit.evidence.optimizer_state import EFFECTIVE_DECAY, Training
from regaudit.evidence.outputs import ChanceLoss, Head, heads_of, total_chance
from regaudit.evidence.trainers import Trainers, without_excluded
from regaudit.evidence.training_facts import Facts
from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.measures.moments import Moments
from regaudit.model import Layer, Model, Optimizer, Status, Weight

NO_CHANGE = 0.12
"""Gaps between the losses up to this share of the chance loss ask for no penalty (measured)."""


class Reason(Struct, frozen=True):
    """One thing other than a penalty that regularizes a layer."""

    kind: str
    """`decay`, `noise`, `dropout`, `constraint`, `normalization`, `augmentation`, `custom` or
    `frozen`."""
    text: str
    """`Dropout (0.5) on its input`."""


class Evidence(Struct, frozen=True, dict=True):
    """The model and its numbers, never files."""

    model: Model
    moments: Mapping[str, Moments] = {}
    """By `Weight.stored_path`."""
    penalties: Mapping[str, float | None] = {}
    """By `Weight.stored_path`; None where the file does not say."""
    facts: Facts = Facts()
    """What the user knows of the training."""
    values: bool = True
    """Whether the values of the weights were to be read."""

    def measured(self, weight: Weight) -> Moments | None:
        """Return the numbers of a weight; None when its values could not be read."""
        return self.moments.get(weight.stored_path)

    def penalty(self, weight: Weight) -> float:
        """Return what a weight adds to the loss, as far as the file says."""
        return self.penalties.get(weight.stored_path) or 0.0

    def known_penalty(self, weight: Weight) -> float | None:
        """Return what a weight adds to the loss; None where the file does not say."""
        return self.penalties.get(weight.stored_path)

    def adds(self, weight: Weight) -> str:
        """Say what a weight adds: `adds 0.3 to the loss`."""
        penalty = self.known_penalty(weight)
        return "adds to the loss" if penalty is None else f"adds {penalty:.3g} to the loss"

    def kernels(self) -> Iterator[tuple[Layer, Weight]]:
        """Yield every trainable kernel once: recurrent, depthwise and embeddings among them."""
        yield from self._kernels

    @cached_property
    def _kernels(self) -> tuple[tuple[Layer, Weight], ...]:
        return tuple(
            (layer, weight)
            for layer, weight in self.model.weights()
            if weight.role in KERNEL_ROLES and weight.trainable and weight.shared_with is None
        )

    def regularized(self) -> Iterator[tuple[Layer, Weight]]:
        """Yield every weight that a regularizer in force penalizes, once.

        One of a negative strength rewards it: that is a fault (REG208), not a regularization.
        """
        yield from self._regularized

    @cached_property
    def _regularized(self) -> tuple[tuple[Layer, Weight], ...]:
        return tuple(
            (layer, weight)
            for layer, weight in self.model.weights()
            if weight.regularizer is not None
            and weight.regularizer.status is Status.IN_FORCE
            and not weight.rewarded
            and weight.shared_with is None
        )

    @cached_property
    def kernel_count(self) -> int:
        """How many trainable kernels there are."""
        return len(self._kernels)

    @cached_property
    def free_square(self) -> float:
        """Sum of ||W||^2 over trainable kernels whose scale no normalization undoes."""
        norms = (
            measured.l2_norm
            for layer, weight in self._kernels
            if (measured := self.measured(weight)) and not self.next_normalization(layer)
        )
        return sum(norm * norm for norm in norms if norm)  # an infinity, where ** raises

    @cached_property
    def _strengths(self) -> Mapping[tuple[str, str], Counter[float]]:
        """How many weights of a class and role have which strength, to six digits."""
        result: dict[tuple[str, str], Counter[float]] = {}
        for layer, weight in self.model.weights():
            l2 = _l2_in_force(weight)
            if l2:
                result.setdefault((layer.class_name, weight.role), Counter())[l2] += 1
        return result

    def peer_strengths(self, layer: Layer, weight: Weight) -> set[float]:
        """Return the L2 strengths in force on other weights of the same class and role.

        To six digits: some versions store float32.
        """
        peers = self._strengths.get((layer.class_name, weight.role), Counter[float]())
        own = _l2_in_force(weight)
        return {l2 for l2, count in peers.items() if count > (l2 == own)}

    @cached_property
    def graph(self) -> Graph:
        """What feeds what."""
        return Graph(self.model)

    @cached_property
    def training(self) -> Training | None:
        """What the file says about the training; None without one optimizer for all weights."""
        return None if self.model.parts else Training.of(self.model.optimizer)

    @cached_property
    def _trainers(self) -> Trainers:
        return Trainers(self.model.parts)

    @cached_property
    def trainings(self) -> tuple[Training, ...]:
        """The same of each optimizer, where several train some of the weights each."""
        if not self.model.parts:
            return (self.training,) if self.training else ()
        trained = {
            id(part): part
            for _, weight in self.model.weights()
            if weight.trainable and (part := self._trainers.of(weight.path))
        }
        found = (Training.of(part.optimizer) for part in trained.values())
        return tuple(training for training in found if training)

    def training_of(self, weight: Weight) -> Training | None:
        """Return what the file says about the training of one weight; None if it says nothing."""
        training = self.training
        if self.model.parts:
            part = self._trainers.of(weight.path)
            training = part and Training.of(part.optimizer)
        if training is None or not training.excluded:
            return training
        return without_excluded(training, weight.path)

    def decay_unknown(self, weight: Weight) -> bool:
        """Whether an optimizer may decay a weight without the file telling it."""
        if any(optimizer is None for optimizer in self._inner_optimizers(weight)):
            return True
        if not self.model.optimizer_known:
            return self.model.compiled is True
        if self.model.optimizer is None:
            return False
        training = self.training_of(weight)
        return training is None or not (training.decay_known or training.weight_decay)

    def _inner_optimizers(self, weight: Weight) -> Iterator[Optimizer | None]:
        """Yield the optimizers of the compiled models that a weight is inside of."""
        for path, optimizer in self.model.inner_optimizers.items():
            if weight.path.startswith(f"{path}/"):
                yield optimizer

    @cached_property
    def heads(self) -> tuple[Head, ...]:
        """The outputs with their losses."""
        return heads_of(self.graph, self.facts)

    @cached_property
    def chance(self) -> ChanceLoss | None:
        """H, the loss of all outputs together in a model that has learned nothing."""
        return total_chance(self.heads)[0]

    @property
    def overfits(self) -> bool | None:
        """Whether the two losses are apart by enough to act on; None where that is not known."""
        gap, chance = self.facts.gap, self.chance
        if gap is None or gap <= 0:
            return None if gap is None else False
        return None if chance is None else gap > NO_CHANGE * chance.value

    @cached_property
    def has_task_head(self) -> bool:
        """Whether an output may be that of a classifier or regressor.

        Not where the file tells that the model was not compiled, and every output has another
        activation than a classifier's: a generator's, a critic's or an agent's, each trained by
        code that the file does not hold.
        """
        return self.model.compiled is not False or any(head.chance for head in self.heads)

    @cached_property
    def total_penalty(self) -> float:
        """R, what all weights add to the loss, as far as the file says."""
        return sum((value for value in self.penalties.values() if value is not None), 0.0)

    @cached_property
    def _normalizations(self) -> Mapping[str, str | None]:
        return {
            layer.path: self.graph.next_normalization(layer) if layer.weights else None
            for layer in self.model.layers
        }

    def next_normalization(self, layer: Layer) -> str | None:
        """Class of the normalization that every way out of a layer meets before other weights."""
        return self._normalizations.get(layer.path)

    @cached_property
    def untold(self) -> tuple[str, ...]:
        """Paths of the layers with weights whose regularizers the file does not tell."""
        return tuple(
            layer.path
            for layer in self.model.layers
            if layer.placed_as or any(not weight.regularizer_known for weight in layer.weights)
        )

    @cached_property
    def unshaped(self) -> tuple[str, ...]:
        """Paths of the layers with weights that the file does not lay out; see `Layer.unshaped`."""
        return tuple(layer.path for layer in self.model.layers if layer.unshaped)

    def weigh(self, layer: Layer, weight: Weight) -> tuple[Reason, ...]:
        """Return what else regularizes a weight, the strongest first."""
        return tuple(self._reasons(layer, weight))

    def _reasons(self, layer: Layer, weight: Weight) -> Iterator[Reason]:
        if weight.trainable_known and not weight.trainable:
            yield Reason("frozen", "it is frozen: training does not change it")
        decays = tuple(self._decay(weight))
        yield from decays
        noises = ((self.graph.noise_before, "input"), (self.graph.noise_after, "output"))
        for noise_of, side in noises:
            for noise in noise_of(layer):
                strength = rate(noise)
                if strength != 0:
                    value_text = f" ({strength:g})" if strength is not None else ""
                    yield Reason("noise", f"{noise.class_name}{value_text} on its {side}")
        for key in ("dropout", "recurrent_dropout"):
            value = rate(layer, key)
            if value is not None and value > 0:
                yield Reason("dropout", f"{key.replace('_', ' ')} of {value:g} inside it")
        if weight.constraint:
            yield Reason("constraint", f"the constraint {weight.constraint}")
        normalization = self.next_normalization(layer)
        if normalization:
            yield Reason("normalization", f"{normalization} after it")
        yield from self._elsewhere(layer)
        if self.model.compiled is not False and self.model.optimizer is None and not decays:
            yield Reason("decay", "the weight decay of an optimizer that the file does not keep")

    def _elsewhere(self, layer: Layer) -> Iterator[Reason]:
        """Yield what may act from farther away, and what acts if the file does not tell it."""
        if self.graph.augmentations:
            classes = ", ".join(self.graph.augmentations)
            yield Reason("augmentation", f"data augmentation inside the model ({classes})")
        if custom := self.graph.custom_around(layer):
            yield Reason("custom", f"custom layers that may regularize it ({', '.join(custom)})")

    def _decay(self, weight: Weight) -> Iterator[Reason]:
        """Yield the weight decays that have had effect or may have had."""
        inner = (Training.of(optimizer) for optimizer in self._inner_optimizers(weight))
        for training in (self.training_of(weight), *inner):
            if training is None or training.weight_decay <= 0:
                continue
            shrinkage = training.shrinkage
            if shrinkage is not None and shrinkage <= EFFECTIVE_DECAY:
                continue
            text = f"{training.class_name}'s weight decay of {training.weight_decay:g}"
            if training.steps is not None:
                text += f" over {training.steps:,} step{'s' * (training.steps != 1)}"
            yield Reason("decay", text)


def _l2_in_force(weight: Weight) -> float:
    """Return the L2 strength of a weight, to six digits; 0 where none is in force."""
    regularizer = weight.regularizer
    if regularizer is None or regularizer.status is not Status.IN_FORCE:
        return 0.0
    if weight.rewarded or not regularizer.l2:
        return 0.0
    return float(f"{regularizer.l2:.6g}")
