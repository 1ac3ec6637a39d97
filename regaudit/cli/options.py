"""Options that several commands share, and what they come to."""

import os
import pkgutil
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

import regaudit.renderers
from regaudit.cli.guard import Killed, guarding

if TYPE_CHECKING:
    from regaudit.config import Config
    from regaudit.finding import Report
    from regaudit.renderer import View

FORMATS = sorted(module.name for module in pkgutil.iter_modules(regaudit.renderers.__path__))
"""Output formats: the modules of `regaudit.renderers` are named for them."""

FACTS = (
    ("target-variance", True, "Variance of the targets, the yardstick of a squared error."),
    ("batch-size", False, "Samples in a training step."),
    ("val-size", False, "Samples in the validation set."),
    ("train-size", False, "Samples in the training set."),
    ("val-loss", True, "Validation loss by model.evaluate, without the penalty."),
    ("train-loss", True, "Training loss by model.evaluate, without the penalty."),
)
"""What the user knows of the training and some rules need: name, whether real, help."""

_Command = TypeVar("_Command", bound=Callable[..., Any])


def auditing(command: _Command) -> _Command:
    """Add what every command takes that audits: models, rules and settings."""
    for option in (
        click.option(
            "--jobs",
            type=click.IntRange(min=1),
            default=1,
            show_default=True,
            help="Files audited at once, in as many worker processes.",
        ),
        click.option(
            "--isolate/--no-isolate",
            default=None,
            help="Audit in worker processes, which a file may crash.  [default: for several files]",
        ),
        click.option(
            "--limit",
            "limits",
            multiple=True,
            metavar="NAME=N",
            help="Allow a file to cost more than usual, by the limit that its refusal names.",
        ),
        click.option("--isolated", is_flag=True, help="Read no settings file."),
        click.option(
            "--config",
            "config_files",
            multiple=True,
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Settings from FILE.toml, not from the nearest regaudit.toml or pyproject.toml; "
            "or the architecture from FILE.json, what model.to_json() returns, for models "
            "of weights alone. May be given twice, once for each.",
        ),
        click.option("--ignore", multiple=True, metavar="RULE", help="All rules but these."),
        click.option(
            "--select",
            multiple=True,
            metavar="RULE",
            help="Only these rules: a code, a name, or a prefix such as REG1.",
        ),
        click.option(
            "--preset",
            metavar="NAME",
            help="default, strict (names all that is not regularized) or finetune.",
        ),
        *(
            click.option(f"--{name}", type=float if real else int, metavar="N", help=text)
            for name, real, text in FACTS
        ),
        click.argument("models", nargs=-1, metavar="[MODEL]..."),
    ):
        command = option(command)
    return command


def printing(command: _Command) -> _Command:
    """Add what every command takes that prints: format, file, colour, and what to show."""
    for option in (
        click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            show_default=True,
            help="Colour; auto heeds NO_COLOR and FORCE_COLOR.",
        ),
        click.option(
            "-v", "--verbose", is_flag=True, help="Every finding, not the first few of each rule."
        ),
        click.option(
            "--layer",
            default="*",
            metavar="GLOB",
            help="Show only layers whose path matches, such as 'encoder/*'.",
        ),
        click.option(
            "-o",
            "--output-file",
            "output",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Write to FILE, not to standard output.",
        ),
        click.option(
            "--format",
            "format_",
            type=click.Choice(FORMATS),
            default="terminal",
            show_default=True,
            help="Output format.",
        ),
    ):
        command = option(command)
    return command


def run_audit(
    options: dict[str, Any],
    outputs: Iterable[Path | None],
    fail_on: str | None = None,
    *,
    formats: Iterable[str] = (),
) -> tuple[list["Report"], "Config"]:
    """Audit what the command line names, or what the settings name, or what lies below.

    Args:
        options: what `auditing` added.
        outputs: files to be written.
        fail_on: wins over the settings.
        formats: of the outputs; some show more than others.

    Raises:
        click.UsageError: a wrong setting or rule, or an output that is one of the models.
    """
    from regaudit.errors import UsageError
    from regaudit.registry import renderer
    from regaudit.run import find_models

    try:
        config = _config(options, fail_on).allowing(options["limits"]).without(options["ignore"])
    except UsageError as error:
        raise click.UsageError(str(error)) from error
    config = replace(config, detailed=any(renderer(name).detailed for name in formats))
    targets = options["models"] or config.models or (".",)
    files = [file for target in targets for file in list(find_models(target)) or [target]]
    for output in filter(None, outputs):
        if any(_same(output, Path(file)) for file in files):
            raise click.UsageError(f"{output} is a model to audit: write somewhere else")
    return list(_audited(files, config, options)), config


def _audited(files: list[str], config: "Config", options: dict[str, Any]) -> Iterable["Report"]:
    """Audit one file in this process, more of them apart, unless options say otherwise."""
    from regaudit.confinement import death
    from regaudit.finding import Failure, Report
    from regaudit.run import audit_files

    killed: Killed | None = click.get_current_context().obj
    if killed:
        return [Report(killed.file, failure=Failure(*death(killed.signal, config.limits)))]
    isolate, jobs = options["isolate"], options["jobs"]
    if isolate is None:
        isolate = len(files) > 1 or jobs > 1 or os.name == "nt"
    if isolate or len(files) > 1:
        return audit_files(files, config, isolate=isolate, jobs=jobs)
    with guarding(files[0], config.limits):
        return list(audit_files(files, config, isolate=False))


def view(options: dict[str, Any], output: Path | None, **settings: Any) -> "View":
    """Return what is to be shown, and what the place of output can show."""
    from regaudit.renderer import View

    terminal = output is None and sys.stdout.isatty()
    return View(
        layer=options.get("layer", "*"),
        verbose=options.get("verbose", True),
        width=shutil.get_terminal_size().columns if terminal else 80,
        color=output is None and _wants_color(options.get("color", "never")),
        **settings,
    )


def render(format_: str, reports: list["Report"], config: "Config", view: "View") -> str:
    """Return the reports in one of `FORMATS`, with what was checked."""
    from regaudit.cli.settings import spelled
    from regaudit.registry import renderer

    shown = replace(view, settings=dict(spelled(config)))
    return renderer(format_).render(reports, [rule.about for rule in config.rules], shown)


def _config(options: dict[str, Any], fail_on: str | None) -> "Config":
    from regaudit.config import find_config, read_architecture, read_config
    from regaudit.errors import UsageError

    architectures = [file for file in options["config_files"] if file.suffix == ".json"]
    settings = [file for file in options["config_files"] if file.suffix != ".json"]
    if len(architectures) > 1 or len(settings) > 1:
        raise UsageError("--config takes one file of settings and one architecture, no more")
    file = None
    if not options["isolated"]:
        file = settings[0] if settings else find_config(Path.cwd())
    facts = {key: options[key] for name, _, _ in FACTS if (key := name.replace("-", "_"))}
    select = list(options["select"])
    config = read_config(file, preset=options["preset"], select=select, fail_on=fail_on, **facts)
    return (
        replace(config, architecture=read_architecture(*architectures)) if architectures else config
    )


def _same(output: Path, model: Path) -> bool:
    return output.exists() and model.exists() and output.samefile(model)


def _wants_color(choice: str) -> bool:
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or sys.stdout.isatty()
