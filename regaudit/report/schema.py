"""The schema "regaudit/1": what a report says as JSON, described once.

Reports are written by these structs and read back by them; the JSON Schema and the types of columns
come from them as well. A field that may be `UNSET` was added after version 0.1.0: results of
before lack it, new ones have it where it says something. Changes only add fields.
"""

from typing import Annotated, Any, Literal

import msgspec
import msgspec.inspect
from msgspec import UNSET, Meta, Struct, UnsetType, structs

from regaudit.plugins.installed import CODE
from regaudit.report.proposal import Aim, Basis, Confidence, Decision, Purpose
from regaudit.report.severity import Level

SCHEMA = "regaudit/1"

Count = Annotated[int, Meta(ge=0)]
Code = Annotated[
    str,
    Meta(pattern=f"^{CODE}$", description="of a rule; those of regaudit itself begin with REG"),
]


class Failure(Struct, kw_only=True):
    """Why the file could not be audited."""

    kind: Annotated[str, Meta(description="class of the error")]
    message: str


class Skipped(Struct, kw_only=True):
    """Something that was not or not wholly examined."""

    path: str
    reason: str


class Edit(Struct, kw_only=True):
    """One change to the configuration of a layer."""

    layer: Annotated[str, Meta(description="its path")]
    key: Annotated[str, Meta(description="of its configuration: kernel_regularizer")]
    value: Annotated[
        dict[str, Any] | None,
        Meta(description="the serialized regularizer to put there; null removes it"),
    ]


class Suggestion(Struct, kw_only=True):
    """A concrete change worth making to one weight."""

    weight: Annotated[str, Meta(description="its path")]
    code: Annotated[str, Meta(description="Keras constructor argument")]
    edits: list[Edit]
    penalty: Annotated[
        float | None, Meta(description="what it adds to the loss at today's weights")
    ]
    reason: Annotated[str, Meta(description="where the strength comes from")]
    basis: Annotated[
        Basis | UnsetType,
        Meta(description="the same in a few words; not for a change that is none of strength"),
    ] = UNSET


class StrengthChange(Struct, kw_only=True):
    """One strength that should change."""

    layer: Annotated[str, Meta(description="its path")]
    key: Annotated[str, Meta(description="of its configuration: kernel_regularizer")]
    weights: Annotated[list[str], Meta(description="paths of the kernels that the key governs")]
    l1: float
    l2: float
    penalty_before: Annotated[float | None, Meta(description="what they add to the loss today")]
    penalty_after: Annotated[
        float | None, Meta(description="what they add then, at today's weights")
    ]
    basis: Basis
    confidence: Annotated[Confidence, Meta(description="how surely it helps")]
    reason: str
    edit: Edit
    code: Annotated[str, Meta(description="Keras constructor argument")]


class Proposal(Struct, kw_only=True):
    """What to change in the model as a whole."""

    decision: Decision
    aim: Aim
    purpose: Purpose
    verdict: Annotated[str, Meta(description="what is proposed, or why nothing is")]
    basis: Annotated[
        Basis | None, Meta(description="of the least tested strength; null where none changes")
    ]
    changes: list[StrengthChange]
    remarks: list[str]
    train_loss: Annotated[float | None, Meta(description="as given, without the penalty")]
    val_loss: float | None
    penalty_before: float | None
    penalty_after: float | None
    weight_decay: Annotated[
        float | None, Meta(description="of AdamW in place of penalties; null for none")
    ]
    not_writable: Annotated[
        str, Meta(description="why it cannot be written into a copy; empty if it can")
    ]
    left: Annotated[
        dict[str, str], Meta(description="kernels that keep what they have, and why, by path")
    ]


Path = Annotated[str, Meta(description="of the weight or layer; empty for the model as a whole")]
Message = Annotated[str, Meta(description="what is wrong there, in one sentence")]
Observed = Annotated[dict[str, Any], Meta(description="the numbers that decided it")]
NoSuggestion = Annotated[
    str | UnsetType,
    Meta(description="why no strength is suggested, where the fault is one of strength"),
]
Evidence = Annotated[list[str], Meta(description="what was weighed in favour of the model")]


