"""What stands for the slow parts while a page is followed: other tests are about these."""

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from unittest.mock import patch

from paths import FIXTURES

from regaudit.auditing.audit_file import audit_file
from regaudit.report.report import Report
from regaudit.running.report_cache import Cache
from regaudit.settings.config import Config
from regaudit.sweeping.document import read_sweep


def swept() -> AbstractContextManager[object]:
    """Take the result that is stored for that of every sweep, and a saved model for the chosen."""
    found = read_sweep(FIXTURES / "sweep.json")
    answer = ExitStack()
    chosen = FIXTURES / "models" / "digits-cnn.keras"
    for name, stand_in in {
        "regaudit.sweeping.sweep.run": lambda *_: (found, str(chosen)),
        "regaudit.sweeping.write.write": lambda _, file, out: shutil.copy(file, out),
        "regaudit.sweep": lambda *_: found,
    }.items():
        answer.enter_context(patch(name, stand_in))
    return answer


def audit_here(files: list[str], config: Config, _: int, cache: Cache | None) -> Iterator[Report]:
    """Audit several files without the processes that a run starts for them: they cost a second."""
    for file in files:
        audit = partial(audit_file, file, config)
        yield cache.through(file, audit) if cache else audit()
