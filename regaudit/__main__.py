"""`python -m regaudit`, and what the command `regaudit` calls."""

import gc
import os
import signal
import sys

from regaudit.errors import Terminated, is_out_of_memory
from regaudit.running.guard import fork, give_up_memory, leave
from regaudit.running.termination import die_of, end_by_interrupts
from regaudit.running.unforeseen import UNREADABLE, say_unforeseen

BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""What tells NumPy's library to use one thread, when it is loaded: more take longer to start than
they save, and where spectra share out whole matrices among threads, they wait for each other."""


def main() -> None:
    """Run the command line; whatever nobody foresaw is one line and an exit code, too."""
    try:
        _guarded()
    except Terminated as ended:
        die_of(ended.number)
    except KeyboardInterrupt:
        die_of(signal.SIGINT)
    except Exception as error:  # noqa: BLE001 - exit code 1 means findings
        if is_out_of_memory(error):
            give_up_memory()
        say_unforeseen(error)
        leave(UNREADABLE)
        sys.exit(UNREADABLE)


def _guarded() -> None:
    """Run the command line in a guarded process, which is forked while it is small."""
    for name in BLAS_THREADS:
        os.environ.setdefault(name, "1")
    # What is made for one model lives until the end: to look for what does not takes a tenth of the
    # time, and a fifth for 10,000 layers. `audited` enables it for many.
    gc.disable()
    killed = None if "--no-isolate" in sys.argv else fork()
    end_by_interrupts()  # Click would make exit code 1 of Ctrl-C
    from regaudit.cli import main as command  # noqa: PLC0415 - after the fork

    try:
        command(prog_name="regaudit", obj=killed)
    except SystemExit as end:
        leave(end.code)
        raise


if __name__ == "__main__":
    main()
