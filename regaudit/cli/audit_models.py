"""The audit that the command line asks for: which models, by which settings."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from regaudit.cli.declared import say_unused
from regaudit.cli.output import emit, say
from regaudit.cli.plugins import use
from regaudit.cli.protected import refuse_outputs
from regaudit.cli.running import (
    audited,
    cache_folder,
    failure_of_killed,
    say_pairs,
    say_redirects,
    say_skipped,
)
from regaudit.cli.targets import Target, ViewOptions, files_of, is_detailed, rendered, require
from regaudit.running.guard import hold, release
from regaudit.storage.standard_input import NAME as STANDARD_INPUT
from regaudit.storage.working_folder import GONE, working_folder

if TYPE_CHECKING:
    from regaudit.limits import Limits
    from regaudit.report.report import Report
    from regaudit.running.model_search import Found
    from regaudit.settings.config import Config


class AuditOptions(NamedTuple):
    """What the options of `judging` and `auditing` say."""

    facts: Mapping[str, float | None]
    """By the fields of `regaudit.evidence.training_facts.Facts`."""
    config_files: tuple[Path, ...]
    by_name: bool
    isolated: bool
    no_plugins: bool
    show_settings: bool
    preset: str | None
    min_confidence: str | None
    select: tuple[str, ...]
    ignore: tuple[str, ...]
    baseline: str | None
    limits: tuple[str, ...]
    isolate: bool | None
    jobs: int | None
    cache: str | None
    dask: str | None
    models: tuple[str, ...] = ()
    weights: bool = True
    spectral: bool = False
    roles: tuple[str, ...] = ()
    pair: bool = False


class OpeningOptions(NamedTuple):
    """What the options of `opening` say: of commands that open a model and run no rules."""

    limits: tuple[str, ...]
    isolated: bool
    no_plugins: bool
    roles: tuple[str, ...]


def opening_settings(options: OpeningOptions) -> "Config":
    """Return the limits and what is declared of custom classes; all else is as by default.

    Raises:
        UsageError: a wrong setting or flag.
    """
    from msgspec.structs import replace

    from regaudit.keras_semantics.declared_roles import role_option
    from regaudit.settings.config import Config, find_config, read_config

    here = None if options.isolated else working_folder()
    declared = dict(map(role_option, options.roles)) or None
    plugins = False if options.no_plugins else None
    read = read_config(here and find_config(here), layers=declared, plugins=plugins)
    use(read.plugins)
    config = Config.default(plugins=read.content.plugins or False)
    config = replace(config, roles=read.roles, limits=read.limits)
    return config.allowing(options.limits)


class Work(NamedTuple):
    """What a command is to audit, and how."""

    config: "Config"
    found: list[tuple[str, "Found"]]
    """By what the user named."""
    outputs: tuple[Target, ...]

    @property
    def files(self) -> list[str]:
        """The models, in order; what leads to none stands for itself."""
        return [
            file
            for target, (models, refused) in self.found
            for file in models or [target] * (not refused)
        ]

    @property
    def whole(self) -> bool:
        """Whether directories were searched, not single files named."""
        return any(models != [target] for target, (models, _) in self.found)


def run_audit(
    options: AuditOptions,
    outputs: Iterable[Target],
    fail_on: str | None = None,
    *,
    unknown: str | None = None,
    baseline: bool = True,
    writes: Iterable[Path] = (),
    nested: bool = True,
) -> tuple[list["Report"], "Config"]:
    """Audit what the command line names, or what the settings name, or what lies below.

    Arguments are those of `find_work`.

    Raises:
        click.UsageError: a wrong setting or rule, or an output that is one of the models.
    """
    work = find_work(
        options, outputs, fail_on, unknown=unknown, baseline=baseline, writes=writes, nested=nested
    )
    return reports_of(work, options), work.config


def find_work(
    options: AuditOptions,
    outputs: Iterable[Target],
    fail_on: str | None = None,
    *,
    unknown: str | None = None,
    baseline: bool = True,
    writes: Iterable[Path] = (),
    nested: bool = True,
) -> Work:
    """Find what the command line names, or what the settings name, or what lies below.

    Args:
        options: of the command line.
        outputs: where reports go.
        fail_on: the lowest severity that fails a model, if that is given.
        unknown: what becomes of models of which no regularizer is known, if that is given.
        baseline: whether to read the baseline.
        writes: other files that will be written.
        nested: whether a directory that is a model is searched for others, too.

    Raises:
        click.UsageError: a wrong setting or rule, or an output that is one of the models.
    """
    from msgspec.structs import replace

    from regaudit.storage.container_names import split_name

    config = settings_of(options, fail_on, unknown=unknown, baseline=baseline)
    if options.spectral:
        config = config.with_spectra()
    outputs = tuple(outputs)
    require(outputs)
    config = replace(config, detailed=is_detailed(outputs), weights=options.weights)
    found = _models(options, config, nested)
    found, config = _paired(found, config, options, together=nested)
    work = Work(config, found, outputs)
    refuse_outputs(
        (*files_of(outputs), *writes),
        models=[split_name(file)[0] for file in work.files if file != STANDARD_INPUT],
        reads=(*options.config_files, config.file, config.baseline_file if baseline else None),
        cache=cache_folder(options.cache),
    )
    if STANDARD_INPUT in options.models and not failure_of_killed(config.limits):
        from regaudit.cli.standard_input import standard_input

        config = replace(config, standard_input=standard_input(config.limits))
    return work._replace(config=config)


def reports_of(work: Work, options: AuditOptions) -> list["Report"]:
    """Audit the models that were found, and the settings."""
    from regaudit.running.render_guard import go_on_guarded
    from regaudit.settings.self_audit import audit_settings, concerned_by, used_by

    config, found, outputs = work
    reports = audited(
        work.files,
        config,
        isolate=options.isolate,
        jobs=options.jobs,
        cache=options.cache,
        dask=options.dask,
        searched=True,
    )
    reports = _without_foreign(reports, found)
    say_unused(reports, config.roles)
    if not outputs:  # a baseline, say
        say_redirects(reports)
    reports = go_on_guarded(
        [*reports, *(one for _, (_, refused) in found for one in refused)],
        config.limits,
        lambda some: [rendered(one, some, config, ViewOptions()) for one in outputs],
    )
    whole = work.whole and not any(one.interrupted for one in reports)
    of_settings = audit_settings(
        config,
        {number for one in reports for number in used_by(one, config)},
        {number for one in reports for number in concerned_by(one, config)},
        whole,
    )
    return [*reports, of_settings] if of_settings else reports


def only(reports: Sequence["Report"], layer: str) -> list["Report"]:
    """Restrict reports to the layers that `--layer` asks for.

    Raises:
        click.UsageError: no model has one; said on standard error if a file could not be read.
    """
    from regaudit.report.only_layers import restricted, unmatched

    if why := unmatched(reports, layer):
        if not any(report.failure for report in reports):
            raise click.UsageError(why)
        say(why, err=True)
    return [restricted(report, layer) for report in reports]


def _without_foreign(
    reports: Sequence["Report"], found: Iterable[tuple[str, "Found"]]
) -> list["Report"]:
    """Return the reports but those on files that a search met and that are no models: say which.

    Args:
        reports: on the models found, in their order; fewer after an interruption.
        found: by what the user named.
    """
    from regaudit.running.run import is_foreign, nothing_found

    kept: list[Report] = []
    skipped: list[Report] = []
    coming = iter(reports)
    for target, (models, refused) in found:
        some = list(islice(coming, len(models) or (not refused)))
        if some and not models:  # what was audited is the folder, or the pattern
            some = [nothing_found(target)]
        sound = [one for one in some if models == [target] or not is_foreign(one)]
        skipped += [one for one in some if models != [target] and is_foreign(one)]
        kept += sound
        if some and not sound and not refused:
            kept.append(nothing_found(target))
    say_skipped(skipped)
    return kept


def _models(options: AuditOptions, config: "Config", nested: bool) -> list[tuple[str, "Found"]]:
    """Return what was named, each with the models found there."""
    from regaudit.errors import UsageError
    from regaudit.running.model_search import Found
    from regaudit.storage.location import is_url, redacted_name

    if not options.models and (urls := [name for name in config.models if is_url(name)]):
        raise click.UsageError(
            f"{redacted_name(urls[0])}: URLs are read only if they are given on the command line"
        )
    targets = options.models or config.models or (".",)
    if options.models.count(STANDARD_INPUT) > 1:
        raise click.UsageError("- is standard input, which is one model: name it once")
    if STANDARD_INPUT in options.models and options.dask not in {None, "local"}:
        raise click.UsageError("a cluster does not see standard input: give a file that it sees")
    apart = (one for one in targets if not is_url(one) and one != STANDARD_INPUT)
    if not working_folder() and not all(Path(one).is_absolute() for one in apart):
        raise click.UsageError(GONE)
    for number, target in enumerate(options.models, 1):
        if why := _why_unread(target):
            raise click.UsageError(f"MODEL number {number} is not shown: {why}")
    try:
        return [
            (one, Found([one], []))
            if one == STANDARD_INPUT and options.models
            else (one, _search(one, config.limits, nested))
            for one in targets
        ]
    except UsageError as error:
        raise click.UsageError(str(error)) from error


def _paired(
    found: list[tuple[str, "Found"]], config: "Config", options: AuditOptions, *, together: bool
) -> tuple[list[tuple[str, "Found"]], "Config"]:
    """Take configurations and weights of one stem for one model, where that was asked for.

    Args:
        found: by what the user named.
        config: the settings.
        options: of the command line.
        together: whether two files that are named side by side are asked for as one model.
    """
    if config.architecture is not None:
        return found, config
    from msgspec.structs import replace

    from regaudit.running.pairs import pairs_among

    files = [file for target, (models, _) in found for file in models]
    named = {target for target, (models, _) in found if together and models == [target]}
    pairs, doubtful = pairs_among(files)
    taken = {
        weights: beside
        for weights, beside in pairs.items()
        if options.pair or {weights, beside} <= named
    }
    say_pairs({one: by for one, by in pairs.items() if one not in taken}, doubtful)
    away = set(taken.values())
    left = [
        (target, one._replace(models=[file for file in one.models if file not in away]))
        for target, one in found
    ]
    kept = [(target, one) for target, one in left if target not in away or one.models]
    return kept, replace(config, pairs=taken)


def _why_unread(target: str) -> str | None:
    """Say why a name that looks like a URL is not even asked for; its host may be a password."""
    from regaudit.storage.location import NOT_SHOWN, is_url, redacted_name
    from regaudit.storage.presence import exists

    if NOT_SHOWN not in redacted_name(target) or exists(target):
        return None
    if "::" in target:
        return "it is a chain of URLs, which may hold a password. Give the URL of one file"
    if is_url(target) and "@" not in target:
        return None
    return (
        "it looks like a URL, and where a password in it ends cannot be told. In a password, "
        "write special characters as %XX: %2F for a slash, %40 for an @"
    )


def _search(target: str, limits: "Limits", nested: bool) -> "Found":
    """Search; what a store lists is held to the limits, as a file is."""
    from regaudit.limits import allowing
    from regaudit.running.model_search import Found, is_searched, search
    from regaudit.storage.container_names import is_named_like_one
    from regaudit.storage.location import is_url

    with allowing(limits):
        if not is_url(target) or not (is_searched(target) or is_named_like_one(target)):
            return search(target, nested=nested)
        if failure_of_killed(limits):  # perhaps by this very search
            return Found([target], [])
        hold(target, limits)
        found = search(target, nested=nested)
        release()
        return found


def settings_of(
    options: AuditOptions,
    fail_on: str | None = None,
    *,
    unknown: str | None = None,
    baseline: bool = True,
) -> "Config":
    """Return the settings in force, with the content of the baseline if that is wanted.

    Raises:
        click.UsageError: a wrong setting, flag or baseline.
    """
    from regaudit.errors import UsageError

    try:
        config = _config(options, fail_on, unknown).allowing(options.limits).without(options.ignore)
        use(config.plugins)
        if baseline and config.baseline_file:
            from msgspec.structs import replace

            from regaudit.settings.baseline import read_baseline

            config = replace(config, baseline=read_baseline(config.baseline_file))
    except UsageError as error:
        raise click.UsageError(str(error)) from error
    if options.show_settings:
        from regaudit.settings.to_toml import settings_page

        emit(settings_page(config), None)
        sys.exit(0)
    return config


def _config(options: AuditOptions, fail_on: str | None, unknown: str | None) -> "Config":
    from regaudit.errors import UsageError
    from regaudit.keras_semantics.configuration_file import SUFFIXES
    from regaudit.keras_semantics.declared_roles import role_option
    from regaudit.settings.config import find_config, read_architecture, read_config

    architectures = [file for file in options.config_files if file.suffix in SUFFIXES]
    settings = [file for file in options.config_files if file.suffix not in SUFFIXES]
    if len(architectures) > 1 or len(settings) > 1:
        raise UsageError("--config takes at most one settings file and one architecture")
    if options.pair and architectures:
        raise UsageError(
            "--pair finds the architecture of each model: leave --config FILE.json out"
        )
    if options.by_name and not (architectures or options.pair):
        raise UsageError("--by-name needs the architecture to load into: --config FILE.json")
    file = None
    if not options.isolated:
        here = working_folder()
        file = settings[0] if settings else here and find_config(here)
    config = read_config(
        file,
        preset=options.preset,
        min_confidence=options.min_confidence,
        select=list(options.select),
        fail_on=fail_on,
        unknown=unknown,
        baseline=options.baseline,
        plugins=False if options.no_plugins else None,
        layers=dict(map(role_option, options.roles)) or None,
        **options.facts,
    )
    from msgspec.structs import replace

    if not architectures:
        return replace(config, by_name=options.by_name)
    return replace(config, architecture=read_architecture(*architectures), by_name=options.by_name)
