"""`regaudit suggest`: which strengths a model should have, and why."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import click

from regaudit.cli.audit_models import OpeningOptions, opening_settings
from regaudit.cli.choice import Choice
from regaudit.cli.command import Helpful
from regaudit.cli.options import FACT_NAMES, collecting, fact_options, opening, output_file
from regaudit.cli.output import OK, UNREADABLE, emit, say
from regaudit.cli.paths import STANDARD_OUTPUT, LocalFile, LocalModel
from regaudit.cli.progress import waiting
from regaudit.cli.protected import refuse_outputs
from regaudit.running.guard import hold_on, released
from regaudit.running.termination import ending_tidily

if TYPE_CHECKING:
    from regaudit.live.confidence import Confidence
    from regaudit.report.escape import Escaped
    from regaudit.report.proposal import Proposal
    from regaudit.report.report import Report


class AdviceOptions(NamedTuple):
    """What the options of `advising` say."""

    facts: Mapping[str, Any]
    """By the fields of `regaudit.evidence.training_facts.Facts`."""
    aim: Literal["l2", "l1", "adamw"]
    purpose: Literal["going-on", "new-weights"]
    with_penalty: bool
    data: Path | None
    val_data: Path | None


def advising(command: Any) -> Any:
    """Add the options about the training, `advice: AdviceOptions`."""
    for option in (
        click.option(
            "--aim",
            type=Choice(["l2", "l1", "adamw"]),
            default="l2",
            show_default=True,
            help="Kind of regularization.",
        ),
        click.option(
            "--for",
            "purpose",
            type=Choice(["going-on", "new-weights"]),
            default="going-on",
            show_default=True,
            help="What the strengths are for: training on from the saved weights, or anew.",
        ),
        click.option(
            "--with-penalty",
            is_flag=True,
            help="The losses include the penalty, as model.evaluate prints them: subtract it.",
        ),
        click.option(
            "--val-data",
            type=LocalFile(exists=True, dir_okay=False, path_type=Path),
            metavar="FILE",
            help="NPZ file with x and y of the validation set.",
        ),
        click.option(
            "--data",
            type=LocalFile(exists=True, dir_okay=False, path_type=Path),
            metavar="FILE",
            help="NPZ file with x and y of the training set; Keras computes the loss on it.",
        ),
        *fact_options(),
    ):
        command = option(command)
    return collecting("advice", AdviceOptions, command, facts=FACT_NAMES)


@click.command(
    cls=Helpful,
    examples=(
        "suggest model.keras --train-loss 0.02 --val-loss 0.51",
        "suggest model.keras --data train.npz --val-data val.npz",
    ),
)
@click.argument("model", type=LocalModel(path_type=Path), required=False)
@advising
@opening
@click.option(
    "--format",
    "format_",
    type=Choice(["terminal", "code", "json"]),
    default="terminal",
    show_default=True,
    help="A table, Keras code to paste, or edits for `apply --from`.",
)
@click.option(
    "--from",
    "sweep",
    type=LocalFile(path_type=Path),
    metavar="SWEEP",
    help="Show what a sweep chose, from what `sweep --json` wrote; without MODEL.",
)
@output_file
def suggest(
    *,
    model: Path | None,
    format_: str,
    sweep: Path | None,
    output: Path | None,
    advice: AdviceOptions,
    opening_options: OpeningOptions,
) -> None:
    """Suggest strengths for the regularizers of MODEL.

    Give --train-loss and --val-loss: the gap between them decides how strong. Neither includes the
    penalty: subtract what `inspect` shows from what model.evaluate prints, or add --with-penalty.
    Without the losses it takes the strength of a paper or of the model's other layers, where there
    is one, or else an untested start of a sweep.

    With --from SWEEP it shows what `sweep` chose instead, and needs none of this.

    Exits with 0, even if there is nothing to change.
    """
    from regaudit.cli.running import audited_one
    from regaudit.cli.suggest_text import code, json, table
    from regaudit.errors import RegauditError, UsageError

    output = None if output == STANDARD_OUTPUT else output
    if sweep is not None:
        if model or _given(advice.facts) or advice.data or advice.val_data:
            raise click.UsageError("--from SWEEP tells all: give no MODEL, losses or data with it")
        emit(_chosen(sweep, format_, output), output)
        sys.exit(OK)
    if model is None:
        raise click.UsageError("Missing argument 'MODEL'.")
    if output is not None:
        refuse_outputs([output], models=[str(model)], reads=(advice.data, advice.val_data))
    try:
        report = audited_one(str(model), opening_settings(opening_options))
        hold_on()  # to advise is a step of its own, and imports something
        proposal = proposed(report, advice)
    except UsageError as error:
        raise click.UsageError(str(error)) from error
    except RegauditError as error:
        say(f"{model}: {error}", err=True)
        sys.exit(UNREADABLE)
    if format_ == "terminal":
        page = table(report, proposal, _options(advice, opening_options))
    else:
        page = {"code": code, "json": json}[format_](report, proposal)
    emit(page, output)
    sys.exit(OK)


def _chosen(file: Path, format_: str, output: Path | None) -> "Escaped":
    """Return what a sweep chose, in this format."""
    from regaudit.errors import UsageError
    from regaudit.sweeping import chosen_text, document

    if output is not None:
        refuse_outputs([output], models=[], reads=[file])
    try:
        sweep = document.read_sweep(file)
    except UsageError as error:
        raise click.UsageError(str(error)) from error
    if format_ == "terminal":
        return chosen_text.table(sweep, file)
    return {"code": chosen_text.code, "json": document.edits}[format_](sweep)


def proposed(report: "Report", advice: AdviceOptions) -> "Proposal":
    """Return what the facts on the command line lead to.

    Raises:
        UsageError: numbers that cannot be.
        UnreadableModelError: Keras cannot load the model, to measure its losses.
    """
    from msgspec.structs import replace

    from regaudit.advice.suggest import suggest as advise
    from regaudit.evidence.training_facts import Facts
    from regaudit.settings.decode import decoded

    data = {"train_loss": advice.data, "val_loss": advice.val_data}
    measured: dict[str, float] = {}
    remarks: list[str] = []
    for name, file in data.items():
        if file:
            loss, sure = _loss(report, file, advice.facts[name])
            measured[name] = loss
            if sure is not None and sure.accuracy is not None:
                measured[name.replace("loss", "accuracy")] = sure.accuracy
            if sure is not None and name == "val_loss":
                remarks.append(sure.sentence)
    with_penalty = advice.with_penalty and not measured
    facts = decoded(Facts, {**measured, **_given(advice.facts)})
    found = advise(report, facts, advice.aim, purpose=advice.purpose, with_penalty=with_penalty)
    return replace(found, remarks=(*found.remarks, *remarks))


def _given(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}


def _loss(report: "Report", data: Path, given: float | None) -> "tuple[float, Confidence | None]":
    """Measure a loss with real Keras, without the penalty, and what of it is confidence."""
    from regaudit.errors import UsageError
    from regaudit.live.confidence import Confidence
    from regaudit.live.verify import verify
    from regaudit.report.escape import plain

    if given is not None:
        raise UsageError(f"give either the loss as a number or {data}, not both")
    with released(), ending_tidily(), waiting(f"Keras runs the model on {plain(data.name)}"):
        found = verify(report, data).data
    loss = found["loss"] if found else None
    if found is None or loss is None:
        raise UsageError(f"{data} gives no loss: it has no y, or the model has no plain loss")
    sure = found.get("confidence")
    return float(loss), Confidence(**sure) if sure else None


def _options(advice: AdviceOptions, opened: OpeningOptions) -> list[tuple[str, str]]:
    """Return the options that lead to the same proposal, each with a value to quote for its {}."""
    told = [
        (f"--{name.replace('_', '-')} {advice.facts[name]}", "")
        for name in reversed(FACT_NAMES)
        if advice.facts[name] is not None
    ]
    files = (("--data {}", advice.data), ("--val-data {}", advice.val_data))
    told += [(word, str(file)) for word, file in files if file]
    told += [("--with-penalty", "")] * advice.with_penalty
    told += [(f"--for {advice.purpose}", "")] * (advice.purpose != "going-on")
    told += [(f"--aim {advice.aim}", "")] * (advice.aim != "l2")
    told += [("--isolated", "")] * opened.isolated
    told += [("--role {}", role) for role in opened.roles]
    return told + [("--limit {}", limit) for limit in opened.limits]
