"""Files that no output may replace: models and their parts, and what the same run reads.

What cannot be a report is left alone, whoever wrote it: of a file that is there already, only text
and Parquet are replaced, and nothing is put where a model has its parts.
"""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from regaudit.storage.lfs_pointer import is_pointer
from regaudit.storage.plain_file import open_plain
from regaudit.storage.presence import exists, is_dir, is_file


def refuse_outputs(
    outputs: Iterable[Path],
    *,
    models: Sequence[str] = (),
    reads: Iterable[Path | str | None] = (),
    called: str = "files that are read",
    cache: Path | None = None,
    is_model: bool = False,
) -> None:
    """Refuse outputs that would replace something else, before anything is audited.

    Args:
        outputs: files to write.
        models: those that are audited.
        reads: other files that are read: settings, baselines, results, data.
        called: what those are.
        cache: the folder of kept reports.
        is_model: whether a model is what is written: it may replace another.

    Raises:
        click.UsageError: one is a model, a part of one, a file that is read, or named twice.
    """
    inputs = [Path(one) for one in reads if one]
    seen: list[Path] = []
    if cache is not None:
        refuse_part(cache / "entry", named=cache)
    for output in outputs:
        if any(_is_same(output, one) for one in inputs):
            raise _refused(output, f"one of the {called}")
        if any(_is_same(output, Path(model)) for model in models):
            raise _refused(output, "one of the models to audit")
        if folder := next((one for one in models if _is_in_linked(output, Path(one))), None):
            raise _refused(output, f"a part of the model {folder}")
        (refuse_part if is_model else refuse_report)(output)
        if cache is not None and _is_below(output, cache):
            raise _refused(output, f"in the cache {cache}")
        if any(_is_same(output, one) for one in seen) and not _is_special(output):
            raise click.UsageError(f"{output} is written twice: name another file")
        seen.append(output)


def refuse_report(output: Path) -> None:
    """Refuse to put a report where a model, or a part of one, is or would be.

    Raises:
        click.UsageError: it is one, by its place, its name or its content.
    """
    refuse_part(output)
    if _is_special(output):
        return
    real = Path(os.path.realpath(output))
    if name := _MODEL.search(real.name):
        raise _refused(output, f"a model by its name, *{name[0]}")
    if is_file(real) and (why := _why_kept(real)):
        raise _refused(output, why)


def refuse_part(output: Path, *, named: Path | None = None) -> None:
    """Refuse to write a part of a model that is a folder or has several files, or a backup.

    Args:
        output: the file to write.
        named: what the user named, if not that.

    Raises:
        click.UsageError: it is, or would be, a part of a model, audited or not.
    """
    from regaudit.editing.backup_files import is_of_edit
    from regaudit.formats.interface import model_of_part

    if _is_special(output):
        return
    name = Path(os.path.realpath(output)).name
    if is_of_edit(name):
        raise _refused(named or output, "what `apply --undo` restores a model from")
    if model := model_of_part(output):
        raise _refused(named or output, f"a part of the model {model}")
    if ending := _PART.search(name):
        raise _refused(named or output, f"a part of a model by its name, *{ending[0]}")


_MODEL = re.compile(r"\.(keras|h5|hdf5)$", re.IGNORECASE)
_PART = re.compile(r"\.(weights\.json|pb|pbtxt|index|data-\d+-of-\d+)$|^checkpoint$", re.IGNORECASE)
"""Names by which Keras and TensorFlow take a file for a model, or for a part of one."""

_ENDS = 1 << 16
"""Bytes at the start and at the end of a file that are looked at."""
_NO_TEXT = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")
"""What neither a page nor a coloured table has, but some byte of weights, archives and graphs."""
_JSON_OF_MODEL = re.compile(
    rb'\s*\{(\s*"(module|class_name|keras_version|backend|config|metadata)"|'
    rb'.{,4000}?"weight_map")\s*:',
    re.DOTALL,
)
"""How an architecture, the metadata of an archive, or a list of shards begins; no report does."""


def _why_kept(file: Path) -> str:
    """Say why an existing file is not replaced by a report; empty for what may be an older one.

    Files of strangers are not parsed for this, only looked at.
    """
    try:
        with open_plain(file) as stream:
            head = stream.read(_ENDS)
            stream.seek(max(file.stat().st_size - _ENDS, 0))
            tail = stream.read(_ENDS)
    except OSError as error:
        return f"perhaps a model: it cannot be read ({error.strerror})"
    if head.startswith(b"PAR1"):
        return ""
    if _NO_TEXT.search(head) or _NO_TEXT.search(tail):
        return "no report but a binary file, perhaps a model"
    if is_pointer(head):
        return "a Git LFS pointer, perhaps of a model"
    if _JSON_OF_MODEL.match(head):
        return "a model, or a part of one, in JSON"
    return ""


def _is_in_linked(output: Path, model: Path) -> bool:
    """Whether a file lies in a folder that a part of an audited model is a link to."""
    if not is_dir(model):
        return False
    try:
        links = [
            one
            for one in model.iterdir()
            if one.is_symlink() and is_dir(one) and not _is_below(model / "any", one)
        ]
    except OSError:
        return False
    return any(_is_below(output, link) for link in links)


def _is_below(file: Path, folder: Path) -> bool:
    above = Path(os.path.realpath(file)).parents
    return any(_is_same(one, folder) for one in above)


def _is_same(one: Path, other: Path) -> bool:
    """Whether two names lead to one file, or would."""
    try:
        return one.samefile(other)
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)


def _is_special(file: Path) -> bool:
    """Whether it is a pipe or a device, which takes more than one output."""
    return exists(file) and not is_file(file) and not is_dir(file)


def _refused(output: Path, what: str) -> click.UsageError:
    return click.UsageError(f"{output} is {what}: write to another file")