class Place(Struct, kw_only=True):
    """One place of a fault."""

    severity: Level
    path: Path
    message: Message
    observed: Observed
    evidence: Evidence
    suggestion: Suggestion | None
    no_suggestion: NoSuggestion = UNSET


class _Fault(Struct, kw_only=True):
    """A fault at one place."""

    code: Code
    name: str
    severity: Level
    path: Path
    message: Message
    observed: Observed
    evidence: Evidence
    suggestion: Suggestion | None
    no_suggestion: NoSuggestion = UNSET


class Finding(_Fault, kw_only=True):
    """A fault: its worst place, and all of them."""

    count: Annotated[int, Meta(ge=1, description="of its places")]
    items: Annotated[list[Place], Meta(min_length=1, description="worst first")]


class Suppressed(_Fault, kw_only=True):
    """One place of a fault that was looked at and accepted."""

    reason: str
    by: Literal["ignore", "baseline"]


class NotRun(Struct, kw_only=True):
    """A rule that did not run, or only partly."""

    code: Code
    name: str
    needs: Annotated[str, Meta(description="what it lacks")]
    partly: Annotated[bool, Meta(description="whether it ran on what there was")]
    layers: Annotated[
        list[str] | UnsetType,
        Meta(
            description="paths of the layers that it did not judge; empty for all of them, and "
            "for very many"
        ),
    ] = UNSET
    failure: Annotated[
        Failure | UnsetType, Meta(description="what is wrong with a rule of a plug-in")
    ] = UNSET


class PlugIn(Struct, kw_only=True):
    """Another distribution that took part."""

    name: str
    version: str
    rules: Annotated[list[Code], Meta(description="its rules that ran, or should have")]
    formats: Annotated[list[str], Meta(description="its format, if that read the file")]


class Regularizer(Struct, kw_only=True):
    """One regularizer as the file names it."""

    class_name: str
    l1: Annotated[float | None, Meta(description="factor of sum(|w|); null when it cannot be read")]
    l2: Annotated[
        float | None,
        Meta(description="factor of sum(w^2), without 1/2; null when it cannot be read"),
    ]
    config: Annotated[dict[str, Any], Meta(description="as stored")]
    status: Annotated[
        Literal["in force", "frozen", "inert", "opaque", "unknown"],
        Meta(description="whether it does anything once Keras has loaded the file"),
    ]
    why: Annotated[str, Meta(description="one sentence on the status, or empty")]


class Spectrum(Struct, kw_only=True):
    """Singular values of a weight as a matrix, summed up."""

    shape: Annotated[
        list[Count],
        Meta(description="rows and units of the matrix", min_length=2, max_length=2),
    ]
    spectral_norm: Annotated[float | None, Meta(description="the largest singular value")]
    spectral_norm_error: Annotated[
        float | None, Meta(description="how far it may be off at most, relative to it")
    ]
    stable_rank: Annotated[
        float | None,
        Meta(description="sum of the squared singular values over the square of the largest"),
    ]
    effective_rank: Annotated[
        float | None,
        Meta(description="exp of the entropy of the singular values over their sum"),
    ]
    condition: Annotated[
        float | None,
        Meta(
            description="the largest singular value over the smallest; null also where "
            "condition_over is set"
        ),
    ]
    condition_over: Annotated[
        float | None,
        Meta(description="what the condition is above, where it is too large to be told"),
    ]
    alpha: Annotated[
        float | None,
        Meta(
            description="exponent of a power law fitted to the tail of the squared singular "
            "values; for information only"
        ),
    ]
    alpha_tail: Annotated[Count | None, Meta(description="how many of them the fitted tail holds")]
    ranks: Annotated[
        list[Annotated[int, Meta(ge=1)]] | UnsetType,
        Meta(
            description="some ranks of singular values, evenly spaced by their logarithm; only "
            "where all singular values were taken"
        ),
    ] = UNSET
    singular_values: Annotated[
        list[float] | UnsetType,
        Meta(description="those of these ranks, largest first; what is lost in rounding left out"),
    ] = UNSET


