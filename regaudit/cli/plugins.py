"""Which plug-ins a command uses: those that the settings name, or none."""

from typing import TYPE_CHECKING

import click

from regaudit.storage.working_folder import working_folder

if TYPE_CHECKING:
    from regaudit.plugins.installed import Selection

no_plugins = click.option(
    "--no-plugins",
    is_flag=True,
    help="Use no rules, formats and renderers of other distributions.",
)


def use(selection: "Selection") -> None:
    """Use the plug-ins of these distributions until the end of the command."""
    from regaudit.plugins.installed import using

    click.get_current_context().find_root().with_resource(using(selection))


def use_of_project(without: bool, *, isolated: bool = False) -> None:
    """Use those that the settings of the project name, for a command that needs nothing else.

    Args:
        without: whether none are to be used, whatever the settings say.
        isolated: whether there are no settings.

    Raises:
        click.UsageError: the settings cannot be read.
    """
    from regaudit.errors import UsageError
    from regaudit.settings.config import find_config, selection_of

    here = None if isolated or without else working_folder()
    try:
        use(() if without else selection_of(here and find_config(here)))
    except UsageError as error:
        raise click.UsageError(str(error)) from error
