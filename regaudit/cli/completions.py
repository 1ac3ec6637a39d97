"""`regaudit completions`: completion of commands, options, files and rule codes in a shell."""

import click

from regaudit.cli.choice import Choice
from regaudit.cli.command import Helpful
from regaudit.cli.output import say_page


@click.command(cls=Helpful, examples=("completions bash",))
@click.argument("shell", type=Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completions(context: click.Context, shell: str) -> None:
    """Print what SHELL needs to complete regaudit.

    In ~/.bashrc: eval "$(regaudit completions bash)"

    In ~/.zshrc: eval "$(regaudit completions zsh)"

    For fish, once:

    regaudit completions fish > ~/.config/fish/completions/regaudit.fish
    """
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    kind = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}[shell]
    command = context.find_root().command
    say_page(kind(command, {}, "regaudit", "_REGAUDIT_COMPLETE").source().splitlines())
