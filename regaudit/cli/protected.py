"""Files that no output may replace: models and their parts, and what the same run reads."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from regaudit.storage.presence import exists, is_dir, is_file


def refuse_outputs(
    outputs: Iterable[Path],
    *,
    models: Sequence[str] = (),
    reads: Iterable[Path | str | None] = (),
    called: str = "files that are read",
    cache: Path | None = None,
    whole: bool = True,
) -> None:
    """Refuse outputs that would replace something else, before anything is audited.

    Args:
        outputs: files to write.
        models: those that are audited.
        reads: other files that are read: settings, baselines, results, data.
        called: what those are.
        cache: the folder of kept reports.
        whole: whether a file that is a whole model is refused, too.

    Raises:
        click.UsageError: one is a model, a part of one, a file that is read, or named twice.
    """
    inputs = [Path(one) for one in reads if one]
    seen: list[Path] = []
    for output in outputs:
        if any(_is_same(output, one) for one in inputs):
            raise _refused(output, f"one of the {called}")
        if why := _part_of_models(output, models):
            raise _refused(output, why)
        if why := _part_of_any(output, whole=whole):
            raise _refused(output, why)
        if cache is not None and _is_below(output, cache):
            raise _refused(output, f"in the cache {cache}")
        if any(_is_same(output, one) for one in seen) and not _is_special(output):
            raise click.UsageError(f"{output} is written twice: name another file")
        seen.append(output)


def _part_of_any(output: Path, *, whole: bool) -> str:
    """Say of which model on disk an output is a part; empty for none.

    Args:
        output: the file to write.
        whole: whether to say so of a file that is a whole model, too.
    """
    from regaudit.errors import RegauditError
    from regaudit.formats.interface import model_of_part, recognize

    try:
        if model := model_of_part(output):
            return f"a part of the model {model}"
        if whole and is_file(output):
            recognize(output)
            return "a model"
    except (RegauditError, OSError):
        pass
    return ""


def _part_of_models(output: Path, models: Sequence[str]) -> str:
    """Say of which of the audited models an output is a part; empty for none."""
    from regaudit.formats.interface import formats, holds, is_model

    for model in map(Path, models):
        if _is_same(output, model):
            return "one of the models to audit"
        if not is_dir(model):
            continue
        inside = _is_below(output, model)
        linked = is_file(output) and any(holds(one, model, output) for one in formats())
        if (inside or linked) and is_model(model):
            return f"a part of the model {model}"
    return ""


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
