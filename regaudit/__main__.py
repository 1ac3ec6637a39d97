"""`python -m regaudit`, and what the command `regaudit` calls."""

import os
import sys

from regaudit.guard import fork, leave


def main() -> None:
    """Run the command line in a guarded process, which is forked while it is small."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more take longer to start than they save
    killed = None if "--no-isolate" in sys.argv else fork()
    from regaudit.cli import main as command  # noqa: PLC0415 - after the fork

    try:
        command(prog_name="regaudit", obj=killed)
    except SystemExit as end:
        leave(end.code)
        raise


if __name__ == "__main__":
    main()
