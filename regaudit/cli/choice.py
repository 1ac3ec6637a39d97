"""An option with a few values: a wrong one is answered with the near one."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from regaudit.errors import did_you_mean


class Choice(click.Choice[str]):
    """Click's own, which lists the values, with a hint; plug-ins may add to them."""

    def __init__(self, choices: Sequence[str], others: Callable[[], Sequence[str]] = tuple) -> None:
        """Make one.

        Args:
            choices: the values that the help lists.
            others: returns more, which are looked for only when another value is given.
        """
        super().__init__(choices)
        self.others = others

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the value, if it is one."""
        if value not in self.choices and value in self.others():
            return str(value)
        return super().convert(value, param, ctx)

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Say what the values are, and which of them was meant."""
        message = super().get_invalid_choice_message(value, ctx).rstrip(".")
        return f"{message}{did_you_mean(str(value), (*self.choices, *self.others())) or '.'}"
