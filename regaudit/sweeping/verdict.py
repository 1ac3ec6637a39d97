"""What the numbers of a sweep say: who differs from the best, and two sentences for people.

Losses are compared sample by sample: two models are wrong about the same samples, so that the
difference of their losses is far better known than either.
"""

from collections.abc import Sequence
from math import floor, log10, sqrt

from msgspec.structs import replace

from regaudit.report.spelling import count
from regaudit.sweeping.columns import strength, with_error
from regaudit.sweeping.outcome import Candidate, Kind, Setting, Sweep
from regaudit.sweeping.strengths import Base
from regaudit.tensors.tensor import Array

FEW = 200
"""With fewer validation samples than this, chance decides between many strengths."""


def compared(one: Candidate, losses: Array | None, best: Array, name: str) -> Candidate:
    """Add by how much a candidate differs from the best, over paired samples.

    Args:
        one: the candidate.
        losses: its validation loss of each sample, shape (samples,); None if it diverged.
        best: that of the best candidate.
        name: of the best candidate.
    """
    if losses is None or one.diverged:
        return one
    apart = losses - best
    error = float(apart.std(ddof=1)) / sqrt(len(apart)) if len(apart) > 1 else 0.0
    mean = float(apart.mean())
    same = one.name != name and abs(mean) < error
    return replace(one, apart=mean, apart_error=error, no_different=same)


def judged_by(
    setting: Setting,
    candidates: tuple[Candidate, ...],
    best: str,
    unasked: Sequence[Base],
) -> Sweep:
    """Choose, and say why.

    Args:
        setting: how the sweep was done.
        candidates: all of them, compared with the best.
        best: name of the one with the lowest score.
        unasked: ladders for which the losses showed no need.
    """
    saved = candidates[0]
    chosen = saved.name if saved.no_different else best
    found = next(one for one in candidates if one.name == chosen)
    verdict = (
        _changed(setting, saved, found, candidates)
        if found is not saved
        else _nothing(candidates, best)
    )
    if temperature := _temperature(setting, saved):
        verdict = f"{verdict} {temperature}"
    remarks = []
    if len(setting.kinds) > 1:
        remarks += [_of_kind(kind, saved, candidates) for kind in setting.kinds]
    elif bought := _sparsity(saved, found):
        remarks.append(bought)
    if unasked:
        remarks.append(
            "the validation loss is hardly higher than the training loss: nothing asked for a "
            "stronger penalty"
        )
    if setting.val_samples < FEW:
        remarks.append(
            f"{count(setting.val_samples, 'validation sample')} are few: another split may choose "
            f"otherwise; --repeats and at least {FEW} samples tell more"
        )
    if setting.split is not None:
        remarks.append(
            f"the validation set is {setting.split:.0%} of the data, drawn by the seed: if the "
            "model was trained on it, its validation loss is too low; give --val-data"
        )
    if not setting.batch_size_given:
        remarks.append(
            f"no file says the batch size: {setting.batch_size} was assumed; --batch-size gives "
            "another"
        )
    if found.role == "rung" and not setting.from_scratch:
        remarks.append(
            "this strength is for training on from these weights; one for new weights is another: "
            "--from-scratch finds it"
        )
    return Sweep(setting, candidates, chosen, verdict, tuple(remarks))


def _nothing(candidates: Sequence[Candidate], best: str) -> str:
    if best == candidates[0].name:
        return "Change nothing: no other model has a lower validation loss than the one as it is."
    saved = candidates[0]
    return (
        f"Change nothing: the best, {best}, is no different from the model as it is: its "
        f"validation loss is {with_error(saved.apart or 0.0, saved.apart_error)} lower."
    )


