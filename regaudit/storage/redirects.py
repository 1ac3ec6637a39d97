"""Which other hosts a web server sends us to: the user named only the first."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

_TOLD: list[Callable[[str], None]] = []
_LOCK = Lock()
_MOST = 5
"""Hosts that are named: a server may send each request to another."""
_LONGEST = 255
"""Characters of the name of a host."""


@contextmanager
def telling(tell: Callable[[str], None]) -> Iterator[None]:
    """Have it told at once, in any thread, where a server sends us: this process may be killed.

    Args:
        tell: called with the text that the report would have.
    """
    with _LOCK:
        _TOLD.append(tell)
    try:
        yield
    finally:
        with _LOCK:
            _TOLD.remove(tell)


class Redirects:
    """The hosts of one audit."""

    def __init__(self) -> None:
        self._hosts: dict[str, None] = {}

    async def note(self, _session: Any, _context: Any, redirect: Any) -> None:
        """Take what `aiohttp` says of a redirect, also of one that leads to a failure."""
        target = redirect.response.headers.get("Location") or redirect.response.headers.get("URI")
        try:
            there = redirect.url.join(type(redirect.url)(target or ""))
            host = _host(there)
        except ValueError:  # not a URL: it is not followed either
            return
        if there.host and host != _host(redirect.url) and len(self._hosts) < _MOST:
            self._hosts[host[:_LONGEST]] = None
            with _LOCK:
                for tell in _TOLD:
                    tell(str(self))

    def __str__(self) -> str:
        """Return where they led, without user and query; empty if nowhere."""
        return f"redirected to {', '.join(self._hosts)}" if self._hosts else ""


def _host(url: Any) -> str:
    """Return the host of a `yarl.URL`, with a port that is not the usual one."""
    port = "" if url.explicit_port is None else f":{url.explicit_port}"
    return f"{url.host}{port}"
