"""What the user knows about the training and no file contains."""

from math import isfinite
from sys import float_info
from typing import Annotated, Any

from msgspec import Meta, Struct

Loss = Annotated[float, Meta(ge=-float_info.max, le=float_info.max, description="a finite number")]
Share = Annotated[float, Meta(ge=0, le=1, description="a share from 0 to 1")]
Variance = Annotated[float, Meta(gt=0, le=float_info.max, description="a number above zero")]
Samples = Annotated[int, Meta(ge=1, le=(1 << 63) - 1, description="a whole number of samples")]


class Facts(Struct, frozen=True, rename="kebab"):
    """Numbers of the training run, each None where it was not given."""

    train_loss: Loss | None = None
    """Loss on the training set by `model.evaluate`, without the penalty."""
    val_loss: Loss | None = None
    """Loss on the validation set by `model.evaluate`, without the penalty."""
    train_accuracy: Share | None = None
    """Share of the training set that is predicted right, by `model.evaluate`."""
    val_accuracy: Share | None = None
    """The same of the validation set."""
    train_size: Samples | None = None
    """Samples in the training set."""
    val_size: Samples | None = None
    """Samples in the validation set."""
    batch_size: Samples | None = None
    """Samples in a training step."""
    target_variance: Variance | None = None
    """Mean squared deviation of the targets from their mean: the yardstick of a squared error."""

    @property
    def gap(self) -> float | None:
        """Validation loss less training loss."""
        if self.train_loss is None or self.val_loss is None:
            return None
        return self.val_loss - self.train_loss

    @property
    def steps_per_epoch(self) -> float | None:
        """Training steps in which every sample is seen once."""
        if self.train_size is None or self.batch_size is None:
            return None
        return max(self.train_size / self.batch_size, 1.0)


def option(name: str) -> str:
    """Write a fact as the command line does: `--train-loss`."""
    return f"--{name.replace('_', '-')}"


def is_number(value: Any) -> bool:
    """Whether a value is a number with which can be reckoned: neither infinite nor a NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False
