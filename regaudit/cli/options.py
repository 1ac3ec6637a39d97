"""Options that several commands share, and what they come to."""

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from regaudit.cli.running import INTERRUPTED, audited, running
from regaudit.discovery import names

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from regaudit.report.report import Report
    from regaudit.report.view import View
    from regaudit.settings.config import Config

FORMATS = [name for name in names("regaudit.renderers") if name not in {"notebook", "parquet"}]
"""Output formats: the modules of `regaudit.renderers` are named for them."""

PARQUET = "parquet"
"""One that is no text, and goes into files only."""


class Target(NamedTuple):
    """One place to write to, and in which format."""

    format: str
    file: Path | None
    """None for standard output."""

    @classmethod
    def of(cls, format_: str, file: Path | None) -> "Target":
        """Make one of what -o and --format say; -o results.parquet says both.

        Raises:
            click.UsageError: Parquet for standard output.
        """
        if format_ == "terminal" and file and file.suffix == f".{PARQUET}":
            return cls(PARQUET, file)
        if format_ == PARQUET and not file:
            raise click.UsageError("Parquet is no text: name a file to write, -o results.parquet")
        return cls(format_, file)


class LocalModel(click.Path):
    """The path of a model for commands that do more than read it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from regaudit.storage.location import is_url

        if is_url(str(value)):
            self.fail("this takes a file: download what the URL leads to first", param, ctx)
        return super().convert(value, param, ctx)


FACTS = (
    ("target-variance", True, "Variance of the targets, the yardstick of a squared error."),
    ("batch-size", False, "Samples in a training step."),
    ("val-size", False, "Samples in the validation set."),
    ("train-size", False, "Samples in the training set."),
    ("val-loss", True, "Validation loss by model.evaluate, without the penalty."),
    ("train-loss", True, "Training loss by model.evaluate, without the penalty."),
)
"""What the user knows of the training and some rules need: name, whether real, help."""

spectral = click.option(
    "--spectral",
    is_flag=True,
    help="Also take singular values: spectral norm, stable and effective rank, condition and "
    "power-law exponent of every kernel.",
)

output_file = click.option(
    "-o",
    "--output-file",
    "output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write to FILE, not to standard output.",
)

_Command = TypeVar("_Command", bound=Callable[..., Any])


def also_in(formats: Sequence[str]) -> Callable[[_Command], _Command]:
    """Add further outputs of the same run, in any of these formats."""

    def targets(_context: click.Context, _option: click.Parameter, given: Any) -> Any:
        """Split each FORMAT:FILE at its first colon."""
        found = []
        for text in given:
            format_, _, file = text.partition(":")
            if format_ not in formats or not file:
                known = ", ".join(formats)
                raise click.BadParameter(f"{text!r} is not FORMAT:FILE, FORMAT one of {known}")
            found.append(Target(format_, Path(file)))
        return tuple(found)

    return click.option(
        "--output",
        "also",
        metavar="FORMAT:FILE",
        callback=targets,
        multiple=True,
        help="Write this format to this file as well; may be given several times.",
    )


also = also_in((*FORMATS, PARQUET))
"""Further outputs of a command that prints reports."""


def rule_codes(
    _context: click.Context, _option: click.Parameter, incomplete: str
) -> list["CompletionItem"]:
    """Complete the code or the name of a rule."""
    from click.shell_completion import CompletionItem

    from regaudit.rules.interface import rules

    names = [(name, r.about.title) for r in rules() for name in (r.about.code, r.about.name)]
    word = incomplete.upper() if incomplete[:1].isupper() else incomplete
    return [CompletionItem(name, help=title) for name, title in names if name.startswith(word)]


def auditing(command: _Command) -> _Command:
    """Add what every command takes that audits any models."""
    return judging(
        click.argument("models", nargs=-1, metavar="[MODEL]...", type=click.Path())(command)
    )


def judging(command: _Command) -> _Command:
    """Add what every command takes that judges: rules and settings."""
    for option in (
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
        click.option(
            "--show-settings", is_flag=True, help="Print the settings in force, and stop."
        ),
        click.option(
            "--baseline",
            type=click.Path(),
            metavar="FILE",
            help="Accept what this file knows; `regaudit baseline write` makes it.",
        ),
        click.option(
            "--ignore",
            multiple=True,
            metavar="RULE",
            shell_complete=rule_codes,
            help="All rules but these.",
        ),
        click.option(
            "--select",
            multiple=True,
            metavar="RULE",
            shell_complete=rule_codes,
            help="Only these rules: a code, a name, or a prefix such as REG1.",
        ),
        click.option(
            "--preset",
            metavar="NAME",
            help="default, strict (names all that is not regularized) or finetune.",
        ),
        *fact_options(),
    ):
        command = option(command)
    return running(command)


def fact_options() -> list[Callable[[_Command], _Command]]:
    """Return the options that say what the files do not tell of the training."""
    return [
        click.option(f"--{name}", type=float if real else int, metavar="N", help=text)
        for name, real, text in FACTS
    ]


def viewing(command: _Command) -> _Command:
    """Add what every command takes that shows weights: how, and which of them."""
    for option in (
        click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            show_default=True,
            help="Colour; auto heeds NO_COLOR and FORCE_COLOR.",
        ),
        click.option("-v", "--verbose", is_flag=True, help="Everything, not the first few of it."),
        click.option(
            "--layer",
            default="*",
            metavar="GLOB",
            help="Show only layers whose path matches, such as 'encoder/*'.",
        ),
    ):
        command = option(command)
    return command


weights = click.option(
    "--weights/--no-weights",
    default=True,
    help="Read the values of weights; without them norms, penalties, sparsity and dead units are "
    "not known, and rules that need these are not run.  [default: weights]",
)
"""Whether values are read, or only the configuration, shapes and dtypes."""


def printing(command: _Command) -> _Command:
    """Add what every command takes that prints reports: formats, files and what to show."""
    choice = click.option(
        "--format",
        "format_",
        type=click.Choice([*FORMATS, PARQUET]),
        default="terminal",
        show_default=True,
        help="Output format.",
    )
    return also(choice(output_file(viewing(command))))


def run_audit(
    options: dict[str, Any],
    outputs: Iterable[Target],
    fail_on: str | None = None,
    *,
    baseline: bool = True,
) -> tuple[list["Report"], "Config"]:
    """Audit what the command line names, or what the settings name, or what lies below.

    Raises:
        click.UsageError: a wrong setting or rule, or an output that is one of the models.
    """
    from regaudit.running.run import find_models
    from regaudit.settings.self_audit import audit_settings
    from regaudit.storage.location import is_url, redacted_name

    config = settings_of(options, fail_on, baseline=baseline)
    if options.get("spectral"):
        config = config.with_spectra()
    outputs = tuple(outputs)
    detailed = any(_is_detailed(one.format) for one in outputs)
    config = replace(config, detailed=detailed, weights=options.get("weights", True))
    targets = options["models"] or config.models or (".",)
    if not options["models"] and (urls := [name for name in config.models if is_url(name)]):
        raise click.UsageError(
            f"{redacted_name(urls[0])}: URLs are followed from the command line only"
        )
    found = [list(find_models(target)) for target in targets]
    files = [
        file for target, models in zip(targets, found, strict=True) for file in models or [target]
    ]
    for output in filter(None, (target.file for target in outputs)):
        if any(is_in(output, Path(file)) for file in files):
            raise click.UsageError(f"{output} is a model to audit: write somewhere else")
    how = {key: options[key] for key in ("isolate", "jobs", "cache", "dask")}
    reports = audited(files, config, **how)
    whole = any(models != [target] for target, models in zip(targets, found, strict=True))
    whole &= not any(one.failure and one.failure.kind == INTERRUPTED for one in reports)
    of_settings = audit_settings(reports, config, whole)
    return [*reports, of_settings] if of_settings else reports, config


def settings_of(
    options: dict[str, Any], fail_on: str | None = None, *, baseline: bool = True
) -> "Config":
    """Return the settings in force, with the content of the baseline if that is wanted.

    Raises:
        click.UsageError: a wrong setting, flag or baseline.
    """
    from regaudit.errors import UsageError

    try:
        config = _config(options, fail_on).allowing(options["limits"]).without(options["ignore"])
        if baseline and config.baseline_file:
            from regaudit.settings.baseline import read_baseline

            config = replace(config, baseline=read_baseline(config.baseline_file))
    except UsageError as error:
        raise click.UsageError(str(error)) from error
    if options["show_settings"]:
        from regaudit.settings.to_toml import settings_page

        click.echo(settings_page(config), nl=False)
        sys.exit(0)
    return config


def write(
    targets: Iterable[Target],
    reports: list["Report"],
    config: "Config",
    options: dict[str, Any],
    **settings: Any,
) -> None:
    """Render the reports once for each target and print or write them.

    Args:
        targets: formats and files.
        reports: of the whole run.
        config: what was checked.
        options: of the command line, for what is shown.
        settings: fields of `View`, over those.
    """
    from regaudit.cli.output import emit, summarize
    from regaudit.renderers.interface import renderer

    abouts = [rule.about for rule in config.rules]
    for target in targets:
        view = view_of(options, target, fail_on=config.fail_on, **settings)
        if target.format == PARQUET:
            from regaudit.renderers.parquet import parquet

            emit(parquet(reports, view), target.file)
            continue
        if renderer(target.format).detailed:
            from regaudit.settings.to_toml import settings_page

            view = replace(view, settings=settings_page(config))
        emit(renderer(target.format).render(reports, abouts, view), target.file)
        if target.format == "github":
            summarize(renderer("markdown").render(reports, abouts, replace(view, tables=False)))


def _is_detailed(format_: str) -> bool:
    """Whether a format shows what an audit takes only when asked.

    Raises:
        click.UsageError: what writes it is not installed; better now than after the audit.
    """
    from regaudit.renderers.interface import renderer

    if format_ != PARQUET:
        return renderer(format_).detailed
    from regaudit.errors import UsageError
    from regaudit.renderers.parquet import require

    try:
        require()
    except UsageError as error:
        raise click.UsageError(str(error)) from error
    return False


def view_of(options: dict[str, Any], target: Target, **settings: Any) -> "View":
    """Return what is to be shown, and what the place of output can show."""
    from regaudit.report.view import View
    from regaudit.storage.repository import repository

    printed = target.file is None
    terminal = printed and _is_terminal()
    return View(
        **{
            "layer": options.get("layer", "*"),
            "verbose": options.get("verbose", True),
            "width": shutil.get_terminal_size().columns if terminal else 80,
            "color": printed and wants_color(options.get("color", "never")),
            "unicode": terminal and _is_unicode(sys.stdout.encoding),
            "root": repository(Path.cwd()),
            **settings,
        }
    )


def _config(options: dict[str, Any], fail_on: str | None) -> "Config":
    from regaudit.errors import UsageError
    from regaudit.settings.config import find_config, read_architecture, read_config

    architectures = [file for file in options["config_files"] if file.suffix == ".json"]
    settings = [file for file in options["config_files"] if file.suffix != ".json"]
    if len(architectures) > 1 or len(settings) > 1:
        raise UsageError("--config takes one file of settings and one architecture, no more")
    file = None
    if not options["isolated"]:
        file = settings[0] if settings else find_config(Path.cwd())
    facts = {key: options[key] for name, _, _ in FACTS if (key := name.replace("-", "_"))}
    select = list(options["select"])
    flags = {key: options[key] for key in ("preset", "baseline")}
    config = read_config(file, select=select, fail_on=fail_on, **flags, **facts)
    return (
        replace(config, architecture=read_architecture(*architectures)) if architectures else config
    )


def is_in(output: Path, model: Path) -> bool:
    """Whether the output is the model, or part of a model that is a directory."""
    if output.exists() and model.exists() and output.samefile(model):
        return True
    from regaudit.formats.interface import is_model

    inside = model.is_dir() and output.resolve().is_relative_to(model.resolve())
    return inside and is_model(model)


def _is_unicode(encoding: str | None) -> bool:
    return (encoding or "").lower().replace("-", "") in {"utf8", "utf16", "utf32"}


def _is_terminal() -> bool:
    """Whether standard output is one; there may be none at all."""
    return sys.stdout is not None and sys.stdout.isatty()


def wants_color(choice: str) -> bool:
    """Whether to colour what is printed, for `always`, `never` or `auto`."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return _is_terminal() and os.environ.get("TERM") != "dumb"
