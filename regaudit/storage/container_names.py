"""Names of what lies in a container: `model.tar.gz/1` is the folder 1 in the archive before it.

No file can lie below another one, so such a name means nothing else; a store may have such a key,
which then counts.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, unquote

from regaudit.storage.container_marks import may_be_container
from regaudit.storage.location import is_url
from regaudit.storage.presence import exists, is_file

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".zip")
"""Archives, by the end of their names."""
COMPRESSED = (".gz", ".bz2", ".xz")
"""What is compressed as a whole, behind the end of the name that it has otherwise."""
_ENDS = "|".join(map(re.escape, ARCHIVES + COMPRESSED))
_IN_URL = re.compile(rf"[A-Za-z0-9+.-]+://[^/]*/(?:[^/]*/)*?[^/]+(?:{_ENDS})(?=/|$)")


def split_name(name: str) -> tuple[str, str]:
    """Return the file that a name leads to or into, and the member there; empty for the file.

    Args:
        name: a path or a URL.
    """
    if is_url(name):
        return _split_url(name)
    path = Path(name)
    if not exists(path):
        for above in path.parents:
            if is_file(above):
                return str(above), path.relative_to(above).as_posix()
    return name, ""


def joined_name(container: str, member: str) -> str:
    """Return how a member is named.

    Args:
        container: path or URL of the file that it is in.
        member: its path there; empty for the file itself.
    """
    if not member:
        return container
    if not is_url(container):
        return f"{container}/{member}"
    base, query = _without_query(container)
    return f"{base}/{quote(member) if _is_of_web(container) else member}{query}"


def short_name(name: str) -> str:
    """Return the last part of a name; of what lies in a container, that and what follows it."""
    parts = Path(name).parts or (name,)
    return "/".join(parts[_packed_at(parts, len(parts) - 1) :])


def is_named_packed(name: str) -> bool:
    """Whether a model is called like a container, or like what lies in one."""
    return _packed_at(Path(name).parts, -1) >= 0


def _packed_at(parts: Sequence[str], otherwise: int) -> int:
    """Return which part of a path is named like a container."""
    ends = (*ARCHIVES, *COMPRESSED)
    return next((at for at, part in enumerate(parts) if part.endswith(ends)), otherwise)


def is_packed(name: str) -> bool:
    """Whether a path leads to a container, or into one."""
    file, member = split_name(name)
    try:
        return bool(member) or may_be_container(Path(file))
    except OSError:
        return False


def is_named_like_one(url: str) -> bool:
    """Whether a URL is named like a container, or leads into one."""
    return _IN_URL.match(_without_query(url)[0]) is not None


def _split_url(url: str) -> tuple[str, str]:
    base, query = _without_query(url)
    found = _IN_URL.match(base)
    if found is None:
        return url, ""
    member = base[found.end() :].strip("/")
    return found[0] + query, unquote(member) if _is_of_web(url) else member


def _without_query(url: str) -> tuple[str, str]:
    """Return the part of a URL that is a path, and what follows it."""
    if not _is_of_web(url):
        return url, ""
    base, mark, query = url.partition("?")
    return base, mark + query


def _is_of_web(url: str) -> bool:
    return url.lower().startswith("http")
