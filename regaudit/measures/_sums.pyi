from regaudit.tensors.tensor import Array

def add(
    values: Array,
    itemsize: int,
    below: float,
    counts: Array,
    maxima: Array,
    by_column: Array,
    by_input: Array,
    each: int,
    start: int,
) -> tuple[float, float, float, int, int, int]: ...
