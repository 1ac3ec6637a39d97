"""`python -m regaudit`."""

from regaudit.cli import main

if __name__ == "__main__":
    main()
