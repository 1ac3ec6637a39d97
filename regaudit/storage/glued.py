"""Files that are a model and something else: readers of the two kinds take different parts."""

from regaudit.errors import UnsafeFileError


def refuse_glued(count: int, where: str) -> None:
    """Refuse a model that is only a part of its file.

    Args:
        count: of bytes that are no part of it.
        where: `before` or `behind`.

    Raises:
        UnsafeFileError: there are some.
    """
    if count > 0:
        raise UnsafeFileError(
            f"{count:,} bytes {where} the model are of another file, or of none: take the two "
            "apart, and audit each"
        )
