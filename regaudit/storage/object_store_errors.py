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
        *("ProfileNotFound", "NoRegionError", "ParamValidationError", "TooManyRedirects"),
    }
)
"""Errors that another attempt does not mend."""
_DENIED = "access is denied, or there is no such file"
_STATUSES = {401: _DENIED, 403: _DENIED, 412: CHANGED}
_MEANINGS = {
    "FileExpired": CHANGED,
    "PermissionError": _DENIED,
    "TooManyRedirects": "the server redirects again and again",
    "RedirectClientError": "the server redirects to what is not a web address",
    "InvalidURL": "the URL is not valid",
    "NoCredentials": "no credentials were found for it",
    "ParamValidation": "not a valid bucket: a URL is s3://BUCKET/FILE, without a password",
    "Timeout": "the server does not answer in time",
    "EOFError": "the server's answer ends too early",
    "PayloadError": "the server's answer ends too early",
    "IncompleteRead": "the server's answer ends too early",
    "Certificate": "the server's certificate is not accepted",
    "SSL": "the server does not make a secure connection",
    "Connect": "the server cannot be reached",
    "Disconnect": "the server cannot be reached",
}
"""What errors mean by a part of their names; the first that fits counts."""
_WORDS = {
    "range request": "the server does not send parts of files: "
    "download the file and audit the copy",
    "Port out of range": "the URL is not valid",
    "Invalid URL": "the URL is not valid",
}
"""What a `ValueError` means by what it says."""
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
    if not _names(error).isdisjoint(_FINAL):
        return True
    status = _status(error)
    if status is not None:
        return 300 <= status < 500 and status not in {408, 429}
    return False


def _names(error: BaseException) -> set[str]:
    """Return the names of an error's classes: those of fsspec's many libraries are not imported."""
    return {kind.__name__ for kind in type(error).__mro__}


def reason(error: Exception) -> str:
    """Say what went wrong, without a URL: it may hold a token."""
    status, names = _status(error), _names(error)
    if status in _STATUSES:
        return _STATUSES[status]
    for part, said in _MEANINGS.items():
        if any(part in name for name in names):
            return said
    if _is_garbled(error):  # which `aiohttp` turns into a status that nobody sent
        return "the server's answer is not valid HTTP: check the URL"
    if status in set(HTTPStatus):
        return f"the server answers {status} ({HTTPStatus(status).phrase})"
    if status:
        return f"the server answers {status}"
    text = " ".join(str(error).split())
    for part, said in _WORDS.items():
        if part in text and "ValueError" in names:
            return said
    if _MAY_BE_SECRET.search(text):
        return type(error).__name__
    return f"{type(error).__name__}: {text[:200]}"


def _is_garbled(error: BaseException | None) -> bool:
    """Whether what a server sent could not be understood."""
    while error is not None:
        if "HttpProcessingError" in _names(error):
            return True
        error = error.__cause__
    return False
