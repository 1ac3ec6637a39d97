"""Reports of models that did not change since: kept in a folder, by what they depend on.

A key is the SHA-256 of the content, the settings, the name by which reports call the model, and the
version of regaudit. What is kept is MessagePack with a checksum, never a pickle; what cannot be
read back as a report is ignored. The folder may be deleted at any time.
"""

import errno
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from hashlib import file_digest, sha256
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from regaudit.errors import UsageError
from regaudit.formats.interface import formats
from regaudit.report.messages import from_bytes, to_bytes
from regaudit.report.report import Report
from regaudit.settings.config import Config
from regaudit.storage.atomic_write import replacing
from regaudit.storage.checkpoint_files import shards_of
from regaudit.storage.container_names import is_packed, split_name
from regaudit.storage.plain_file import read_plain
from regaudit.storage.search import everything_below
from regaudit.version import VERSION

_TAG = "CACHEDIR.TAG"
_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n# Reports that regaudit keeps.\n"
"""By which backups know a cache, and we a folder of ours: https://bford.info/cachedir/."""

ENTRY_BYTES = 256 << 20
"""Largest report that is kept."""

_State = tuple[tuple[str, int, int, int], ...]
"""Path, size, time of change and number of each file of a model."""


class CacheEntry(NamedTuple):
    """Room for the report on what a model holds now."""

    place: Path
    file: Path
    """The model, or the archive that it is in."""
    name: str
    """As the user names it."""
    before: _State
    packed: bool = False
    """Whether the file is an archive, or a compressed one, that holds all of the model."""


class Cache(Struct, dict=True):
    """A folder of reports for one run."""

    folder: Path
    config: Config
    hits: int = 0
    trouble: str = ""
    """Why nothing could be kept, if that is so."""

    def __post_init__(self) -> None:
        """Look whether the folder is ours.

        Raises:
            UsageError: it is a file, or a folder with other things in it.
        """
        try:
            # A tag that was not finished begins with its name.
            others = any(not one.name.startswith(f".{_TAG}.") for one in self.folder.iterdir())
            foreign = not _is_file(self.folder / _TAG) and others
        except FileNotFoundError:
            foreign = False
        except OSError as error:
            raise UsageError(f"--cache {self.folder}: {error.strerror}") from error
        if foreign:
            raise UsageError(
                f"--cache {self.folder}: this folder is not a cache: it has files, but no {_TAG}; "
                "name an empty folder, or put --cache after the models for the default"
            )

    @cached_property
    def settings(self) -> bytes:
        """A digest of what of the settings decides on reports."""
        return _digest(replace(self.config, pairs={}))

    def through(self, file: str, audit: Callable[[], Report], folder: str = "") -> Report:
        """Return the report that is kept, else that of an audit, which is kept unless it failed.

        Args:
            file: the model as the user names it.
            audit: makes its report.
            folder: from which a relative path leads, if not from the working directory.
        """
        found = self.find(file, folder)
        if isinstance(found, Report):
            return found
        report = audit()
        if found is not None:
            self.keep(report, found)
        return report

    def find(self, file: str, folder: str = "") -> Report | CacheEntry | None:
        """Return the report that is kept; else the room for it, if there can be one."""
        if file in self.config.pairs:
            return None  # it depends on two files
        whole, member = split_name(str(Path(folder, self.config.place_of(file))))
        path, packed = Path(whole), bool(member) or is_packed(whole)
        try:
            before = _state(path)
            place = self._place(file, path, Path(folder, file)) if before else None
        except (OSError, ValueError):
            place = None  # the audit says why
        if place is None:
            return None
        kept = _kept(place)
        if kept is not None and kept.file == file:
            self.hits += 1
            return kept
        return CacheEntry(place, path, file, before, packed)

    def _place(self, name: str, file: Path, known_by: Path) -> Path:
        """Return where the report on what a file holds now is kept."""
        key = sha256(self.settings)
        key.update(_part(os.fsencode(name)))
        if self.config.baseline is not None:  # which knows a model by where it lies
            key.update(_part(os.fsencode(known_by.absolute())))
        for member, path in _files(file):
            with path.open("rb") as stream:
                key.update(_part(os.fsencode(member)))
                key.update(file_digest(stream, "sha256").digest())
        digest = key.hexdigest()
        return self.folder / digest[:2] / f"{digest[2:]}.msgpack"

    def keep(self, report: Report, entry: CacheEntry) -> None:
        """Keep a report unless it failed, or the model changed since room for it was found.

        Nor is one kept on a file that names others of which the model is made.
        """
        if not report.complete or report.file != entry.name or self.trouble:
            return
        several = entry.packed or entry.file.is_dir() or shards_of(entry.file)
        if not (several or _is_one_file(report.format)):
            return
        place = entry.place
        try:
            body = to_bytes(report)
            if _state(entry.file) != entry.before:
                return  # it changed meanwhile: the report may be on either content
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not _is_file(tag := self.folder / _TAG):  # first: a folder without is not ours
                with replacing(tag, follow=False) as stream:
                    stream.write(_SIGNATURE.encode())
            _make_real(place.parent)
            with replacing(place, follow=False) as stream:
                stream.write(sha256(body).hexdigest().encode() + b"\n" + body)
        except (OSError, TypeError) as error:
            self.trouble = getattr(error, "strerror", None) or str(error)


