"""What the errors of a store mean: whether to ask again, and what to say to the user.

Stores come with libraries that have errors of their own: by name, so that none is imported.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus

CHANGED = "it changed while it was read; audit it again"

_FINAL = frozenset(
    {
        *("FileExpired", "PermissionError", "ImportError", "ModuleNotFoundError"),
        *("NotImplementedError", "ValueError", "TypeError", "InvalidURL", "NonHttpUrlClientError"),
        *("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"),
        *("ProfileNotFound", "NoRegionError", "ParamValidationError"),
    }
)
"""Errors that another attempt does not mend."""
_MAY_BE_SECRET = re.compile(r"[?&=@%;]|:/|//")
"""A part of a URL: what a library says in between cannot be told from a token."""


def message(error: Exception, attempts: int) -> str:
    """Say in one line why a file could not be read."""
    why = reason(error)
    if why == CHANGED:
        return why
    tries = "" if attempts == 1 else f"; asked {attempts} times"
    return f"cannot be read from its store: {why}{tries}"


def cause(error: Exception) -> Exception:
    """Return what lies behind "not found", which fsspec also says of web servers that failed."""
    behind = error.__cause__
    if isinstance(error, FileNotFoundError) and isinstance(behind, Exception):
        missing = isinstance(behind, FileNotFoundError) or _status(behind) in {404, 410}
        return error if missing else behind
    return FileNotFoundError() if _status(error) in {404, 410} else error


def _status(error: BaseException | None) -> int | None:
    """Return the HTTP status that an error stands for."""
    if error is None:
        return None
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):  # of botocore
        response = response.get("ResponseMetadata", {})
        status = response.get("HTTPStatusCode") if isinstance(response, Mapping) else None
    else:  # of aiohttp, or of requests
        status = getattr(error, "status", getattr(response, "status_code", None))
    return status if isinstance(status, int) else _status(error.__cause__)


def is_final(error: Exception) -> bool:
    """Whether another attempt would fail as well."""
    status = _status(error)
    if status is not None:
        return 300 <= status < 500 and status not in {408, 429}
    return not _names(error).isdisjoint(_FINAL)


def _names(error: Exception) -> set[str]:
    """Return the names of an error's classes: those of fsspec's many libraries are not imported."""
    return {kind.__name__ for kind in type(error).__mro__}


def reason(error: Exception) -> str:
    """Say what went wrong, without a URL: it may hold a token."""
    status, names = _status(error), _names(error)
    if "FileExpired" in names or status == 412:
        return CHANGED
    if "PermissionError" in names or status in {401, 403}:
        return "access is denied, or there is no such file"
    if status in set(HTTPStatus):
        return f"the server answers {status} ({HTTPStatus(status).phrase})"
    if "NoCredentialsError" in names:
        return "no credentials were found for it"
    if any("Timeout" in name for name in names):
        return "the server does not answer in time"
    if names & {"EOFError", "ClientPayloadError", "IncompleteRead", "IncompleteReadError"}:
        return "the server's answer ends too early"
    if "ValueError" in names and "range" in str(error):
        return "the server does not send parts of files: download the file and audit the copy"
    if any("Connect" in name or "Disconnect" in name for name in names):
        return "the server cannot be reached"
    text = " ".join(str(error).split())
    if _MAY_BE_SECRET.search(text):
        return type(error).__name__
    return f"{type(error).__name__}: {text[:200]}"