class Weight(Struct, kw_only=True):
    """One stored variable of a layer."""

    path: Annotated[str, Meta(description="Keras's own path below the model: encoder/dense/kernel")]
    stored_path: Annotated[
        str | None,
        Meta(
            description="where the values lie inside the weights; null for a model in memory "
            "and for a configuration alone"
        ),
    ]
    role: Annotated[
        str,
        Meta(description="kernel, bias, gamma, ...; variable_0, ... where the layer is not known"),
    ]
    shape: list[Count]
    dtype: str
    dequantized_from: Annotated[
        str | None,
        Meta(
            description="mode in which Keras quantized it (int8, int4, ...) if the numbers are "
            "of the dequantized weight"
        ),
    ]
    trainable: Annotated[
        bool,
        Meta(description="after loading, by the Keras that saved the file; see trainable_known"),
    ]
    trainable_known: Annotated[
        bool | UnsetType,
        Meta(description="false where the file does not tell: then trainable is only a guess"),
    ] = UNSET
    regularizer: Annotated[
        Regularizer | None, Meta(description="null for none; see regularizer_known")
    ]
    regularizer_known: Annotated[
        bool | UnsetType,
        Meta(
            description="whether the file tells the regularizer; if not, null says nothing. Its "
            "strengths may still be unknown: see status"
        ),
    ] = UNSET
    placed_by: Annotated[
        Literal["name", "shape", "order"] | UnsetType,
        Meta(
            description="how the regularizer of a custom layer's weight was found; whether it "
            "acts is for the layer's code to decide. Only where it was found so"
        ),
    ] = UNSET
    constraint: Annotated[str | None, Meta(description="class name")]
    shared_with: Annotated[
        str | None,
        Meta(description="path of the weight that is the same variable and carries its penalty"),
    ]
    penalty: Annotated[
        float | None,
        Meta(description="what it adds to the loss; null where the file does not tell"),
    ]
    penalty_if_applied: Annotated[
        float | UnsetType | None,
        Meta(
            description="what it adds if the code of its custom layer applies the placed "
            "regularizer as Keras does; in no total. Only where placed_by is"
        ),
    ] = UNSET
    penalty_share: Annotated[float | None, Meta(description="of the total penalty, 0 to 1")]
    l1_norm: Annotated[
        float | None,
        Meta(description="null where it was not measured or a value is not finite"),
    ]
    l2_norm: Annotated[float | None, Meta(description="as l1_norm")]
    max_abs: Annotated[float | None, Meta(description="of the finite values")]
    mean: Annotated[float | None, Meta(description="as l1_norm")]
    std: Annotated[float | None, Meta(description="as l1_norm")]
    nonfinite: Annotated[Count | None, Meta(description="NaNs and infinities")]
    zeros: Annotated[Count | None, Meta(description="exact zeros")]
    sparsity: Annotated[float | None, Meta(description="share of exact zeros, 0 to 1")]
    near_zeros: Annotated[Count | None, Meta(description="values near zero, exact zeros included")]
    units: Annotated[Count | None, Meta(description="outputs of the layer")]
    dead_units: Annotated[
        Count | None, Meta(description="outputs into which every weight is near zero")
    ]
    effective_units: Annotated[
        Count | UnsetType | None,
        Meta(
            description="the fewest outputs that carry 99% of what all of them do; of kernels "
            "whose values are all finite"
        ),
    ] = UNSET
    small_values: Annotated[
        Count | UnsetType | None,
        Meta(description="values below 0.001, exact zeros included"),
    ] = UNSET
    small_share: Annotated[
        float | UnsetType | None, Meta(description="share of values below 0.001, 0 to 1")
    ] = UNSET
    spectrum: Annotated[
        Spectrum | UnsetType | None,
        Meta(
            description="singular values of the weight as a matrix; only with --spectral, null "
            "where it is no kernel or they were not taken"
        ),
    ] = UNSET


