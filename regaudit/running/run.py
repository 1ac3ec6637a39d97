"""Many models: find them, audit them in order."""

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from glob import has_magic
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from regaudit.auditing.audit_file import audit_file
from regaudit.errors import UnreadableModelError
from regaudit.formats.interface import formats, is_model
from regaudit.report.report import Failure, Report
from regaudit.settings.config import Config
from regaudit.storage.location import is_url, redacted_name

if TYPE_CHECKING:
    from regaudit.running.report_cache import Cache


def audit_files(
    targets: Iterable[str],
    config: Config | None = None,
    *,
    isolate: bool | None = None,
    jobs: int | None = None,
    cache: "Cache | None" = None,
    dask: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Generator[Report, None, None]:
    """Audit files, directories and globs, in the order given.

    Args:
        targets: paths, URLs and patterns.
        config: rules, thresholds and limits; all rules with their own by default.
        isolate: audit in worker processes, with limits on time and memory: what crashes or hangs
            one is that file's failure. By default, where there is more than one file.
        jobs: how many files are audited at once, in as many workers; by default one, on a
            cluster of this machine one for each processor.
        cache: of reports on files that did not change; made with the same settings.
        dask: address of the scheduler of a Dask cluster, whose workers see the files by the same
            paths; or `local` for one on this machine.
        progress: called now and then with the bytes of a file that are measured and with those of
            all its weights; only of files that are audited in this process.

    Yields:
        One report per model. A target that leads to no model yields a report with a `failure`.

    Raises:
        UsageError: the Dask cluster cannot be used.
        RegauditError: it was lost.
    """
    config = config or Config.default()
    found = [(target, list(find_models(target))) for target in targets]
    files = [file for _, matches in found for file in matches]
    if dask is not None:
        from regaudit.running.dask_cluster import audit_on_dask  # noqa: PLC0415 - an extra

        reports = audit_on_dask(files, config, dask, jobs, cache.folder if cache else None)
    elif len(files) > 1 if isolate is None else isolate:
        from regaudit.running.workers import audit_apart  # noqa: PLC0415 - one file needs none

        reports = audit_apart(files, config, jobs or 1, cache)
    else:
        audits = ((file, partial(audit_file, file, config, progress)) for file in files)
        reports = (cache.through(file, audit) if cache else audit() for file, audit in audits)
    for target, matches in found:
        if not matches:
            where = "below" if Path(target).is_dir() else "by"
            message = f"no saved model found {where} {redacted_name(target)}"
            yield Report(redacted_name(target), failure=Failure("UnreadableModelError", message))
        yield from islice(reports, len(matches))


def find_models(target: str) -> Iterator[str]:
    """Yield the models that a target means: itself, those below a directory, those of a glob."""
    path = Path(target)
    if is_url(target):
        yield from _in_store(target)
    elif path.is_dir() and not is_model(path):
        yield from _below(path)
    elif has_magic(target) and not path.exists():
        found = (_below(p) if p.is_dir() and not is_model(p) else [str(p)] for p in _matches(path))
        yield from dict.fromkeys(file for files in found for file in files)
    else:
        yield target


def _in_store(url: str) -> Iterator[str]:
    """Yield the models below a URL that ends with a slash, or of one with a star; else itself."""
    searched = not url.startswith("http") and (url.endswith("/") or "*" in url)
    if not searched:
        yield url
        return
    from regaudit.storage.remote_file import models_below  # noqa: PLC0415 - paths need none of it

    try:
        yield from models_below(url, models_among)
    except (UnreadableModelError, FileNotFoundError):
        yield url  # whose audit says why


def _matches(pattern: Path) -> list[Path]:
    """Return what a pattern matches, by name; `**` does not go through links, nor `*` hide dots."""
    parts = pattern.parts
    fixed = next(index for index, part in enumerate(parts) if has_magic(part))
    folder = Path(*parts[:fixed])
    return sorted(
        match
        for match in folder.glob(str(Path(*parts[fixed:])))
        if not any(part.startswith(".") and part not in parts for part in match.parts)
    )


def _below(folder: Path) -> Iterator[str]:
    """Yield the models below a directory by name; hidden and installed folders are left out."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name != "site-packages"
        )
        models = [name for name in folders if is_model(Path(place, name))]
        folders[:] = [name for name in folders if name not in models]
        yield from (str(Path(place, name)) for name in models)
        yield from (str(Path(place, name)) for name in files_among(files))


def files_among(names: Iterable[str]) -> list[str]:
    """Return the files among these that count as models, by name; hidden ones do not."""
    known = list(formats())
    suffixes = tuple(suffix for kind in known for suffix in kind.suffixes)
    found = {name for name in names if name.endswith(suffixes)}
    return sorted(
        name
        for name in found
        if not name.rpartition("/")[2].startswith(".")
        and not any(kind.listed_in(name) in found for kind in known)
    )


def models_among(names: list[str]) -> set[str]:
    """Return the models among all files of a store's folder: files, and folders with their marks.

    Args:
        names: paths of the files.
    """
    known, folders = set(names), set()
    marks = [kind.folder_marks for kind in formats() if kind.folder_marks]
    for name in names:
        folder, _, last = name.rpartition("/")
        for first, *others in marks:
            if last == first and known.issuperset(f"{folder}/{other}" for other in others):
                folders.add(folder)
    inside = tuple(f"{folder}/" for folder in folders)
    files = {name for name in files_among(names) if not name.startswith(inside)}
    return files | {folder for folder in folders if not folder.startswith(inside)}
