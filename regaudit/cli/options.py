"""Options that several commands share; a command gets those of one kind as one value."""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from regaudit.cli.audit_models import AuditOptions, OpeningOptions
from regaudit.cli.choice import Choice
from regaudit.cli.paths import LocalFile, Named, Output
from regaudit.cli.plugins import no_plugins
from regaudit.cli.running import running
from regaudit.cli.targets import FORMATS, Target, ViewOptions, formats_of_plugins, is_format

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


FACTS = (
    ("target-variance", True, "Variance of the targets, to compare a squared error with."),
    ("batch-size", False, "Samples in a training step."),
    ("val-size", False, "Samples in the validation set."),
    ("train-size", False, "Samples in the training set."),
    ("val-accuracy", True, "Validation accuracy from model.evaluate, from 0 to 1."),
    ("train-accuracy", True, "Training accuracy from model.evaluate, from 0 to 1."),
    ("val-loss", True, "Validation loss from model.evaluate, without the penalty."),
    ("train-loss", True, "Training loss from model.evaluate, without the penalty."),
)
"""What the user knows about the training and some rules need: name, whether it is real, help."""

FACT_NAMES = tuple(name.replace("-", "_") for name, _, _ in FACTS)
"""The same as parameters, and as fields of `Facts`."""

spectral = click.option(
    "--spectral",
    is_flag=True,
    help="Also compute singular values: spectral norm, stable and effective rank, condition "
    "number and power-law exponent of every kernel.",
)

output_file = click.option(
    "-o",
    "--output-file",
    "output",
    type=Output(),
    metavar="FILE",
    help="Write to FILE instead of standard output, which - stands for.",
)

_Command = TypeVar("_Command", bound=Callable[..., Any])


def collecting(
    parameter: str, kind: Any, command: Callable[..., Any], **nested: Sequence[str]
) -> Callable[..., Any]:
    """Have a command get options as one value.

    Args:
        parameter: of the command, which takes the value.
        kind: a named tuple whose fields are named for the options.
        command: what is decorated.
        nested: fields that take several options as a mapping, and the names of these.
    """

    @wraps(command)
    def collected(**given: Any) -> Any:
        own = {name: given.pop(name) for name in kind._fields if name in given}
        for field, several in nested.items():
            own[field] = {name: given.pop(name) for name in several}
        return command(**given, **{parameter: kind(**own)})

    return collected


def also_in(formats: Sequence[str]) -> Callable[[_Command], _Command]:
    """Add further outputs of the same run, in any of these formats."""

    def targets(_context: click.Context, _option: click.Parameter, given: Any) -> Any:
        """Split each FORMAT:FILE at its first colon."""
        found = []
        for text in given:
            format_, _, file = text.partition(":")
            known_one = format_ in formats or (formats is FORMATS and is_format(format_))
            if not known_one or not file:
                known = ", ".join(formats)
                raise click.BadParameter(
                    f"{text!r} is not FORMAT:FILE, where FORMAT is one of {known}"
                )
            found.append(Target.of(format_, Output().convert(file, _option, _context)))
        return tuple(found)

    return click.option(
        "--output",
        "also",
        metavar="FORMAT:FILE",
        callback=targets,
        multiple=True,
        help="Also write this format to this file; - is standard output, in place of the table. "
        "Can be repeated.",
    )


also = also_in(FORMATS)
"""Further outputs of a command that prints reports."""


def rule_codes(
    _context: click.Context, _option: click.Parameter, incomplete: str
) -> list["CompletionItem"]:
    """Complete the code or the name of a rule."""
    from click.shell_completion import CompletionItem

    from regaudit.errors import UsageError
    from regaudit.rules.interface import rules

    try:
        found = rules()
    except UsageError:  # of plug-ins that clash: the command says so
        return []
    names = [(name, r.about.title) for r in found for name in (r.about.code, r.about.name)]
    word = incomplete.upper() if incomplete[:1].isupper() else incomplete
    return [CompletionItem(name, help=title) for name, title in names if name.startswith(word)]


