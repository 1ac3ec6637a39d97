"""`regaudit completions`: completion of commands, options, files and rule codes in a shell."""

import click

from regaudit.cli.choice import Choice
from regaudit.cli.command import Helpful
from regaudit.cli.output import say_page


@click.command(cls=Helpful, examples=("completions bash",))
@click.argument("shell", type=Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completions(context: click.Context, shell: str) -> None:
    r"""Print what SHELL needs to complete regaudit.

    \b
    bash: eval "$(regaudit completions bash)"               in ~/.bashrc
    zsh:  eval "$(regaudit completions zsh)"                in ~/.zshrc
    fish: regaudit completions fish > ~/.config/fish/completions/regaudit.fish
    """
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    kind = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}[shell]
    command = context.find_root().command
    say_page(kind(command, {}, "regaudit", "_REGAUDIT_COMPLETE").source().splitlines())
