"""Settings: `[tool.regaudit]` of pyproject.toml, or regaudit.toml, as one checked value."""

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from msgspec import Struct
from msgspec.structs import replace

from regaudit.errors import RegauditError, UsageError, shown, why_no_text
from regaudit.evidence.training_facts import Facts
from regaudit.formats.interface import formats
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.configuration_file import parse_configuration
from regaudit.keras_semantics.declared_roles import Declared, checked_roles
from regaudit.limits import Limits, allowed
from regaudit.plugins.installed import FORMATS, Selection, entry_points, using, versions
from regaudit.report.ignore import Ignore
from regaudit.report.severity import Severity
from regaudit.rules.interface import Confidence, Rule, hint, may_be_left_out
from regaudit.settings.chosen import codes_of, names, rules_of
from regaudit.settings.decode import decoded, decoded_fields
from regaudit.settings.given import UNKNOWN, Given, Override
from regaudit.settings.presets import PRESETS
from regaudit.storage.location import is_url, redacted_name
from regaudit.storage.plain_file import read_plain
from regaudit.storage.presence import is_file
from regaudit.storage.search import pattern_of
from regaudit.storage.standard_input import NAME, Spooled
from regaudit.version import DOCS_URL

if TYPE_CHECKING:
    from regaudit.settings.baseline import Baseline

SETTINGS_BYTES = 1 << 20
"""Largest settings file."""

NEVER = Severity.ERROR + 1
"""A `fail_on` that nothing reaches."""

FAIL_ON: Mapping[str, int] = {**{str(level): int(level) for level in Severity}, "never": NEVER}
"""Thresholds by the names that users give."""


