"""Whatever HDF5 and h5py raise is one of two faults: the file is damaged, or takes all memory."""

import pytest

from regaudit.errors import UnreadableModelError
from regaudit.tensors.hdf5 import damage


@pytest.mark.parametrize(
    "error",
    [
        OSError("x"),
        RuntimeError("x"),
        RecursionError("x"),
        KeyError("x"),
        IndexError("x"),
        ValueError("x"),
        UnicodeDecodeError("utf-8", b"", 0, 1, "x"),
        TypeError("x"),
        OverflowError("x"),
        SystemError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_damaged_file(error):
    with pytest.raises(UnreadableModelError, match="damaged or cut short"), damage():
        raise error


def test_no_memory_is_not_called_damage():
    with pytest.raises(MemoryError), damage():
        raise MemoryError
    with pytest.raises(MemoryError), damage():
        raise RuntimeError("Link iteration failed (memory allocation failed for chunk)")
    hidden = SystemError("returned a result with an exception set")
    hidden.__cause__ = MemoryError()  # as Cython does
    with pytest.raises(MemoryError), damage():
        raise hidden
