"""The file formats, one a module; a new module is found by itself.

A format of another distribution imports from here what it is made of: these names stay.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regaudit.errors import RefusedEditError, UnreadableModelError, UnsafeFileError
    from regaudit.formats.interface import HEAD, Artifact, Format
    from regaudit.keras_semantics.config_graph import Serialized
    from regaudit.keras_semantics.configuration_file import parse_configuration
    from regaudit.keras_semantics.describe_configuration import describe_with_values
    from regaudit.limits import enforce_limit
    from regaudit.model import Layer, Model, Regularizer, Skip, Status, Weight
    from regaudit.storage.location import Location, read_bounded
    from regaudit.tensors.tensor import BLOCK, ArrayTensor, StoredTensor, Tensor

_HOMES = {
    "ArrayTensor": "tensors.tensor",
    "Artifact": "formats.interface",
    "BLOCK": "tensors.tensor",
    "Format": "formats.interface",
    "HEAD": "formats.interface",
    "Layer": "model",
    "Location": "storage.location",
    "Model": "model",
    "RefusedEditError": "errors",
    "Regularizer": "model",
    "Serialized": "keras_semantics.config_graph",
    "Skip": "model",
    "Status": "model",
    "StoredTensor": "tensors.tensor",
    "Tensor": "tensors.tensor",
    "UnreadableModelError": "errors",
    "UnsafeFileError": "errors",
    "Weight": "model",
    "describe_with_values": "keras_semantics.describe_configuration",
    "enforce_limit": "limits",
    "parse_configuration": "keras_semantics.configuration_file",
    "read_bounded": "storage.location",
}

__all__ = [
    "BLOCK",
    "HEAD",
    "ArrayTensor",
    "Artifact",
    "Format",
    "Layer",
    "Location",
    "Model",
    "RefusedEditError",
    "Regularizer",
    "Serialized",
    "Skip",
    "Status",
    "StoredTensor",
    "Tensor",
    "UnreadableModelError",
    "UnsafeFileError",
    "Weight",
    "describe_with_values",
    "enforce_limit",
    "parse_configuration",
    "read_bounded",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: our own formats import what they need."""
    if name not in _HOMES:
        raise AttributeError(f"module 'regaudit.formats' has no attribute {name!r}")
    return getattr(import_module(f"regaudit.{_HOMES[name]}"), name)
