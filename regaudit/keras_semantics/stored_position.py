"""Where the join by path stands, in the model and in the weights file at once."""

from msgspec import Struct
from msgspec.structs import replace

from regaudit.keras_semantics.activity import Surroundings
from regaudit.tensors.tensor import TensorGroup


class StoredPosition(Struct, frozen=True):
    """Where in the model and in the weights file a layer stands."""

    prefix: str = ""
    """Path of the layer around it, with a slash; empty below the model."""
    stored: TensorGroup | None = None
    stored_path: str = ""
    node: str = ""
    """The graph node the layer belongs to, if that is not the layer itself."""
    root: bool = False
    depth: int = 0
    thawed: bool = True
    """Whether all layers around it are trainable."""
    around: Surroundings = Surroundings()
    """What the layers around it do with it."""
    frozen: bool = False
    """Whether a model around it is frozen by its own code once all of it is built."""
    lost: bool = False
    """Whether it is held by custom code, and which stored weights are its own cannot be told."""

    def below(
        self, path: str, key: str, node: str = "", *, thawed: bool = True
    ) -> "StoredPosition":
        """Return the place of what the layer at `path` holds in attribute `key`."""
        group = self.stored.groups.get(key) if self.stored else None
        stored_path = f"{self.stored_path}/{key}" if self.stored_path else key
        prefix = f"{path}/" if path else ""
        thawed = thawed and self.thawed
        return StoredPosition(
            prefix,
            group,
            stored_path,
            node,
            depth=self.depth + 1,
            thawed=thawed,
            lost=self.lost,
            frozen=self.frozen,
        )

    def below_container(self, key: str) -> "StoredPosition":
        """Return the place of one member of a list of layers: its path skips the list."""
        group = self.stored.groups.get(key) if self.stored else None
        stored_path = f"{self.stored_path}/{key}"
        return replace(self, stored=group, stored_path=stored_path)
