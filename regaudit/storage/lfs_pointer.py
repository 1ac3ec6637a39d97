"""Git LFS pointers: the three lines that a clone without Git LFS has in place of a file."""

import re

LONGEST = 1024
"""Bytes that no pointer reaches."""
_POINTER = re.compile(
    rb"version https?://(git-lfs\.github\.com|hawser\.github\.com|git-media\.io)/"
)
"""How each begins, also those of the first versions of Git LFS."""


def is_pointer(head: bytes) -> bool:
    """Whether a file that begins like this is one."""
    return _POINTER.match(head) is not None


def pointer(instead: str) -> str:
    """Say that something is one, and the way out.

    Args:
        instead: of what it is in the place.
    """
    return f"a Git LFS pointer, not {instead} itself: run `git lfs pull`"
