"""Weights that Keras 3.10 and later cut into shards: `X.weights.json` and the files it lists."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import ClassVar

from regaudit.formats.interface import WEIGHTS_ONLY, Artifact, Format
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.describe import describe_weights, shards_of
from regaudit.keras_semantics.safe_json import parse_json
from regaudit.storage.location import Location, read_bounded
from regaudit.storage.siblings import beside
from regaudit.tensors.hdf5 import opened
from regaudit.tensors.hdf5_tree import read_tree
from regaudit.tensors.tensor import merged

LIST = ".weights.json"
_SHARD = re.compile(r"(.+)_\d{5}\.weights\.h5")


class ShardedWeights(Format):
    """Every shard lies next to the list; one layer's weights may be in two of them."""

    name: ClassVar[str] = "sharded-weights"
    suffixes: ClassVar[tuple[str, ...]] = (LIST,)
    why_not: ClassVar[str] = WEIGHTS_ONLY

    def sniff(self, file: Location) -> bool:
        if not file.is_file():
            return False
        with file.open("rb") as stream:
            head = stream.read(4096)
        return head.lstrip()[:1] == b"{" and b'"weight_map"' in head

    def listed_in(self, name: str) -> str | None:
        shard = _SHARD.fullmatch(name)
        return shard[1] + LIST if shard else None

    def takes_configuration(self, file: Location) -> bool:
        return True

    @contextmanager
    def read(self, file: Location, architecture: Serialized | None = None) -> Iterator[Artifact]:
        if architecture:
            self.refuse_by_name()
        with ExitStack() as stack:
            trees = []
            for name in shards_of(parse_json(read_bounded(file, "json_bytes"), file.name)):
                shard = beside(file.parent, name)
                trees.append(read_tree(stack.enter_context(opened(shard)), shard))
            yield Artifact.of(describe_weights(merged(trees), architecture))