def auditing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of commands that audit models, `options: AuditOptions`."""
    return judging(click.argument("models", nargs=-1, metavar="[MODEL]...", type=Named())(command))


limiting = click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=N",
    help="Raise a limit on what one file may cost; the error message names the limit.",
)
"""What commands take that open a model."""

isolated = click.option("--isolated", is_flag=True, help="Ignore all settings files.")

role = click.option(
    "--role",
    "roles",
    multiple=True,
    metavar="CLASS=ROLES",
    help="Read a custom class as one of Keras's (MyDense=Dense), or by the roles of its "
    "weights (MyBlock=kernel,bias,scale?; one with ? may be missing).",
)
"""What is declared of custom classes."""


def opening(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what commands take that open one model, `opening_options: OpeningOptions`."""
    for option in (limiting, isolated, no_plugins, role):
        command = option(command)
    return collecting("opening_options", OpeningOptions, command)


def judging(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of commands that run rules, `options: AuditOptions`."""
    for option in (
        limiting,
        isolated,
        no_plugins,
        click.option(
            "--config",
            "config_files",
            multiple=True,
            type=LocalFile(path_type=Path),
            metavar="FILE",
            help="Read settings from FILE.toml instead of the nearest regaudit.toml or "
            "pyproject.toml, or the architecture for files with weights only from FILE.json or "
            "FILE.yaml (what to_json(), to_yaml() or get_config() returned). Can be given once for "
            "each.",
        ),
        click.option(
            "--pair",
            is_flag=True,
            help="Audit weights and the configuration beside them as one model: model.h5, "
            "model.weights.h5 or a checkpoint, and a model.json or model.yaml of the same stem. "
            "Two such files that are named together are paired without it.",
        ),
        click.option(
            "--by-name",
            is_flag=True,
            help="Join HDF5 weights of Keras 2 or older with the architecture by the names of "
            "layers, as load_weights(by_name=True) does; without it by their order, as "
            "load_weights does.",
        ),
        click.option("--show-settings", is_flag=True, help="Print the settings in use and exit."),
        click.option(
            "--baseline",
            type=LocalFile(),
            metavar="FILE",
            help="Accept the findings in this file; `regaudit baseline write` creates it.",
        ),
        click.option(
            "--ignore",
            multiple=True,
            metavar="RULE",
            shell_complete=rule_codes,
            help="Skip these rules.",
        ),
        role,
        click.option(
            "--select",
            multiple=True,
            metavar="RULE",
            shell_complete=rule_codes,
            help="Run only these rules: a code, a name, or a prefix such as REG1.",
        ),
        click.option(
            "--min-confidence",
            metavar="LEVEL",
            help="Run only rules whose findings are that surely right: low (all), medium or high.",
        ),
        click.option(
            "--preset",
            metavar="NAME",
            help="default, strict (reports everything without a regularizer) or finetune.",
        ),
        *fact_options(),
    ):
        command = option(command)
    return collecting("options", AuditOptions, running(command), facts=FACT_NAMES)


def fact_options() -> list[Callable[[_Command], _Command]]:
    """Return the options for facts about the training that are not in the files."""
    return [
        click.option(f"--{name}", type=float if real else int, metavar="N", help=text)
        for name, real, text in FACTS
    ]


only_layer = click.option(
    "--layer",
    default="*",
    metavar="GLOB",
    help="Show only layers whose path matches, such as 'encoder/*', and what was found in them.",
)


def viewing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of commands that show weights, `view_options: ViewOptions`."""
    for option in (
        click.option(
            "--color",
            type=Choice(["auto", "always", "never"]),
            default="auto",
            show_default=True,
            help="When to use colour; auto respects NO_COLOR and FORCE_COLOR.",
        ),
        click.option(
            "-v", "--verbose", is_flag=True, help="Show everything, not only the first few entries."
        ),
        only_layer,
    ):
        command = option(command)
    return collecting("view_options", ViewOptions, command)


weights = click.option(
    "--weights/--no-weights",
    default=True,
    help="Read the values of weights. Without them, norms, penalties, sparsity and dead units are "
    "unknown, and rules that need them do not run.  [default: weights]",
)
"""Whether values are read, or only the configuration, shapes and dtypes."""


def printing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of commands that print reports: formats, files and what to show."""
    choice = click.option(
        "--format",
        "format_",
        type=Choice(FORMATS, formats_of_plugins),
        help="Output format; plug-ins may add others.  [default: terminal]",
    )
    return also(choice(output_file(viewing(command))))
