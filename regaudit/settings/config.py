"""Settings: `[tool.regaudit]` of pyproject.toml, or regaudit.toml, as one checked value."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import fields, replace

from regaudit.errors import RegauditError, UsageError, did_you_mean, shown, why_no_text
from regaudit.evidence.training_facts import Facts
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.declared_roles import Declared, checked_roles
from regaudit.keras_semantics.safe_json import parse_architecture
from regaudit.limits import Limits, allowed
from regaudit.report.ignore import Ignore
from regaudit.report.severity import Severity
from regaudit.rules.interface import Rule
from regaudit.settings.baseline import Baseline
from regaudit.settings.override import Override, laid_over, read_overrides
from regaudit.settings.presets import PRESETS
from regaudit.settings.values import (
    checked_ignores,
    checked_limits,
    checked_path,
    checked_severities,
    checked_strings,
    codes_of,
    rules_of,
)
from regaudit.storage.location import is_url, redacted_name
from regaudit.storage.plain_file import read_plain
from regaudit.storage.presence import is_file
from regaudit.storage.search import pattern_of

SETTINGS_BYTES = 1 << 20
"""Largest settings file."""

NEVER = Severity.ERROR + 1
"""A `fail_on` that nothing reaches."""

FAIL_ON: Mapping[str, int] = {**{str(level): int(level) for level in Severity}, "never": NEVER}
"""Thresholds by the names that users give."""

UNKNOWN = ("pass", "fail")
"""What a check does with a model of which no regularizer is known; the first by default."""


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
    roles: tuple[Declared, ...] = ()
    """What is declared of custom classes."""
    severities: Mapping[str, Severity] = {}
    """The highest severity of rules by code, where it is not their own."""
    facts: Facts = Facts()
    """What the user knows of the training."""
    preset: str = "default"
    file: Path | None = None
    """Where the settings come from."""
    baseline_file: Path | None = None
    """Where the findings are that are accepted for now."""
    baseline: Baseline | None = None
    """Its content, where it was read."""
    content: Mapping[str, Any] = {}
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

    def with_spectra(self) -> "Config":
        """Return these settings with spectra asked for, and limits that leave room for them."""
        return replace(self, spectral=True, limits=self.limits.with_spectra())

    def allowing(self, settings: Iterable[str]) -> "Config":
        """Return these settings with limits such as `json_bytes=50_000_000` laid over them.

        Raises:
            UsageError: a limit that does not exist, or a value that is not a whole number.
        """
        pairs = (setting.partition("=")[::2] for setting in settings)
        return replace(self, limits=checked_limits(dict(pairs), self.limits))

    def without(self, ignore: Iterable[str]) -> "Config":
        """Return these settings without some rules.

        Raises:
            UsageError: a code, name or prefix that no rule has.
        """
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
        content: Mapping[str, Any] = self.content
        for one in about:
            if one.layer is None:
                content = laid_over(content, one.content)
        layers = tuple(
            (one.layer, self._changed(laid_over(content, one.content)))
            for one in about
            if one.layer is not None
        )
        return replace(self._changed(content), layers=layers)

    def _changed(self, content: Mapping[str, Any]) -> "Config":
        """Return these settings with the thresholds, severities and facts of others."""
        changed, codes = _checked(content), {rule.about.code for rule in self.rules}
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
            `preset`, `select`, `fail_on`, `unknown`, `baseline`, `layers`, and
            the fields of `Facts`.

    Raises:
        UsageError: it is not TOML, or has an unknown key or a value of the wrong kind.
    """
    unset: tuple[object, ...] = (None, [], ())
    given = {key.replace("_", "-"): value for key, value in flags.items() if value not in unset}
    config = _checked(given)  # so that a wrong flag is not blamed on the file
    if file is None:
        return config
    own = _own_table(file) if file.name == "pyproject.toml" else _load(file)
    content: Mapping[str, Any] = own or {}
    content = {key.replace("_", "-"): value for key, value in content.items()}
    try:
        config = replace(_checked(_under(content, given)), file=file)
        for one in config.overrides:  # so that errors are reported before any model is read
            _checked(laid_over(config.content, one.content))
    except UsageError as error:
        raise UsageError(f"{file}: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{file}: its tables are nested too deeply") from error
    if config.baseline_file and "baseline" not in given:
        return replace(config, baseline_file=file.parent / config.baseline_file)
    return config


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
        return parse_architecture(read_plain(file, allowed().json_bytes), str(file))
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


_FACTS = tuple(field.name for field in fields(Facts))
_FACT_KEYS = tuple(name.replace("_", "-") for name in _FACTS)
_KNOWN = (
    "models",
    "select",
    "fail-on",
    "unknown",
    "ignore",
    "limits",
    "rules",
    "preset",
    "baseline",
    "override",
    "layers",
    *_FACT_KEYS,
)


def _checked(content: Mapping[str, Any]) -> Config:
    for key in content:
        if key not in _KNOWN:
            raise UsageError(f"unknown setting {shown(key)}{did_you_mean(key, _KNOWN)}")
    fail_on = content.get("fail-on", str(Severity.ERROR))
    if not isinstance(fail_on, str) or fail_on not in FAIL_ON:
        raise UsageError(f"fail-on must be one of {', '.join(FAIL_ON)}, not {shown(fail_on)}")
    unknown = content.get("unknown", UNKNOWN[0])
    if unknown not in UNKNOWN:
        raise UsageError(f"unknown must be one of {', '.join(UNKNOWN)}, not {shown(unknown)}")
    name = content.get("preset", "default")
    if not isinstance(name, str) or name not in PRESETS:
        raise UsageError(f"preset must be one of {', '.join(PRESETS)}, not {shown(name)}")
    settings = content.get("rules", {})
    if not isinstance(settings, Mapping):
        raise UsageError("rules must be a table of tables: [tool.regaudit.rules.REG101]")
    baseline = content.get("baseline")
    if baseline is not None and is_url(checked_path(baseline, "baseline")):
        raise UsageError(f"baseline is a file, not a URL: {redacted_name(baseline)}")
    preset, select = PRESETS[name], checked_strings(content.get("select", []), "select")
    made = rules_of(settings, preset)
    chosen = codes_of(select, made) if select else {r.about.code for r in made} - preset.off
    return Config(
        rules=tuple(rule for rule in made if rule.about.code in chosen),
        fail_on=FAIL_ON[fail_on],
        fail_on_unknown=unknown == UNKNOWN[1],
        models=tuple(
            pattern_of(checked_path(one, "models"), "models")
            for one in checked_strings(content.get("models", []), "models")
        ),
        ignores=tuple(checked_ignores(content.get("ignore", []))),
        limits=checked_limits(content.get("limits", {}), Limits()),
        severities={**preset.severities, **dict(checked_severities(settings))},
        facts=Facts.checked(**{key: content[key] for key in _KNOWN if _is_fact(key, content)}),
        roles=checked_roles(content.get("layers", {})),
        preset=name,
        baseline_file=Path(baseline) if baseline else None,
        content={key: value for key, value in content.items() if key != "override"},
        overrides=read_overrides(content.get("override", []), _FACT_KEYS),
    )


def _is_fact(key: str, content: Mapping[str, Any]) -> bool:
    return key in content and key.replace("-", "_") in _FACTS
