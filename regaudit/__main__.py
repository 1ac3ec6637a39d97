"""`python -m regaudit`, and what the command `regaudit` calls."""

import sys

from regaudit.cli import main as command
from regaudit.cli.guard import fork


def main() -> None:
    """Run the command line in a guarded process."""
    command(prog_name="regaudit", obj=None if "--no-isolate" in sys.argv else fork())


if __name__ == "__main__":
    main()
