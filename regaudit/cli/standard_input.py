"""`-` among the models: what is piped in, kept in a temporary file until the command ends."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regaudit.running.guard import TEMPORARY, hold, release, remove_in_the_end
from regaudit.running.termination import ending_tidily
from regaudit.storage.standard_input import NAME, Spooled, opened, spooled

if TYPE_CHECKING:
    from regaudit.limits import Limits


def standard_input(limits: "Limits") -> Spooled:
    """Read standard input to its end, within the limits.

    Raises:
        click.UsageError: nothing is piped in, or there is no place for it.
    """
    from regaudit.errors import UsageError
    from regaudit.limits import allowing

    try:
        stream = opened()
        folder = click.get_current_context().with_resource(_temporary_folder())
    except UsageError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        message = f"there is no folder for temporary files: {error.strerror}; set TMPDIR to one"
        raise click.UsageError(message) from error
    hold(NAME, limits)
    with allowing(limits):
        kept = spooled(stream, folder)
    release()
    return kept


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Yield a folder that is removed, however the process ends; a parent does it if one waits."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=TEMPORARY))
        if not remove_in_the_end(str(Path(folder, NAME))):
            stack.enter_context(ending_tidily(for_good=True))
        yield Path(folder)