class Layer(Struct, kw_only=True):
    """One layer, nested and wrapped ones included."""

    path: Annotated[str, Meta(description="names from below the model down to it")]
    name: str
    class_name: str
    custom_class: Annotated[
        str | UnsetType,
        Meta(
            description="the class that the file names; only where class_name is what it is "
            "declared to read as"
        ),
    ] = UNSET
    placed_as: Annotated[
        str | UnsetType,
        Meta(
            description="the class of Keras as whose the weights of a custom layer are placed, by "
            "their names or shapes, though its code decides; only where they are"
        ),
    ] = UNSET
    trainable: Annotated[bool, Meta(description="its own flag")]
    activity_regularizer: Annotated[
        Regularizer | None, Meta(description="null for none; see activity_regularizer_known")
    ]
    activity_regularizer_known: Annotated[
        bool | UnsetType,
        Meta(description="whether the file tells it; if not, null says nothing"),
    ] = UNSET
    unplaced_regularizers: Annotated[
        dict[str, Regularizer],
        Meta(description="by key of the configuration; tied to no stored weight"),
    ]
    unshaped_weights: Annotated[
        list[str] | UnsetType,
        Meta(
            description="paths of weights of which a configuration alone does not tell the shape; "
            "of a custom layer its own path; only where there are any"
        ),
    ] = UNSET
    weights: list[Weight]


class Optimizer(Struct, kw_only=True):
    """An optimizer: its stored settings beside these."""

    class_name: str
    iterations: Annotated[Count | None, Meta(description="training steps taken")]
    around: Annotated[
        list[str] | UnsetType,
        Meta(description="classes of the optimizers that it is inside of, the outermost first"),
    ] = UNSET
    scales_decay: Annotated[
        bool | UnsetType | None,
        Meta(
            description="whether a step takes off rate x decay, or the whole decay; null if "
            "not known"
        ),
    ] = UNSET
    weight_decay_known: Annotated[
        bool | UnsetType,
        Meta(description="whether the file tells what decay there is, also if it is none"),
    ] = UNSET
    learning_rate_known: Annotated[
        bool | UnsetType, Meta(description="whether the file tells the rate or its schedule")
    ] = UNSET


Settings = Annotated[dict[str, Any], Meta(extra_json_schema={"$ref": "#/$defs/Optimizer"})]
"""An `Optimizer` and, beside its keys, whatever else is stored of it."""


class OptimizerPart(Struct, kw_only=True):
    """One of the optimizers among which another divides the weights."""

    patterns: Annotated[
        list[str],
        Meta(description="of the paths of its weights; empty for that of the rest"),
    ]
    optimizer: Settings
    names: Annotated[
        bool, Meta(description="whether the patterns are names, not regular expressions")
    ]


class Model(Struct, kw_only=True):
    """What the file says about its model, layers apart."""

    name: str
    class_name: Annotated[str, Meta(description="empty for a file of weights alone")]
    parameters: Annotated[int, Meta(ge=0, description="values in all weights, shared ones once")]
    trainable_parameters: Annotated[
        int, Meta(ge=0, description="of these, those that training is known to change")
    ]
    parameters_known: Annotated[
        bool | UnsetType,
        Meta(
            description="false where there are more, of which a configuration alone does not tell "
            "how many; else not there"
        ),
    ] = UNSET
    trainable_parameters_known: Annotated[
        bool | UnsetType,
        Meta(description="whether it is known of all weights if they are trainable"),
    ] = UNSET
    unknown_parameters: Annotated[
        Count | UnsetType,
        Meta(description="values of which it is not known whether they are trainable"),
    ] = UNSET
    compiled: Annotated[
        bool | UnsetType, Meta(description="false also where `compiled_known` is false")
    ] = UNSET
    compiled_known: Annotated[
        bool | UnsetType, Meta(description="whether the file tells if the model was compiled")
    ] = UNSET
    optimizer: Settings | None
    optimizer_known: Annotated[
        bool | UnsetType,
        Meta(description="whether `optimizer` is what trains, or null that nothing does"),
    ] = UNSET
    loads_with: Annotated[
        str | UnsetType | None,
        Meta(
            description="class of the optimizer that a load puts in place of one that was lost "
            "in saving"
        ),
    ] = UNSET
    optimizer_parts: Annotated[
        list[OptimizerPart] | UnsetType,
        Meta(description="the optimizers among which `optimizer` divides the weights"),
    ] = UNSET
    inner_optimizers: Annotated[
        dict[str, Settings | None] | UnsetType,
        Meta(
            description="of nested models that were compiled themselves, by path; null if not told"
        ),
    ] = UNSET
    loss: Annotated[Any, Meta(description="as stored; null if not compiled")]


