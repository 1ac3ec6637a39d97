"""What was unpacked last: a search for models is followed by their audits."""

from typing import Any


class Kept:
    """One container, by what differs once its file has changed."""

    key: object = None
    container: Any = None


def forget() -> None:
    """Let go of it, and of the room that it takes on disk."""
    Kept.key = Kept.container = None
