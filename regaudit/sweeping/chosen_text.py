"""What `suggest --from` prints: the strengths that a sweep chose, as a table, and as code."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regaudit.advice.regularizer_code import argument
from regaudit.report.escape import Escaped, command, page, plain, shortened
from regaudit.report.proposal import OPTIMIZER, Edit
from regaudit.report.spelling import number
from regaudit.report.tables import Column, fitted_table
from regaudit.sweeping import edits
from regaudit.sweeping.columns import known
from regaudit.sweeping.outcome import Sweep
from regaudit.sweeping.text import terminal_width, wrapped


def table(sweep: Sweep, file: Path) -> Escaped:
    """Return what the sweep chose, and how to write it into a copy.

    Args:
        sweep: that was read.
        file: it was read from.
    """
    width = terminal_width()
    lines = [*wrapped(sweep.setting.file, width), *wrapped(sweep.verdict, width)]
    if not sweep.edits:
        return page([*lines, "There is nothing to change."])
    rows = [(edits.place(edit), edit.key, edits.spelled(edit)) for edit in sweep.edits]
    shown = [
        Column(title, [plain(shortened(cell, 60)) for cell in cells], rank)
        for title, rank, cells in zip(
            ("layer", "argument", "chosen"), (0, 1, 0), zip(*rows, strict=True), strict=True
        )
    ]
    lines += ["", *(line.rstrip() for line in fitted_table(shown, width, least=16)), ""]
    losses = (
        f"{number(known(sweep.candidates[0].val_loss))} -> {number(known(sweep.best.val_loss))}"
    )
    why = f"why: {sweep.chosen} of {len(sweep.candidates)} models, validation loss {losses}"
    lines += [*wrapped(why, width), "", "Write it into a copy, OUT:"]
    line = "regaudit apply {} -o OUT --from {}"
    return page([*lines, "  " + command(line, sweep.setting.file, file)])


def code(sweep: Sweep) -> Escaped:
    """Return the changes as Keras code to paste; what is no plain penalty becomes a comment."""
    lines = [f"# {plain(sweep.verdict)}", *(_code(edit) for edit in sweep.edits)]
    return page(lines)


def _code(edit: Edit) -> str:
    where, value = plain(edits.place(edit)), edit.value
    if edit.key == OPTIMIZER and value and isinstance(decay := value.get("weight_decay"), float):
        return f"keras.optimizers.AdamW(..., weight_decay={decay:g})"
    penalty = value is None or _is_penalty(value)
    if not penalty or not re.fullmatch(r"[a-z]+_regularizer", edit.key):
        return f"# {where}: {plain(edit.key)} = {plain(edits.spelled(edit))}"
    return f"Layer(..., {argument(edit.key, value)})  # {where}"


def _is_penalty(value: Mapping[str, Any]) -> bool:
    """Whether it is one that Keras has, so that it can be code; a document may hold anything."""
    config = value.get("config")
    return (
        value.get("class_name") in ("L1", "L2", "L1L2")  # a set would ask for a hash
        and isinstance(config, Mapping)
        and 0 < len(config.keys() & {"l1", "l2"}) == len(config)
        and all(isinstance(strength, float) for strength in config.values())
    )
