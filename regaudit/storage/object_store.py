"""A connection to an object store or a web server: the one door to fsspec.

It is imported when the user names a URL. A store that is away for a few seconds is asked again;
what fails in the end fails the file, in one line that holds no credentials.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from itertools import chain, count, repeat
from threading import Lock
from time import monotonic, sleep
from typing import Any, TypeVar, cast

from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.extras import pip_install
from regaudit.limits import enforce_limit
from regaudit.storage.arrivals import arrived
from regaudit.storage.deadline import Deadline
from regaudit.storage.object_store_errors import CHANGED, cause, is_final, message, reason
from regaudit.storage.range_reader import WHOLE, Pages, Windows
from regaudit.storage.redirects import Redirects

_NEEDED = {"s3": None, "http": None, "https": None, "gs": "gcsfs", "hf": "huggingface_hub"}
"""The package that reads the URLs of a scheme; None for those of the extra `stores`."""

RETRY_TIMEOUT = 20
"""Seconds for which a store that is away is asked again."""
_WAITS = (0.25, 0.5, 1, 2)
"""Seconds between the first attempts; then the last again and again."""
_CONNECT, _ANSWER = 5, 15
"""Seconds for a connection, and for a part of an answer."""
_MARKS = ("ETag", "LastModified", "Last-Modified", "mtime", "md5Hash", "generation", "blob_id")
"""What stores know of a file, next to its size, that changes with its content."""

Answer = TypeVar("Answer")


def connected(url: str) -> tuple["Store", str]:
    """Return the store that a URL is in, and its path there."""
    scheme = url.partition("://")[0].lower()
    if scheme not in _NEEDED or "::" in url:
        known = ", ".join(f"{known}://" for known in sorted(_NEEDED))
        raise UnreadableModelError(f"this kind of URL is not supported ({known} are)")
    imported(url)  # before the clock starts
    deadline, redirects = Deadline(), Redirects()
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415 - only URLs need it

        options = {"use_listings_cache": False, **_options(scheme, redirects)}
        system, path = deadline.within(lambda: url_to_fs(url, **options))
    except UnsafeFileError:
        raise
    except ImportError as error:
        package = _NEEDED[scheme]
        install = f"pip install {package}" if package else pip_install("stores")
        text = f"reading {scheme}:// takes a package: {install}"
        raise UnreadableModelError(text) from error
    except Exception as error:  # noqa: BLE001 - each store has errors of its own
        raise UnreadableModelError(f"cannot be reached: {reason(error)}") from None
    if not path.strip("/"):
        raise UnreadableModelError("the URL names no file")
    if scheme == "s3":
        system.retries = 1  # `with_retries` is patient already, and knows for how long
    return Store(system, scheme, deadline, redirects), path


def imported(url: str) -> None:
    """Import the library that reads a URL; if it is not there, `connected` says so."""
    scheme = url.partition("://")[0].lower()
    with suppress(Exception):
        from fsspec import get_filesystem_class  # noqa: PLC0415 - only URLs need it

        if scheme in _NEEDED:
            get_filesystem_class(scheme)


def _options(scheme: str, redirects: Redirects) -> dict[str, Any]:
    """Return the timeouts of a kind of store, next to what the user has set for it."""
    from fsspec.config import conf  # noqa: PLC0415 - only URLs need it

    if scheme == "s3":
        own = conf.get("s3", {}).get("config_kwargs", {})
        once = {"retries": {"total_max_attempts": 1}}
        times = {"connect_timeout": _CONNECT, "read_timeout": _ANSWER}
        return {"config_kwargs": {**once, **times, **own}}
    if scheme.startswith("http"):
        from aiohttp import ClientTimeout, TraceConfig  # noqa: PLC0415 - an extra

        own = conf.get(scheme, {}).get("client_kwargs", {})
        timeout = ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_ANSWER)
        trace = TraceConfig()
        trace.on_request_redirect.append(redirects.note)
        traces = [*own.get("trace_configs", ()), trace]
        client = {"timeout": timeout, **own, "trace_configs": traces}
        return {"client_kwargs": client, "skip_instance_cache": True}
    return {}


class Store:
    """A connection, for the time of one audit."""

    def __init__(self, system: Any, scheme: str, deadline: Deadline, redirects: Redirects) -> None:
        self.system = system
        self.scheme = scheme
        self.redirects = redirects
        self._deadline = deadline
        self.values = True
        """Whether values of weights are read."""
        self.retry_timeout: float = RETRY_TIMEOUT
        """Seconds for which a request is made again."""
        self._fault = ""
        """What failed first; an error would keep alive all that was open where it was raised."""
        self._known: dict[str, Mapping[str, Any] | None] = {}
        """What the store said of each file; None of a file that does not exist."""
        self._listed: tuple[str, ...] = ()
        """Folders of which all is known."""
        self._parts: dict[tuple[str, bool], Pages | Windows] = {}
        """Fetched parts of each file that was opened, of metadata and of values."""
        self._idle: dict[str, list[Any]] = {}
        """Open handles by path; as many as threads read at once."""
        self._lock = Lock()

    def with_retries(self, request: Callable[[], Answer]) -> Answer:
        """Return the answer to a request, asked again for a while where that may help.

        Raises:
            FileNotFoundError: there is no such file.
            UnsafeFileError: there is no answer within the limits.
            UnreadableModelError: there is none.
        """
        if self._fault:
            raise UnreadableModelError(self._fault)
        waits = chain(_WAITS, repeat(_WAITS[-1]))
        end = monotonic() + min(self.retry_timeout, self._deadline.left)
        for attempt in count(1):
            try:
                return self._deadline.within(request)
            except UnsafeFileError:
                raise
            except Exception as raised:  # noqa: BLE001 - each store has errors of its own
                error = cause(raised)
                if isinstance(error, FileNotFoundError):
                    raise error from None
                pause = next(waits)
                if is_final(error) or monotonic() + pause > end:
                    raise self._failed(message(error, attempt)) from None
            sleep(pause)
        raise AssertionError  # `count` has no end

    def info(self, path: str) -> Mapping[str, Any] | None:
        """Return what the store says of a file, asked once; None if there is none."""
        if path not in self._known:
            self._known[path] = None if path.startswith(self._listed) else self._info(path)
        return self._known[path]

    def _info(self, path: str) -> Mapping[str, Any] | None:
        with suppress(FileNotFoundError):
            return cast(Mapping[str, Any], self.with_retries(lambda: self.system.info(path)))
        return None

    def names(self, path: str) -> list[str]:
        """Return the paths of all files below a folder; of a file, itself."""
        found: dict[str, Mapping[str, Any]] = self.with_retries(
            lambda: self.system.find(path, detail=True)
        )
        enforce_limit("objects", len(found), "the folder has more than {limit} files")
        self._known |= found
        folders = {name.rpartition("/")[0] for name in found} if path not in found else set()
        self._known |= {folder: {"type": "directory"} for folder in folders}
        self._listed += (*(f"{folder}/" for folder in folders if folder),)
        return sorted(found)

    def names_in(self, path: str) -> list[str]:
        """Return the names of what lies in a folder, sorted."""
        found: list[str] = self.with_retries(lambda: self.system.ls(path, detail=False))
        enforce_limit("objects", len(found), "the folder has more than {limit} files")
        return sorted(name.rstrip("/").rpartition("/")[2] for name in found)

    def parts(self, path: str, size: int, values: bool) -> Pages | Windows:
        """Return what was fetched of a file and fetches the rest, in pieces fit for values or not.

        Args:
            path: of the file.
            size: its bytes.
            values: whether those of weights are to be read, not metadata.
        """
        key = path, values and self.values and size > WHOLE
        if key not in self._parts:
            kind = Windows if key[1] else Pages
            self._parts.setdefault(key, kind(partial(self._fetch, path), size))
        return self._parts[key]

    def _fetch(self, path: str, start: int, stop: int) -> bytes:
        try:
            return self.with_retries(lambda: self._read(path, start, stop))
        except FileNotFoundError:
            raise self._failed(CHANGED) from None

    def _read(self, path: str, start: int, stop: int) -> bytes:
        with self._lock:
            idle = self._idle.setdefault(path, [])
            handle = idle.pop() if idle else None
        handle = handle or self.system.open(path, "rb", cache_type="none")
        handle.seek(start)
        raw: bytes = handle.read(stop - start)
        if len(raw) != stop - start:
            raise EOFError
        arrived(len(raw))
        self._deadline.prolong(len(raw))
        with self._lock:
            idle.append(handle)
        return raw

    def verify(self) -> None:
        """Look whether anything failed, and whether all files are still what they were.

        Raises:
            UnreadableModelError: something failed, or a file is another one now.
        """
        fault, self._fault = self._fault, ""
        if fault:
            self.retry_timeout = 0  # what failed may have changed: one look is enough
        try:
            for path in dict.fromkeys(path for path, _ in self._parts):
                if marks(self._info(path)) != marks(self._known[path]):
                    raise self._failed(CHANGED)
        except UnreadableModelError as error:
            if fault and str(error) != CHANGED:
                raise UnreadableModelError(fault) from None
            raise
        if fault:
            raise UnreadableModelError(fault)

    def close(self) -> None:
        """Let go of what is open."""
        for handle in chain.from_iterable(self._idle.values()):
            with suppress(Exception):
                handle.close()

    def _failed(self, text: str) -> UnreadableModelError:
        """Let all that follows fail alike, at once."""
        self._fault = self._fault or text
        return UnreadableModelError(self._fault)


def marks(info: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return what differs if another file has taken the place of one."""
    return {key: info.get(key) for key in ("size", "type", *_MARKS)} if info else {}