class Coverage(Struct, kw_only=True):
    """How much of the file was examined."""

    layers: Count
    weights: Annotated[int, Meta(ge=0, description="stored ones, those of optimizers apart")]
    measured: Count
    regularized: Annotated[
        Count | UnsetType,
        Meta(description="weights with a regularizer in force, shared ones once"),
    ] = UNSET
    not_regularized: Annotated[
        Count | UnsetType,
        Meta(description="weights of which the file tells that none is in force"),
    ] = UNSET
    regularizer_unknown: Annotated[
        Count | UnsetType, Meta(description="weights of which the file does not tell")
    ] = UNSET
    skipped: list[Skipped]
    unplaced_regularizers: Annotated[
        Count | UnsetType,
        Meta(description="configured regularizers that are tied to no stored weight"),
    ] = UNSET


class Penalty(Struct, kw_only=True):
    """What the weights add to the loss."""

    total: Annotated[
        float | None,
        Meta(
            description="sum(model.losses) without a call; null where --no-weights left the "
            "values unread, and for a configuration alone"
        ),
    ]
    complete: Annotated[bool, Meta(description="whether the file tells everything that adds to it")]
    if_applied: Annotated[
        float | UnsetType | None,
        Meta(
            description="the sum of penalty_if_applied of all weights, not in the total; only "
            "where there are some"
        ),
    ] = UNSET


class Report(Struct, kw_only=True):
    """The audit of one file."""

    file: Annotated[str, Meta(description="as the user named it")]
    format: Annotated[str | None, Meta(description="null if the file was not recognized")]
    size: Annotated[Count | None, Meta(description="bytes")]
    keras_version: str | None
    saved_at: str | None
    model: Annotated[Model | None, Meta(description="null if it was not read")]
    coverage: Coverage
    penalty: Penalty
    layers: list[Layer]
    findings: Annotated[list[Finding], Meta(description="one a rule, worst first")]
    not_run: list[NotRun]
    suppressed: list[Suppressed]
    suggestions: Annotated[list[Suggestion], Meta(description="those of all findings")]
    failure: Failure | None
    proposal: Annotated[Proposal | UnsetType, Meta(description="not if nothing was read")] = UNSET
    plugins: Annotated[
        list[PlugIn] | UnsetType, Meta(description="other distributions that took part")
    ] = UNSET


class Document(Struct, kw_only=True):
    """What `regaudit --format json` writes. Changes inside this version only add keys.

    A NaN or an infinity is null. `--format jsonl` writes a report a line, each with `schema` and
    `regaudit`.
    """

    schema: Literal["regaudit/1"]
    regaudit: Annotated[str, Meta(description="its version")]
    reports: list[Report]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of what `--format json` writes."""
    (top, _), parts = msgspec.json.schema_components(
        [Document, Optimizer], ref_template="#/$defs/{name}"
    )
    document = parts.pop(top["$ref"].rpartition("/")[2])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **document,
        "title": SCHEMA,
        "description": " ".join(document["description"].split()),
        "$defs": parts,
    }


def columns(kind: type[Struct]) -> dict[str, type]:
    """Return the fields of a struct that are one value each, with the types of these."""
    found = {one.name: msgspec.inspect.type_info(one.type) for one in structs.fields(kind)}
    return {name: made for name, told in found.items() if (made := _value_type(told))}


def _value_type(told: msgspec.inspect.Type) -> type | None:
    """Return the type of a value, null apart; None for what has parts."""
    if isinstance(told, msgspec.inspect.Metadata):
        return _value_type(told.type)
    if isinstance(told, msgspec.inspect.UnionType):
        known = [made for one in told.types if (made := _value_type(one))]
        return known[0] if len(known) == 1 else None
    return _TYPES.get(type(told))


_TYPES: dict[type[msgspec.inspect.Type], type] = {
    msgspec.inspect.StrType: str,
    msgspec.inspect.IntType: int,
    msgspec.inspect.FloatType: float,
    msgspec.inspect.BoolType: bool,
}


def added_later(kind: type[Struct]) -> set[str]:
    """Return the keys that results of version 0.1.0 lack."""
    return {one.name for one in structs.fields(kind) if one.default is UNSET}
