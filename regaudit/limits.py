"""What regaudit allows one file to cost before it refuses to read on."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from regaudit.errors import UnsafeFileError
from regaudit.processors import processors

OUT_OF_MEMORY = "reading it takes more memory than there is; --limit memory_bytes=N allows more"
"""What is said of a file that takes it all."""

SPECTRAL_BYTES = 768 << 20
"""What spectra may allocate on top: two threads with two arrays of 4096 x 4096 each, and bands."""


Amount = Annotated[
    int,
    Meta(ge=1, le=1 << 50, description=f"a whole number above 0, at most {1 << 50:,}"),
]
Seconds = Annotated[
    int, Meta(ge=1, le=1_000_000, description="a whole number above 0, at most 1,000,000")
]
"""Beyond, systems refuse to be told, and it is no limit."""


class Limits(Struct, frozen=True):
    """The budgets of one file, far above what Keras writes.

    `--limit NAME=VALUE` and `[tool.regaudit.limits]` set them by these names. A refusal names the
    limit that it is for.
    """

    cpu_seconds: Seconds = 2
    """Processor time in a guarded or a worker process, apart from that for the size."""
    wall_seconds: Seconds = 60
    """Time in a guarded or a worker process, apart from that for the size."""
    bytes_per_second: Amount = 1 << 20
    """So many bytes, stored, unpacked or arrived from a store, buy a second of both kinds."""
    memory_bytes: Amount = 192 << 20
    """What a guarded or a worker process may allocate (Linux)."""
    json_bytes: Amount = 32 << 20
    """Largest JSON: `config.json`, `model_config`, a list of shards."""
    json_values: Amount = 1_000_000
    """Most values in one JSON."""
    json_depth: Amount = 200
    """Deepest nesting of objects and lists in JSON; a nested model takes four of them."""
    layers: Amount = 20_000
    """Most layers of one model."""
    layer_depth: Amount = 100
    """Deepest nesting of models and wrappers."""
    calls: Amount = 100_000
    """Most calls of layers in one model: nested models that call each other multiply."""
    outputs: Amount = 1_000
    """Most outputs of one model, nested ones too: these multiply likewise."""
    group_depth: Amount = 64
    """Deepest nesting of HDF5 groups, and of folders in a model that is one."""
    objects: Amount = 200_000
    """Most HDF5 groups and datasets, archive members, fields of a protobuf message, or files."""
    inflation: Amount = 200
    """Largest ratio of declared to stored bytes: of an archive member, a dataset, a whole file."""
    unstored_bytes: Amount = 4 << 20
    """What may be declared without being stored: a file's fill values, and what deflates well."""
    chunk_bytes: Amount = 32 << 20
    """Largest chunk of a chunked dataset: the least that has to be held in memory."""
    graph_bytes: Amount = 1 << 30
    """Largest `saved_model.pb`."""
    index_bytes: Amount = 64 << 20
    """Largest index of a TensorFlow checkpoint, packed or with its keys written out."""
    key_bytes: Amount = 4096
    """Longest name: of a model, a layer with its path, a class, a weight, a key of JSON, an HDF5
    object, or in the index of a TensorFlow checkpoint."""
    checked_bytes: Amount = 4 << 20
    """How much of a checkpoint's index has its checksums verified, at about 10 MB per second."""

    spooled_bytes: Amount = 8 << 30
    """Longest standard input, and most that a compressed file may unpack to: both are kept in a
    temporary file."""
    spectral_seconds: Seconds = 60
    """After this long, `--spectral` takes no further spectrum of a model."""

    def with_spectra(self) -> "Limits":
        """Return limits that leave room for spectra: twice their time, as one may be under way."""
        more = 2 * self.spectral_seconds
        return replace(
            self,
            cpu_seconds=self.cpu_seconds + processors() * more,
            wall_seconds=self.wall_seconds + more,
            memory_bytes=self.memory_bytes + SPECTRAL_BYTES,
        )

    def for_files(self, count: int, size: int) -> "Limits":
        """Return limits for what is made of so many files at once, of so many bytes in all."""
        more = self.seconds_for(size)
        return replace(
            self,
            cpu_seconds=count * self.cpu_seconds + more,
            wall_seconds=count * self.wall_seconds + more,
            memory_bytes=count * self.memory_bytes,
        )

    def seconds_for(self, size: int) -> int:
        """Return what a file of this many bytes gets on top of its seconds."""
        return min(size // self.bytes_per_second, 1_000_000)  # systems refuse to wait longer


_IN_FORCE: ContextVar[Limits] = ContextVar("limits", default=Limits())  # noqa: B039 - it is frozen


def allowed() -> Limits:
    """Return the limits that hold where this is called."""
    return _IN_FORCE.get()


def enforce_limit(name: str, amount: int, message: str) -> None:
    """Refuse what goes beyond a limit.

    Args:
        name: of the limit.
        amount: what it limits, here.
        message: the refusal, with `{limit}` where the limit goes, such as
            "config.json is larger than {limit} bytes".

    Raises:
        UnsafeFileError: the amount is larger than the limit.
    """
    limit: int = getattr(allowed(), name)
    if amount > limit:
        text = message.replace("{limit}", f"{limit:,}")
        raise UnsafeFileError(f"{text}; --limit {name}=N allows more")


@contextmanager
def allowing(limits: Limits) -> Iterator[None]:
    """Let other limits hold inside the `with`, in this thread."""
    token = _IN_FORCE.set(limits)
    try:
        yield
    finally:
        _IN_FORCE.reset(token)
