"""Sweeps that were made up, for tests of how they are shown."""

from math import inf, nan

from msgspec.structs import replace

from regaudit.report.proposal import Edit
from regaudit.sweeping.outcome import Candidate, Epoch, Setting, Sweep

HOSTILE = '"><script>alert(1)</script>\u202e\x1b[2J\r\n::error::x\n##[error]y=|`*'

SETTING = Setting(
    file="digits.keras",
    keras="3.12.0",
    backend="tensorflow",
    loss="sparse_categorical_crossentropy",
    measure="accuracy",
    train_samples=1200,
    val_samples=300,
    split=0.2,
    kinds=("l2",),
    from_scratch=False,
    epochs=5,
    whole=20,
    batch_size=32,
    batch_size_given=False,
    budget=2.0,
    spent=1.75,
    repeats=1,
    seed=7,
    monitor="val_loss",
    sha256="ab" * 32,
)


def l2(strength, layer="conv/0"):
    value = {"module": "keras.regularizers", "class_name": "L2", "config": {"l2": strength}}
    return Edit(layer, "kernel_regularizer", {**value, "registered_name": None})


def curve(*losses):
    return tuple(Epoch(number, loss / 2, loss) for number, loss in enumerate(losses, 1))


def as_it_is(**changes):
    one = Candidate(
        "as it is",
        "as it is",
        val_loss=0.312,
        val_error=0.021,
        tempered=0.287,
        temperature=1.8,
        accuracy=0.912,
        train_loss=0.012,
        penalty=0.0,
        near_zeros=0.01,
        effective_units=96,
        units=138,
        apart=0.041,
        apart_error=0.011,
    )
    return replace(one, **changes)


def rung(factor, loss, kind="l2", **changes):
    strength = 0.001 * factor
    name = f"{kind} x{factor:g}"
    one = Candidate(
        name,
        "rung",
        kind,
        float(factor),
        (strength, strength),
        (l2(strength),),
        epochs=5,
        best_epoch=4,
        val_loss=loss,
        val_error=0.02,
        tempered=loss - 0.02,
        temperature=1.25,
        accuracy=0.92,
        train_loss=loss / 2,
        penalty=0.05,
        near_zeros=0.2,
        effective_units=90,
        units=138,
        curve=curve(loss + 0.1, loss + 0.05, loss + 0.01, loss, loss + 0.02),
    )
    return replace(one, **changes)


def diverged(factor=64.0, kind="l2"):
    return Candidate(
        f"{kind} x{factor:g}",
        "rung",
        kind,
        float(factor),
        (0.001 * factor, 0.001 * factor),
        (l2(0.001 * factor),),
        epochs=2,
        diverged=True,
        curve=(Epoch(1, 3.0, 4.0), Epoch(2, nan, inf)),
    )


WITHOUT = replace(
    rung(1, 0.33),
    name="no penalty",
    role="without",
    kind=None,
    factor=None,
    strength=None,
    edits=(),
)
SOUP = replace(
    rung(1, 0.275),
    name="soup",
    role="soup",
    kind=None,
    factor=None,
    strength=None,
    edits=(),
    epochs=0,
    best_epoch=0,
    curve=(),
    members=("l2 x1", "l2 x4"),
    no_different=True,
)


def one_kind():
    """Four rungs, of which one is the best."""
    return Sweep(
        SETTING,
        (
            as_it_is(),
            WITHOUT,
            rung(0.25, 0.305),
            rung(1, 0.29),
            rung(4, 0.271, epochs=10, best_epoch=9),
            rung(16, 0.276, no_different=True),
            SOUP,
        ),
        "l2 x4",
        "4 times the suggestion: validation loss 0.312 -> 0.271, -13 % +- 4 %, accuracy 91.2 -> "
        "92.0 %; x16 is no different. A temperature of 1.8 alone would give -8 % and no accuracy.",
        ("300 validation samples: differences below 0.02 are noise.",),
    )


def three_kinds():
    """Three ladders, one with a rung that diverged."""
    kinds = ("l2", "l1", "activity")
    rungs = [
        rung(factor, 0.28 + 0.01 * n + 0.003 * abs(factor - 4), kind)
        for n, kind in enumerate(kinds)
        for factor in (0.25, 1, 4, 16)
    ]
    return Sweep(
        replace(SETTING, kinds=kinds),
        (as_it_is(), WITHOUT, *rungs, diverged(64.0, "l1"), SOUP),
        "l2 x4",
        "L2 helped most, by 0.032 of the loss. L1 is no different.",
    )


def change_nothing():
    """A model that is as good as any."""
    return Sweep(
        replace(SETTING, measure="R2", split=None, batch_size_given=True),
        (
            as_it_is(val_loss=0.27, tempered=None, temperature=None),
            rung(1, 0.271, no_different=True),
        ),
        "as it is",
        "Change nothing: no candidate is better by more than noise.",
    )


def all_diverged():
    """Nothing that is finite, not even of the model as it is."""
    bare = Candidate("as it is", "as it is", diverged=True)
    return Sweep(SETTING, (bare, diverged(1.0), diverged(4.0)), "as it is", "Everything diverged.")


def hostile():
    """Names that mean harm, wherever a name can be."""
    edit = Edit(HOSTILE, "kernel_regularizer", {"class_name": HOSTILE, "config": {HOSTILE: 1.0}})
    setting = replace(
        SETTING, file=HOSTILE, keras=HOSTILE, backend=HOSTILE, loss=HOSTILE, monitor=HOSTILE
    )
    named = rung(4, 0.2, edits=(edit,), name=HOSTILE, monitored=1.0)
    return Sweep(setting, (as_it_is(), rung(1, 0.3), named), HOSTILE, HOSTILE, (HOSTILE,))


ALL = {
    "one kind": one_kind,
    "three kinds": three_kinds,
    "change nothing": change_nothing,
    "all diverged": all_diverged,
    "hostile": hostile,
}
