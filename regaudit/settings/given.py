"""`[tool.regaudit]` as it is written: every key, and what it may be."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, get_args

from msgspec import Meta
from msgspec.structs import replace

from regaudit.errors import UsageError
from regaudit.evidence.training_facts import Facts
from regaudit.limits import Limits
from regaudit.plugins.installed import Selection, normalized
from regaudit.report.ignore import Glob, Ignore
from regaudit.rules.interface import Confidence
from regaudit.settings.presets import PresetName
from regaudit.version import DOCS_URL

FailOn = Literal["note", "warning", "error", "never"]
Unknown = Literal["pass", "fail"]

UNKNOWN: tuple[Unknown, ...] = get_args(Unknown)
"""What a check does with a model of which no regularizer is known; the first by default."""

FilePath = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=4096,
        pattern=r"\A[^/\\\0]{0,255}([/\\][^/\\\0]{0,255})*\Z",
        description="the path of a file, its names of at most 255 characters",
    ),
]
"""A path that a file can have, or a pattern for paths."""

WebAddress = Annotated[
    str,
    Meta(
        max_length=1024,
        pattern=r"\A(https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~%/-]*)?)?\Z",
        description='the address of a page on the web, or "" for none',
    ),
]
"""An address without a name, a password or a query."""

Text = Annotated[str, Meta(description="a string")]


class Varied(Facts, frozen=True, rename="kebab"):
    """What may differ by model."""

    rules: Annotated[
        Mapping[str, Mapping[str, Any]],
        Meta(description="a table of tables: [tool.regaudit.rules.REG101]"),
    ] = {}
    """Thresholds, and the highest `severity`, of a rule by its code: a table for each rule."""

    def told(self) -> dict[str, Any]:
        """Return the facts that are given, by name."""
        facts = {name: getattr(self, name) for name in Facts.__struct_fields__}
        return {name: value for name, value in facts.items() if value is not None}


class Override(Varied, frozen=True, rename="kebab"):
    """One entry of `[[tool.regaudit.override]]`."""

    model: Glob | None = None
    """Glob on the file as reports name it; None for all."""
    layer: Glob | None = None
    """Glob on the path of the weight or layer; None for the whole model."""

    def __post_init__(self) -> None:
        if self.model is None and self.layer is None:
            raise UsageError("an override needs a model or a layer")
        if self.layer is not None and self.told():
            key = next(iter(self.told())).replace("_", "-")
            raise UsageError(f"an override of a layer has no {key}, which is of the whole model")

    def is_about(self, file: str) -> bool:
        """Whether it is for a model."""
        return self.model is None or fnmatchcase(file, self.model)


class Given(Varied, frozen=True, rename="kebab"):
    """All of it."""

    models: tuple[FilePath, ...] = ()
    """What is audited when no model is named: files, folders, and patterns such as `models/*`."""
    select: tuple[Text, ...] = ()
    """Run only these rules: a code, a name, or a prefix such as `REG1`. Empty for all."""
    min_confidence: Confidence = "low"
    """Rules of a lower confidence do not run."""
    fail_on: FailOn = "error"
    """Findings of this severity or a higher one make `regaudit check` fail."""
    unknown: Unknown = UNKNOWN[0]
    """What `regaudit check` does with a model of which no regularizer is known, such as weights
    without a configuration."""
    preset: PresetName = "default"
    """Which rules run, how severe they are, and from which thresholds on."""
    plugins: Annotated[
        bool | tuple[str, ...],
        Meta(description="true, false or a list of the distributions whose plug-ins are used"),
    ] = True
    """Whether rules, formats and renderers of other distributions are used, or of which: `true` for
    all that are installed, `false` for none, or a list of distributions, which must be there."""
    baseline: FilePath | None = None
    """File of findings that are accepted for now; `regaudit baseline write` makes one. A relative
    path begins at the folder of the settings file."""
    docs_url: WebAddress = DOCS_URL
    """Where the documentation is: reports link to `rules/REG101.html` below it."""
    limits: Limits = Limits()
    """What one file may cost."""
    layers: Annotated[Mapping[str, Any], Meta(description="a table: [tool.regaudit.layers]")] = {}
    """Custom classes of layers: the class of Keras that one reads as, or the roles of its weights,
    in their order; one with `?` may be missing."""
    ignore: tuple[Ignore, ...] = ()
    """Findings that were looked at and accepted, each with its reason."""
    override: tuple[Override, ...] = ()
    """Other settings for some models, or for some layers of them: rules and facts."""

    @property
    def selection(self) -> Selection:
        """The distributions whose plug-ins are used; None for all."""
        if isinstance(self.plugins, bool):
            return None if self.plugins else ()
        return tuple(map(normalized, self.plugins))

    def under(self, one: Override) -> "Given":
        """Return these settings with an override over them."""
        rules = {
            code: {**self.rules.get(code, {}), **one.rules.get(code, {})}
            for code in {**self.rules, **one.rules}
        }
        return replace(self, rules=rules, **one.told())
