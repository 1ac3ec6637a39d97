"""The options of `regaudit sweep`, as one value."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import click

from regaudit.cli.choice import Choice
from regaudit.cli.options import collecting
from regaudit.cli.paths import Output
from regaudit.errors import did_you_mean

KINDS = ("l2", "l1", "activity", "adamw")


class SweepOptions(NamedTuple):
    """What the options of `sweep` say."""

    data: str
    val_data: str | None
    val_split: float | None
    out: Path | None
    html: Path | None
    edits: Path | None
    json: Path | None
    format_: str
    kinds: tuple[Literal["l2", "l1", "activity", "adamw"], ...]
    rungs: int
    epochs: int | None
    budget: float
    batch_size: int | None
    from_scratch: bool
    repeats: int
    seed: int
    monitor: str
    loss: str | None
    optimizer: str | None
    custom_objects: tuple[str, ...]
    jobs: int
    dask: str | None
    journal: Path


def _kinds(_context: click.Context, _option: click.Parameter, given: str) -> tuple[str, ...]:
    """Split several kinds at their commas."""
    found = tuple(dict.fromkeys(part.strip().lower() for part in given.split(",")))
    wrong = next((part for part in found if part not in KINDS), None)
    if wrong is not None:
        hint = did_you_mean(wrong, KINDS)
        raise click.BadParameter(f"{wrong!r} is not one of {', '.join(KINDS)}{hint}")
    return found


def sweeping(command: Any) -> Any:
    """Add the options of a sweep, as one value `options: SweepOptions`."""
    for option in reversed(
        (
            click.option(
                "--data",
                required=True,
                metavar="FILE|MODULE:FUNCTION",
                help="Training data: an NPZ file with x and y (and sample_weight), or a function "
                "that returns arrays or a dataset.",
            ),
            click.option(
                "--val-data", metavar="FILE|MODULE:FUNCTION", help="Validation data, likewise."
            ),
            click.option(
                "--val-split",
                type=click.FloatRange(0, 1, min_open=True, max_open=True),
                help="Share of --data to validate on instead, such as 0.2.",
            ),
            click.option(
                "-o",
                "--output",
                "out",
                type=Output(),
                metavar="OUT",
                help="Write the chosen model, as it was trained, to OUT.",
            ),
            click.option("--html", type=Output(), metavar="FILE", help="Write a page with curves."),
            click.option(
                "--edits",
                type=Output(),
                metavar="FILE",
                help="Write the chosen strengths as edits for `apply --from`.",
            ),
            click.option(
                "--json",
                type=Output(),
                metavar="FILE",
                help="Write all that was found, for `suggest --from` and `report --from-sweep`.",
            ),
            click.option(
                "--format",
                "format_",
                type=Choice(["terminal", "json", "csv", "markdown"]),
                default="terminal",
                show_default=True,
                help="Of standard output.",
            ),
            click.option(
                "--aim",
                "kinds",
                callback=_kinds,
                default="l2",
                show_default=True,
                metavar="KIND[,KIND]...",
                help="Kinds of regularization to compare: l2, l1, activity, adamw.",
            ),
            click.option(
                "--rungs",
                type=click.IntRange(1, 20),
                default=4,
                show_default=True,
                help="Most strengths to try for each kind.",
            ),
            click.option(
                "--epochs",
                type=click.IntRange(min=1),
                help="Epochs for each strength.  [default: a quarter of those of the file]",
            ),
            click.option(
                "--budget",
                type=click.FloatRange(min=0, min_open=True),
                default=2.0,
                show_default=True,
                help="Most trainings to spend on each kind; 1 is the ladder alone.",
            ),
            click.option(
                "--batch-size",
                type=click.IntRange(min=1),
                help="Samples in a training step.  [default: 32]",
            ),
            click.option(
                "--from-scratch",
                is_flag=True,
                help="Train new weights instead of going on from the saved ones.",
            ),
            click.option(
                "--repeats",
                type=click.IntRange(1, 100),
                default=1,
                show_default=True,
                help="Train each candidate with so many seeds.",
            ),
            click.option(
                "--seed",
                type=click.IntRange(0, 2**31 - 1),
                default=0,
                show_default=True,
                help="Of everything random.",
            ),
            click.option(
                "--monitor",
                default="",
                metavar="METRIC",
                help="Choose by this metric of the model instead of the validation loss.",
            ),
            click.option("--loss", help="Loss, for a model that is not compiled."),
            click.option("--optimizer", help="Optimizer, for a model that is not compiled."),
            click.option(
                "--custom-objects",
                multiple=True,
                metavar="MODULE",
                help="Import this module first, so that its registered classes load.",
            ),
            click.option(
                "--jobs",
                type=click.IntRange(1, 256),
                default=1,
                show_default=True,
                help="Candidates to train at once.",
            ),
            click.option(
                "--dask",
                metavar="ADDRESS",
                help="Train on this Dask cluster, whose workers see the data by the same paths; "
                "`local` starts one here.",
            ),
            click.option(
                "--journal",
                type=Output(),
                default=Path("sweep.jsonl"),
                show_default=True,
                metavar="FILE",
                help="Where to keep what is done, so that the same command can go on.",
            ),
        )
    ):
        command = option(command)
    return collecting("options", SweepOptions, command)
