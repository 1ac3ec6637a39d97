"""`regaudit verify`: the audit compared with real Keras."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regaudit.cli.audit_models import OpeningOptions, opening_settings
from regaudit.cli.command import Helpful
from regaudit.cli.options import opening
from regaudit.cli.output import FINDINGS, OK, UNREADABLE, say, say_page
from regaudit.cli.paths import LocalFile, LocalModel
from regaudit.cli.progress import waiting
from regaudit.running.guard import release
from regaudit.running.termination import ending_tidily

if TYPE_CHECKING:
    from regaudit.live.verify import Verification


@click.command(cls=Helpful, examples=("verify model.keras", "verify model.keras --data val.npz"))
@click.argument("model", type=LocalModel())
@click.option(
    "--data",
    type=LocalFile(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="NPZ file to run the model on: x (or x_0, x_1, ..., or the inputs' names), optionally y.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    help="Samples per batch.",
)
@opening
def verify(model: str, data: Path | None, batch_size: int, opening_options: OpeningOptions) -> None:
    """Load MODEL with real Keras and compare the audit with it.

    Compares each weight's regularizer, trainability and norms, and sum(model.losses). Needs Keras
    with TensorFlow, the extra [tensorflow]. Keras loads the file in safe mode and in a process of
    its own; still, use this only for models from sources that you trust.

    With --data, the model is run: whether each activity regularizer adds a penalty is compared,
    too, and the penalties and the share of exact zeros in each layer's output are shown.

    Exits with 0 if the two agree, 1 if they differ, and 3 if MODEL cannot be audited or loaded.
    """
    from regaudit.cli.running import audited_one
    from regaudit.errors import UnreadableModelError, UsageError
    from regaudit.live.verify import verify as compare_with_keras
    from regaudit.report.escape import plain

    try:
        report = audited_one(model, opening_settings(opening_options))
        release()  # Keras is not held to limits
        with ending_tidily(), waiting(f"Keras loads {plain(Path(model).name)}"):
            result = compare_with_keras(report, data, batch_size)
    except UsageError as error:
        raise click.UsageError(str(error)) from error
    except UnreadableModelError as error:
        say(f"{model}: could not be verified: {error}", err=True)
        sys.exit(UNREADABLE)
    say_page([*_verdict(model, result), *_activity(result)])
    sys.exit(FINDINGS if result.differences else OK)


def _verdict(model: str, result: "Verification") -> list[str]:
    from regaudit.report.escape import plain
    from regaudit.report.spelling import count, number

    compared = f"{count(result.weights, 'weight')}, sum(model.losses) {number(result.losses, 10)}"
    differences = result.differences
    said = count(len(differences), "difference") + " from" if differences else "agrees with"
    return [
        f"{plain(model)}: {said} Keras {result.keras} ({compared})",
        *(
            f"  {plain(path)}: {what}: the audit says {audit}, Keras {keras}"
            for path, what, audit, keras in differences
        ),
        *(f"  note: {plain(remark)}" for remark in result.remarks),
    ]


def _activity(result: "Verification") -> list[str]:
    """Describe what the layers put out on data."""
    from tabulate import tabulate

    from regaudit.report.escape import plain
    from regaudit.report.spelling import MISSING, count, number, percent

    data = result.data
    if data is None:
        return []
    batches = f"{count(data['batches'], 'batch', 'batches')} of {data['batch_size']}"
    loss = "" if data["loss"] is None else f", loss {number(data['loss'], 6)} without penalties"
    rows = [
        [
            plain(layer["path"]),
            plain(layer["class_name"]),
            MISSING if layer["penalty"] is None else number(layer["penalty"], 6),
            percent(layer["sparsity"]),
        ]
        for layer in data["layers"]
    ]
    unseen = sum(layer["sparsity"] is None for layer in data["layers"])
    headers = ["layer", "class", "activity penalty", "zeros in output"]
    lines = ["", f"On {count(data['samples'], 'sample')} in {batches}{loss}:", ""]
    lines += tabulate(rows, headers, tablefmt="plain", disable_numparse=True).splitlines()
    if unseen:
        what = "gave no values to measure: not called, or inside a compiled loop"
        lines += ["", f"{count(unseen, 'layer')} {what}"]
    return [line.rstrip() for line in lines]