def default_folder() -> Path:
    """Return the folder for caches that the system has for a user."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "regaudit"


def _digest(config: Config) -> bytes:
    """Return a digest of all settings that decide on reports, and of the version."""
    today = datetime.now(UTC).date()
    expired = [one.expired(today) for one in config.ignores]
    rules = [
        (rule.about.code, [(name, getattr(rule, name)) for name in rule.thresholds()])
        for rule in config.rules
    ]
    others = replace(
        config,
        rules=(),
        fail_on=0,
        fail_on_unknown=False,
        models=(),
        file=None,
        standard_input=None,
    )
    return sha256(repr((VERSION, rules, others, expired)).encode()).digest()


def _kept(place: Path) -> Report | None:
    """Return the report that is kept in a place; None for nothing, or for what is not one."""
    try:
        if place.parent.is_symlink():
            return None
        content = read_plain(place, ENTRY_BYTES, follow_links=False)
        checksum, _, body = content.partition(b"\n")
        return from_bytes(Report, body) if checksum == sha256(body).hexdigest().encode() else None
    except (OSError, ValueError):
        return None


def _make_real(folder: Path) -> None:
    """Make a folder, unless there is one; a link would lead elsewhere."""
    folder.mkdir(exist_ok=True, mode=0o700)
    if folder.is_symlink():
        raise OSError(errno.ELOOP, f"{folder} is a link")


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _state(file: Path) -> _State:
    """Return what differs once a model changed; empty where there is no file."""
    if not file.is_dir() and not file.is_file():
        return ()
    status = [(name, path.stat()) for name, path in _files(file)]
    return tuple((name, s.st_size, s.st_mtime_ns, s.st_ino) for name, s in status)


def _is_one_file(name: str | None) -> bool:
    """Whether a file of a format holds all of a model."""
    return any(one.name == name and one.one_file for one in formats())


def _files(file: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files of a model with their names inside it."""
    if not file.is_dir():
        yield "", file
        yield from ((shard.name, file.with_name(shard.name)) for shard in shards_of(file))
        return
    for path in sorted(path for path, _ in everything_below(file)):
        if S_ISREG(path.stat().st_mode):
            yield path.relative_to(file).as_posix(), path
        elif not path.is_dir():
            raise FileNotFoundError(f"{path} is a pipe or a device")


def _part(content: bytes) -> bytes:
    """Return content that cannot run into what follows it."""
    return len(content).to_bytes(8, "little") + content
