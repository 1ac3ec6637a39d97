"""Help that begins with examples, and has the options in groups by what they are for."""

from collections.abc import Sequence
from typing import Any

import click

GROUPS = {
    "What to audit": "config_files by_name pair roles isolated no_plugins weights results "
    "from_sweep sweep",
    "What to change": "settings removals files suggested recipe to_adamw force",
    "How to write it": "dry_run in_place undo verify",
    "Data": "data val_data val_split with_penalty purpose custom_objects loss optimizer",
    "How to search": "kinds aim rungs epochs budget from_scratch repeats seed monitor",
    "Facts about the training": "train_loss val_loss train_accuracy val_accuracy train_size "
    "val_size batch_size target_variance",
    "Which rules": "select ignore preset min_confidence baseline show_settings fail_on "
    "fail_on_unknown exit_code",
    "What to show": "layer sort wide every spectral show_roles verbose quiet statistics color",
    "Where results go": "format_ output out also html html_dir markdown json edits journal",
    "Limits and scale": "limits isolate jobs dask cache",
}
"""Titles in the order of the help, and the options below each, by the names that Python has."""

_TITLES = {name: title for title, names in GROUPS.items() for name in names.split()}
_ORDER = list(_TITLES)
_REST = "Other options"


def _place(option: click.Option) -> int:
    return _ORDER.index(option.name) if option.name in _TITLES else len(_ORDER)


def groups_of(command: click.Command, ctx: click.Context) -> dict[str, list[click.Option]]:
    """Return the options to show, by the titles of their groups, in the order of the help."""
    groups: dict[str, list[click.Option]] = {}
    options = [one for one in command.get_params(ctx) if isinstance(one, click.Option)]
    for option in sorted(options, key=_place):
        if not option.hidden:
            groups.setdefault(_TITLES.get(option.name or "", _REST), []).append(option)
    return groups


class Helpful(click.Command):
    """A command or a group of them; `examples` are command lines without the program's name."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = examples

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the description, then the examples."""
        super().format_help_text(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:  # not wrapped: they are to be copied
                    formatter.write(f"{'':{formatter.current_indent}}regaudit {example}\n")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options group by group."""
        groups = groups_of(self, ctx)
        for title, options in groups.items():
            with formatter.section(title if len(groups) > 1 else "Options"):
                formatter.write_dl([one.get_help_record(ctx) or ("", "") for one in options])
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)


class HelpfulGroup(Helpful, click.Group):
    """A group of commands, each of which has examples, too."""

    command_class = Helpful
