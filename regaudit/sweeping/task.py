"""What is asked of a process that trains, and what it answers: plain data, as JSON travels."""

from collections.abc import Mapping

from msgspec import Struct

from regaudit.sweeping.outcome import Epoch, Measure


class Opening(Struct, frozen=True):
    """The model and the data, opened once; every task is about them."""

    file: str
    data: str
    """NPZ file, or `package.module:function`."""
    val_data: str | None
    val_split: float | None
    package: str = "keras"
    """`keras` or `tf_keras`."""
    batch_size: int = 32
    seed: int = 0
    loss: str | None = None
    optimizer: str | None = None
    """For a model that is not compiled."""
    custom_objects: tuple[str, ...] = ()
    """Modules of the user, imported so that their registered classes load."""
    monitor: str = ""
    """Metric to choose by; empty for the validation loss."""
    out: str = ""
    """Beginning of the name of the file with the losses of the model as it is."""
    activity: tuple[str, ...] = ()
    """Paths of the layers whose outputs are measured."""


class Trained(Struct, frozen=True):
    """What one task made; its files lie beside `Task.out`."""

    epochs: int
    """Trained in all, with those before."""
    best_epoch: int
    diverged: bool = False
    score: float | None = None
    """What is chosen by, lower is better: the validation loss, or what `--monitor` names."""
    monitored: float | None = None
    val_loss: float | None = None
    tempered: float | None = None
    temperature: float | None = None
    accuracy: float | None = None
    train_loss: float | None = None
    curve: tuple[Epoch, ...] = ()
    members: tuple[int, ...] = ()
    """Of a soup: which of the files it is the mean of, in the order they were added."""


class Opened(Struct, frozen=True):
    """What is known once the model is loaded and was run on the data."""

    keras: str
    backend: str
    loss: str
    measure: Measure
    train_samples: int
    val_samples: int
    steps: int
    """That the optimizer of the file has done."""
    data: str
    """SHA-256 of the data."""
    as_it_is: Trained
    target_variance: float | None = None
    """Mean squared deviation of the training targets from their mean, of a model with one output;
    None where they do not vary."""
    activity: Mapping[str, float] = {}
    """Mean over samples of the sum of squares of what a layer puts out, by its path."""
    no_soup: str = ""
    """Why the mean of weights makes no model; empty where it may."""


class Task(Struct, frozen=True):
    """One stretch of training, or one mean of weights."""

    name: str
    """Of the candidate and the repeat: what the journal knows it by."""
    start: str
    """File whose model is trained."""
    out: str
    """Beginning of the names of what is written: `.last.keras`, `.best.keras`, `.npy`."""
    epochs: int
    seed: int = 0
    fresh: bool = False
    """Whether it begins with new weights."""
    before: str | None = None
    """`out` of the stretch before, whose best weights stay the best until others are better."""
    so_far: Trained | None = None
    """What that stretch made."""
    soup: tuple[str, ...] = ()
    """Files to take the mean of the weights of, the best first; then nothing is trained."""


LAST, BEST, LOSSES = ".last.keras", ".best.keras", ".npy"
"""Endings of what a task writes: the model where training stopped, that with the best weights, and
the validation loss of each sample with those."""