def _changed(
    setting: Setting, saved: Candidate, found: Candidate, candidates: Sequence[Candidate]
) -> str:
    """Say what the chosen one is, by how much it is better, and who is no different."""
    what = _said(found)
    old, new = saved.val_loss, found.val_loss
    text = what
    if old is not None and new is not None:
        text += f": validation loss {_change(old, new)}"
        if old > 0:
            text += f", {_percent(new / old - 1, (saved.apart_error or 0.0) / old)}"
    if saved.accuracy is not None and found.accuracy is not None:
        text += f"; {_measured(setting, saved.accuracy, found.accuracy)}"
    others = [one.name for one in candidates if one.no_different]
    if others:
        text += f"; {', '.join(others)} {'is' if len(others) == 1 else 'are'} no different"
    return f"{text}."


def _said(one: Candidate) -> str:
    if one.role == "rung" and one.factor is not None:
        kind = {"l1": "L1", "l2": "L2", "activity": "activity L2", "adamw": "AdamW"}[
            one.kind or "l2"
        ]
        many = "as suggested" if one.factor == 1 else f"of {one.factor:g} times the suggestion"
        return f"{kind} {many}" + (f" ({strength(one)})" if one.strength else "")
    if one.role == "without":
        return "Training on without a penalty"
    return f"The mean of the weights of {', '.join(one.members)}"


def _change(old: float, new: float) -> str:
    """Format two losses with as many decimals as the smaller one needs."""
    smaller = min(abs(old), abs(new))
    if not 1e-3 <= smaller < 100:
        return f"{old:.3g} -> {new:.3g}"
    decimals = 2 - floor(log10(smaller))
    return f"{old:.{max(decimals, 0)}f} -> {new:.{max(decimals, 0)}f}"


def _percent(share: float, error: float) -> str:
    """Format a change and its standard error, with a decimal where the error has no other digit."""
    if not error:
        return f"{share:+.0%}"
    if error < 0.0005:
        return f"{share:+.1%} +- less than 0.1%"
    decimals = 0 if error >= 0.01 else 1
    return f"{share:+.{decimals}%} +- {error:.{decimals}%}"


def _measured(setting: Setting, old: float, new: float) -> str:
    if setting.measure == "accuracy":
        return f"accuracy {old:.1%} -> {new:.1%}"
    return f"R2 {old:.3f} -> {new:.3f}"


def _temperature(setting: Setting, saved: Candidate) -> str:
    """Say what a temperature alone would do, which costs no training and changes no prediction."""
    if saved.tempered is None or not saved.val_loss or saved.temperature is None:
        return ""
    share = saved.tempered / saved.val_loss - 1
    accuracy = setting.measure == "accuracy"
    if share > -0.005:
        what = "A temperature" if accuracy else "Shrinking its predictions"
        return f"{what} alone would not lower the loss."
    if accuracy:
        return (
            f"A temperature of {saved.temperature:.2g} alone would give {share:+.0%}, without "
            "training, and no accuracy."
        )
    return (
        f"Shrinking its predictions by {saved.temperature:.2g} alone would give {share:+.0%}, "
        "without training."
    )


def _of_kind(kind: Kind, saved: Candidate, candidates: Sequence[Candidate]) -> str:
    """Say how much one kind helped, and whether that is more than noise."""
    rungs = [one for one in candidates if one.kind == kind and one.val_loss is not None]
    if not rungs or saved.val_loss is None:
        return f"{kind}: every rung diverged"
    best = min(rungs, key=lambda one: one.val_loss or 0.0)
    share = (best.val_loss or 0.0) / saved.val_loss - 1 if saved.val_loss > 0 else 0.0
    text = f"{kind}: best {best.name}, validation loss {share:+.0%}"
    if best.no_different:
        text += ", no different from the best of all"
    elif best.apart:
        text += f", {with_error(best.apart, best.apart_error)} above the best of all"
    bought = _sparsity(saved, best)
    return f"{text}; {bought}" if bought else text


def _sparsity(saved: Candidate, found: Candidate) -> str:
    """Say how many more values L1 has taken to zero; empty for another kind."""
    if found.kind != "l1" or found.near_zeros is None or saved.near_zeros is None:
        return ""
    return f"near-zero values of kernels {saved.near_zeros:.1%} -> {found.near_zeros:.1%}"
