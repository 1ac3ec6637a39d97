"""An option with a few values: a wrong one is answered with the near one."""

from typing import Any

import click

from regaudit.errors import did_you_mean


class Choice(click.Choice[str]):
    """Click's own, which lists the values, with a hint."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Say what the values are, and which of them was meant."""
        message = super().get_invalid_choice_message(value, ctx).rstrip(".")
        return f"{message}{did_you_mean(str(value), self.choices) or '.'}"
