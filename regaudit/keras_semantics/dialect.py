"""What the version of Keras that saved a file makes of it; the versions differ."""

import re
from typing import Self

from msgspec import Struct

CURRENT = (3, 15, 1)
"""Assumed for files of Keras 3 that do not name their version."""


class Dialect(Struct, frozen=True):
    """The semantics of one version of Keras. All were measured by loading files with it."""

    version: tuple[int, int, int]
    of_tensorflow: bool = False
    """Whether it calls itself TensorFlow's, as tf.keras did up to 2.4."""
    of_hdf5: bool = False
    """Whether it loads a whole model in HDF5."""

    @classmethod
    def of(cls, version: str | None, default: tuple[int, int, int] = CURRENT) -> Self:
        """Return the dialect of a version such as `3.15.1` or `2.4.0-tf`."""
        found = re.match(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?", version or "")
        if found is None:
            return cls(default)
        major, minor, patch = (int(part or 0) for part in found.groups())
        return cls((major, minor, patch), (version or "").endswith("-tf"))

    @property
    def keras_1(self) -> bool:
        """Whether it is Keras before 2.0, with weights and options of other names."""
        return self.version < (2, 0, 0)

    @property
    def before_keras_3(self) -> bool:
        """Whether it is Keras 1 or 2, tf.keras or tf-keras."""
        return self.version < (3, 0, 0)

    @property
    def multi_backend(self) -> bool:
        """Whether it is Keras before it became TensorFlow's own: up to 2.3."""
        return self.version < (2, 4, 0) and not self.of_tensorflow

    @property
    def swaps_gates(self) -> bool:
        """Whether recurrent weights that are kept gate by gate get the regularizer of kernels.

        A slip of Keras 1.2, in LSTM and GRU.
        """
        return (1, 2, 0) <= self.version < (2, 0, 0)

    @property
    def penalizes_backward_layer(self) -> bool:
        """Whether the backward layer of a Bidirectional pays: Keras 2.0 and 2.1 forgot it."""
        return not (self.multi_backend and (2, 0, 0) <= self.version < (2, 2, 0))

    @property
    def penalizes_merge_branches(self) -> bool:
        """Whether the branches that a Merge layer holds pay: Keras 1.2 forgot them."""
        return not (1, 2, 0) <= self.version < (2, 0, 0)

    @property
    def reads_modules(self) -> bool:
        """Whether the module and the registered name of a regularizer count.

        Else a custom one loads as Keras's own of the same class name: from HDF5 of Keras 2, and
        from archives before 2.13.
        """
        if self.before_keras_3:
            return self.version >= (2, 13, 0) and not self.of_hdf5
        return True

    @property
    def casts_strengths(self) -> bool:
        """Whether strengths are cast to the dtype of the weight, through float32.

        In Keras 3.0 to 3.13 that of L1 was a tensor, which does not multiply weights of another
        dtype.
        """
        return self.before_keras_3 or self.version >= (3, 14, 0)

    @property
    def accepts_negative(self) -> bool:
        """Whether a regularizer may have a negative strength."""
        return self.before_keras_3

    @property
    def restores_trainable(self) -> bool:
        """Whether a load restores `trainable=False`."""
        return self.before_keras_3 or self.version >= (3, 2, 0)

    @property
    def frozen_weights_penalized(self) -> bool:
        """Whether the penalty of a frozen weight stays in the loss, as a constant."""
        return self.before_keras_3

    @property
    def stores_activity(self) -> bool:
        """Whether every layer's activity regularizer is in the file.

        Keras 3.0 to 3.3 left it out of the layers that do not list it themselves.
        """
        return self.before_keras_3 or self.version >= (3, 4, 0)

    @property
    def divides_activity(self) -> bool:
        """Whether an activity penalty is divided by the batch size."""
        if self.before_keras_3:
            return not self.multi_backend
        return self.version >= (3, 14, 0)
