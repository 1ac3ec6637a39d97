"""Edits as users write them: `conv*:kernel=l2(1e-4)`, `dense`, a file of JSON."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from regaudit.editing.config_edit import understood
from regaudit.editing.validity import keys_of, matching, refusal
from regaudit.errors import RefusedEditError, UsageError, did_you_mean, why_no_text
from regaudit.keras_semantics.dialect import Dialect
from regaudit.model import Model
from regaudit.report.proposal import Edit
from regaudit.storage.plain_file import read_plain

EDITS_BYTES = 256 << 20
"""Largest file of edits; a whole report may be one."""

SLOTS = (
    *("kernel", "bias", "recurrent", "embeddings", "depthwise", "pointwise"),
    *("gamma", "beta", "alpha", "activity"),
)
"""What a regularizer can be put on."""

_SETTING = re.compile(r"(?P<glob>.+):(?P<slot>[^:=]+)=(?P<call>[^=]*(\(.*\))?)", re.DOTALL)
_CALL = re.compile(r"\s*(?P<name>\w+)\s*\((?P<arguments>[^()]*)\)\s*")
_CLASSES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "l1": ("L1", ("l1",)),
    "l2": ("L2", ("l2",)),
    "l1_l2": ("L1L2", ("l1", "l2")),
    "l1l2": ("L1L2", ("l1", "l2")),
    "orthogonal": ("OrthogonalRegularizer", ("factor", "mode")),
}


class EditRequest(NamedTuple):
    """Edits for one model, and what a glob matched and could not take them."""

    edits: tuple[Edit, ...]
    passed_over: tuple[str, ...] = ()
    """One sentence each."""
    absent: tuple[str, ...] = ()
    """What was asked for and finds nothing to change; one sentence each."""
    remarks: tuple[str, ...] = ()
    """What to know of the edits; one clause each."""


def regularizer(text: str) -> dict[str, Any]:
    """Return the serialized regularizer that a text such as `l2(1e-4)` means.

    Raises:
        UsageError: it means none, or its strength makes no sense.
    """
    found = _CALL.fullmatch(text)
    kind = _CLASSES.get(found["name"].lower()) if found else None
    if found is None or kind is None:
        raise UsageError(
            f"{text!r} is not a regularizer: "
            "l1(1e-5), l2(1e-4), l1_l2(1e-5, 1e-4) or orthogonal(0.01)"
        )
    class_name, names = kind
    config: dict[str, Any] = {}
    for place, argument in enumerate(filter(None, map(str.strip, found["arguments"].split(",")))):
        key, equals, value = argument.partition("=")
        name = key.strip() if equals else names[min(place, len(names) - 1)]
        if name not in names or name in config:
            raise UsageError(f"{text!r}: {found['name']} takes {' and '.join(names)}")
        config[name] = _argument(name, value if equals else key, text)
    missing = [name for name in names if name not in config and name != "mode"]
    if missing:
        raise UsageError(
            f"{text!r} needs {' and '.join(missing)}: the strength has no default here"
        )
    if class_name == "OrthogonalRegularizer":
        config.setdefault("mode", "rows")
    serialized = {"class_name": class_name, "config": config}
    try:
        understood(serialized)
    except UsageError as error:
        raise UsageError(f"{text!r}: {error}") from error
    return serialized


def _argument(name: str, value: str, text: str) -> Any:
    if name == "mode":
        return value.strip().strip("'\"")
    try:
        return float(value)
    except ValueError as error:
        raise UsageError(f"{text!r}: {value.strip()!r} is not a number") from error


def settings(model: Model, text: str, *, force: bool = False) -> EditRequest:
    """Return the edits of `GLOB:SLOT=REGULARIZER`.

    A glob takes what it can; a path in full, or a glob that can take nothing, is refused.

    Raises:
        UsageError: the text is malformed, or no layer matches.
        RefusedEditError: it cannot work, with the reason.
    """
    found = _SETTING.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is not of the form 'conv*:kernel=l2(1e-4)'")
    slot, glob, value = found["slot"].strip(), found["glob"], regularizer(found["call"])
    if slot not in SLOTS:
        raise UsageError(
            f"no slot is called {slot!r}{did_you_mean(slot, SLOTS)}; slots are {', '.join(SLOTS)}"
        )
    layers = matching(model, glob)
    exact = len(layers) == 1 and layers[0].path == glob
    edits: list[Edit] = []
    reasons: list[str] = []
    notes: list[str] = []
    for layer in layers:
        key = keys_of(layer, Dialect.of(model.keras_version)).get(slot)
        edit = Edit(layer.path, key or f"{slot}_regularizer", value)
        why = refusal(model, edit, force=force)
        if why:
            reasons.append(why)
            notes += [why] if key else []
        else:
            edits.append(edit)
    if not edits:
        several = "" if exact or len(reasons) == 1 else f"no layer that {glob!r} matches takes it: "
        raise RefusedEditError(f"{several}{(notes or reasons)[0]}")
    return EditRequest(tuple(edits), tuple(notes))


def removals(model: Model, text: str) -> EditRequest:
    """Return the edits that take the regularizers of `GLOB` or `GLOB:SLOT` out.

    Raises:
        UsageError: no layer matches, or there is no such slot.
        RefusedEditError: none of them can be taken out, with the reason.
    """
    glob, colon, slot = text.rpartition(":")
    if not colon or slot not in SLOTS:
        glob, slot = text, ""
    found: list[Edit] = []
    for layer in matching(model, glob):
        wanted = keys_of(layer, Dialect.of(model.keras_version)).get(slot) if slot else None
        found += [
            Edit(layer.path, key, None)
            for key, value in layer.config.items()
            if key.endswith("_regularizer")
            and value is not None
            and (not slot or key in {wanted, f"{slot}_regularizer"})
        ]
    reasons = {(edit.layer, edit.key): refusal(model, edit) for edit in found}
    edits = [edit for edit in found if not reasons[edit.layer, edit.key]]
    notes = [why for why in reasons.values() if why]
    if notes and not edits:
        raise RefusedEditError(notes[0])
    what = f"no {slot} regularizer" if slot else "no regularizer"
    absent = () if found else (f"{glob!r} has {what} to remove",)
    return EditRequest(tuple(edits), tuple(notes), absent)


def read_edits(file: Path) -> tuple[Edit, ...]:
    """Read edits as `regaudit suggest --format json` and reports write them.

    Returns:
        None of them where these had nothing to suggest.

    Raises:
        UsageError: the file cannot be read, or contains something else.
    """
    try:
        value = json.loads(read_plain(file, EDITS_BYTES))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is not valid JSON ({why_no_text(error)})") from error
    try:
        edits = tuple(_edits(value, str(file)))
    except RecursionError as error:
        raise UsageError(f"{file} is nested too deeply for a list of edits") from error
    if not edits and not isinstance(value, Mapping):
        raise UsageError(f"{file} contains no edits")
    found: dict[tuple[str, str], Edit] = {}
    for edit in edits:
        if found.setdefault((edit.layer, edit.key), edit) != edit:
            raise UsageError(
                f"{file} has two edits of {edit.layer}: {edit.key} that differ: keep one of them"
            )
    return tuple(found.values())


def _edits(value: Any, where: str) -> Iterator[Edit]:
    """Yield edits from a list of them, or from what contains such lists."""
    if isinstance(value, Mapping) and not {"layer", "key"} & value.keys():
        lists = [value[key] for key in ("edits", "suggestions", "reports") if key in value]
        if not lists:
            raise UsageError(f"{where} contains no edits: it is an object without the key 'edits'")
        for inner in lists[:1]:
            yield from _edits(inner, where)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _edits(inner, f"{where}, entry {number}")
    else:
        yield _edit(value, where)


def _edit(value: Any, where: str) -> Edit:
    if not isinstance(value, Mapping) or not {"layer", "key", "value"} <= value.keys():
        raise UsageError(f"{where}: an edit is an object with layer, key and value")
    layer, key, new = value["layer"], value["key"], value["value"]
    if not isinstance(layer, str) or not isinstance(key, str):
        raise UsageError(f"{where}: layer and key of an edit are strings")
    if new is not None and not isinstance(new, Mapping):
        raise UsageError(f"{where}: the value of an edit is a serialized regularizer or null")
    return Edit(layer, key, new)
