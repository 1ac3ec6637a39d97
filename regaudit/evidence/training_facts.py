"""What the user knows about the training and no file contains."""

from math import isfinite
from typing import Any

from msgspec import Struct
from msgspec.structs import fields

from regaudit.errors import UsageError, shown


class Facts(Struct, frozen=True):
    """Numbers of the training run, each None where it was not given."""

    train_loss: float | None = None
    """Loss on the training set by `model.evaluate`, without the penalty."""
    val_loss: float | None = None
    """Loss on the validation set by `model.evaluate`, without the penalty."""
    train_size: int | None = None
    """Samples in the training set."""
    val_size: int | None = None
    """Samples in the validation set."""
    batch_size: int | None = None
    """Samples in a training step."""
    target_variance: float | None = None
    """Mean squared deviation of the targets from their mean: the yardstick of a squared error."""

    @classmethod
    def checked(cls, **given: Any) -> "Facts":
        """Make facts out of what a user gives; names may be written with dashes.

        Raises:
            UsageError: a number that its fact cannot be.
        """
        names = {field.name for field in fields(cls)}
        found = {key.replace("-", "_"): value for key, value in given.items() if value is not None}
        for name, value in found.items():
            if name in names:
                _check(name, value)
        return cls(**found)

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


def _check(name: str, value: Any) -> None:
    key = name.replace("_", "-")
    if not is_number(value):
        raise UsageError(f"{key} must be a finite number, not {shown(value)}")
    if name.endswith("_size") and (not isinstance(value, int) or not 0 < value < 1 << 63):
        raise UsageError(f"{key} must be a whole number of samples, not {shown(value)}")
    if name == "target_variance" and value <= 0:
        raise UsageError(f"{key} must be above zero, not {value!r}")


def is_number(value: Any) -> bool:
    """Whether a value is a number with which can be reckoned: neither infinite nor a NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False
