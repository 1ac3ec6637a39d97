from regaudit.tensors.tensor import Array

def add(
    values: Array, itemsize: int, below: float, counts: Array, maxima: Array, column: int
) -> tuple[float, float, float, float, int, int]: ...
