"""The one door to h5py: its libhdf5 looks for no plug-ins, whatever the environment says.

Plug-ins are libraries (drivers, filters, connectors) that a file or the environment asks for by
name, and that libhdf5 looks for when it cannot open a file or decode a dataset. `HDF5_DRIVER` and
`HDF5_VOL_CONNECTOR` name one for every file. libhdf5 reads the environment when h5py is imported.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_NAMED = ("HDF5_DRIVER", "HDF5_DRIVER_CONFIG", "HDF5_VOL_CONNECTOR")
"""Variables that name what every file is opened with."""

_OFF = {"HDF5_PLUGIN_PRELOAD": "::"}
"""Switches plug-ins off, as `H5PLset_loading_state` does."""


@contextmanager
def _environment() -> Iterator[None]:
    """Hide what leads to plug-ins, for the time of the import."""
    before = {name: os.environ.get(name) for name in (*_NAMED, *_OFF)}
    for name in _NAMED:
        os.environ.pop(name, None)
    os.environ.update(_OFF)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


with _environment():
    import h5py

# A file that no driver can open has every library in these folders tried, switched off or not.
while h5py.h5pl.size():
    h5py.h5pl.remove(0)

__all__ = ["h5py"]
