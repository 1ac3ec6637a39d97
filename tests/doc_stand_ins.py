"""What stands for the slow parts while a page is followed: other tests are about these."""

import shutil
from contextlib import AbstractContextManager, ExitStack
from unittest.mock import patch

from paths import FIXTURES

from regaudit.running.written import Carrier
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


def audit_here(files, workers):
    """Audit in this process what workers would: no page is about these."""
    audit = Carrier(workers.order, workers.config)
    for file in files:
        yield audit(file, workers.config)