class Config(Struct, frozen=True):
    """What to check and how strictly."""

    rules: tuple[Rule, ...]
    """The selected rules with their thresholds set."""
    fail_on: int = Severity.ERROR
    """Findings of this severity or a higher one fail a check."""
    fail_on_unknown: bool = False
    """Whether a model of which no regularizer is known fails a check."""
    models: tuple[str, ...] = ()
    """What to audit when no model is named."""
    ignores: tuple[Ignore, ...] = ()
    architecture: Serialized | None = None
    """Configuration of the model, for files with weights only."""
    pairs: Mapping[str, str] = {}
    """By the name of a file of weights alone, the path of the configuration that goes with it."""
    by_name: bool = False
    """Whether those are loaded with `by_name=True`, not by order."""
    limits: Limits = Limits()
    """What one file may cost."""
    detailed: bool = False
    """Also take what only a page for people shows: the SHA-256 of the file, and how the values of
    each weight are distributed."""
    spectral: bool = False
    """Also take the spectrum of every kernel; see `with_spectra`."""
    weights: bool = True
    """Whether to read the values of weights: `replace(config, weights=False)` is `--no-weights`."""
    standard_input: Spooled | None = None
    """What `-` stands for among the models of a run, if for anything but a file of that name."""
    roles: tuple[Declared, ...] = ()
    """What is declared of custom classes."""
    severities: Mapping[str, Severity] = {}
    """The highest severity of rules by code, where it is not their own."""
    facts: Facts = Facts()
    """What the user knows of the training."""
    preset: str = "default"
    plugins: Selection = None
    """The distributions whose plug-ins are used; None for all that are installed."""
    plugin_versions: Mapping[str, str] = {}
    """Those, with their versions."""
    file: Path | None = None
    """Where the settings come from."""
    baseline_file: Path | None = None
    """Where the findings are that are accepted for now."""
    baseline: "Baseline | None" = None
    """Its content, where it was read."""
    docs_url: str = DOCS_URL
    """Base address of the documentation, to which reports link; empty for none."""
    content: Given = Given()
    """The settings as they were given, without overrides."""
    overrides: tuple[Override, ...] = ()
    layers: tuple[tuple[str, "Config"], ...] = ()
    """Settings of some layers of the model at hand, by glob; the last that matches counts."""

    @classmethod
    def default(cls, *, spectral: bool = False, **flags: Any) -> "Config":
        """All rules with their own thresholds, but for flags such as `preset` and `train_loss`.

        Args:
            spectral: also take the spectrum of every kernel.
            flags: as settings name them.

        Raises:
            UsageError: a flag of no known name or of a wrong value.
        """
        config = read_config(None, **flags)
        return config.with_spectra() if spectral else config

    @classmethod
    def load(cls, file: str | PathLike[str] | None = None, **flags: Any) -> "Config":
        """Return the settings of a project, as `regaudit check` uses them.

        Args:
            file: regaudit.toml or pyproject.toml; by default the nearest one, from the current
                directory upward, and without any the settings of `default`.
            flags: as settings name them; they win over those of the file.

        Raises:
            UsageError: there is no such file, or something in it or in the baseline is wrong.
        """
        found = find_config(Path.cwd()) if file is None else Path(file)
        config = read_config(found, **flags)
        if config.baseline_file is None:
            return config
        from regaudit.settings.baseline import read_baseline  # noqa: PLC0415 - few projects have one

        return replace(config, baseline=read_baseline(config.baseline_file))

    def with_spectra(self) -> "Config":
        """Return these settings with spectra asked for, and limits that leave room for them."""
        return replace(self, spectral=True, limits=self.limits.with_spectra())

    def allowing(self, settings: Iterable[str]) -> "Config":
        """Return these settings with limits such as `json_bytes=50_000_000` laid over them.

        Raises:
            UsageError: a limit that does not exist, or a value that is not a whole number.
        """
        given = decoded_fields(Limits, dict(map(_limit, settings)), "limits")
        return replace(self, limits=replace(self.limits, **given))

    def place_of(self, file: str) -> str:
        """Return the path or URL of a model of this run, by the name that reports give it."""
        spooled = self.standard_input
        return str(spooled.file) if spooled and file == NAME else file

    def without(self, ignore: Iterable[str]) -> "Config":
        """Return these settings without some rules.

        Raises:
            UsageError: a code, name or prefix that no rule has.
        """
        with using(self.plugins):
            left_out = codes_of(ignore, self.rules)
        kept = tuple(rule for rule in self.rules if rule.about.code not in left_out)
        return replace(self, rules=kept)

    def for_model(self, file: str) -> "Config":
        """Return the settings for one model, with the overrides that are about it.

        Args:
            file: as reports name it.
        """
        about = [one for one in self.overrides if one.is_about(file)]
        if not about:
            return self
        content = self.content
        for one in about:
            if one.layer is None:
                content = content.under(one)
        layers = tuple(
            (one.layer, self._changed(content.under(one))) for one in about if one.layer is not None
        )
        return replace(self._changed(content), layers=layers)

    def _changed(self, content: Given) -> "Config":
        """Return these settings with the thresholds, severities and facts of others."""
        changed, codes = _settled(content), {rule.about.code for rule in self.rules}
        kept = tuple(rule for rule in changed.rules if rule.about.code in codes)
        return replace(
            self, rules=kept, severities=changed.severities, facts=changed.facts, overrides=()
        )


def find_config(start: Path) -> Path | None:
    """Return the nearest regaudit.toml, or pyproject.toml with `[tool.regaudit]`, upward."""
    for folder in (start, *start.parents):
        own = folder / "regaudit.toml"
        if is_file(own):
            return own
        project = folder / "pyproject.toml"
        if is_file(project) and _own_table(project) is not None:
            return project
    return None


def read_config(file: Path | None, **flags: Any) -> Config:
    """Read settings from a file.

    Args:
        file: regaudit.toml or pyproject.toml; None for no settings.
        flags: choices of the command line that win over the file's, None where there is none:
            `preset`, `select`, `fail_on`, `unknown`, `baseline`, `plugins`, `layers`, and
            the fields of `Facts`.

    Raises:
        UsageError: it is not TOML, or has an unknown key or a value of the wrong kind.
    """
    unset: tuple[object, ...] = (None, [], ())
    given = {key.replace("_", "-"): value for key, value in flags.items() if value not in unset}
    content = _content(file) if file else {}
    # So that a wrong flag is not blamed on the file; which rules there are it may decide.
    config = _settled(decoded(Given, {**_plugins_of(content), **given}))
    if file is None:
        return config
    try:
        config = replace(_settled(decoded(Given, _under(content, given))), file=file)
    except UsageError as error:
        raise UsageError(f"{file}: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{file}: its tables are nested too deeply") from error
    if config.baseline_file and "baseline" not in given:
        return replace(config, baseline_file=file.parent / config.baseline_file)
    return config


def selection_of(file: Path | None) -> Selection:
    """Return the distributions whose plug-ins are used by a settings file, and nothing else of it.

    Raises:
        UsageError: it is not TOML, or says it wrongly.
    """
    content = _content(file) if file else {}
    try:
        said = {key: value for key, value in content.items() if key == "plugins"}
        return decoded(Given, said).selection
    except UsageError as error:
        raise UsageError(f"{file}: {error}") from error


def _content(file: Path) -> dict[str, Any]:
    own = _own_table(file) if file.name == "pyproject.toml" else _load(file)
    return {key.replace("_", "-"): value for key, value in (own or {}).items()}


def _plugins_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what settings say of plug-ins, if it can be understood."""
    try:
        decoded(Given, {"plugins": content["plugins"]})
    except (LookupError, UsageError):
        return {}
    return {"plugins": content["plugins"]}


def _under(content: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with choices over them; of `layers`, each class by itself."""
    declared = content.get("layers", {})
    if "layers" not in given or not isinstance(declared, Mapping):
        return {**content, **given}
    return {**content, **given, "layers": {**declared, **given["layers"]}}


def read_architecture(file: Path) -> Serialized:
    """Read the configuration of a model: what `model.to_json()` returns.

    Raises:
        UsageError: it cannot be read, or is not such a configuration.
    """
    try:
        return parse_configuration(read_plain(file, allowed().json_bytes), str(file))
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror})") from error
    except RegauditError as error:
        raise UsageError(str(error)) from error


def _own_table(project: Path) -> Mapping[str, Any] | None:
    """Return `[tool.regaudit]` of a pyproject.toml; None where there is none."""
    table: Mapping[str, Any] = _load(project)
    for key in ("tool", "regaudit"):
        if key not in table:
            return None
        below = table[key]
        if not isinstance(below, Mapping):
            raise UsageError(f"{project}: tool.regaudit must be a table: [tool.regaudit]")
        table = below
    return table


def _load(file: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - most runs have no settings

    try:
        return tomllib.loads(read_plain(file, SETTINGS_BYTES).decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: not valid TOML (not UTF-8: {error.reason})") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: not valid TOML ({why_no_text(error)})") from error


def _limit(setting: str) -> tuple[str, int | str]:
    """Read a limit of the command line: `json_bytes=50_000_000`."""
    name, _, value = setting.partition("=")
    digits = value.replace("_", "")
    return name.lower(), int(digits) if digits.isdecimal() and len(digits) < 20 else value


def _settled(given: Given) -> Config:
    """Return what settings come to.

    Raises:
        UsageError: a rule, threshold, class, pattern or file that cannot be.
    """
    with using(given.selection):
        if entry_points(FORMATS):
            list(formats())  # says what clashes, before any file is looked at
        config = _settled_with_plugins(given)
        return replace(config, plugins=given.selection, plugin_versions=versions())


def _settled_with_plugins(given: Given) -> Config:
    preset = PRESETS[given.preset]
    made, severities = rules_of(given.rules, preset)
    chosen = codes_of(given.select, made) if given.select else set(names()) - preset.off
    levels = get_args(Confidence)
    sure = levels[levels.index(given.min_confidence) :]
    for number, one in enumerate(given.override):  # before any model is read
        rules_of(one.rules, preset, f"override[{number}].rules")
    for ignore in given.ignore:
        if ignore.code not in names() and not may_be_left_out(ignore.code):
            meant = hint(ignore.code, names())
            raise UsageError(f"unknown rule {shown(ignore.code)} in ignore{meant}")
    if given.baseline and is_url(given.baseline):
        raise UsageError(f"baseline is a file, not a URL: {redacted_name(given.baseline)}")
    return Config(
        rules=tuple(
            rule for rule in made if rule.about.code in chosen and rule.about.confidence in sure
        ),
        fail_on=FAIL_ON[given.fail_on],
        fail_on_unknown=given.unknown == UNKNOWN[1],
        models=tuple(pattern_of(one, "models") for one in given.models),
        ignores=given.ignore,
        limits=given.limits,
        severities=severities,
        facts=Facts(**given.told()),
        roles=checked_roles(given.layers),
        preset=given.preset,
        baseline_file=Path(given.baseline) if given.baseline else None,
        docs_url=given.docs_url,
        content=replace(given, override=()),
        overrides=given.override,
    )
