"""Rows as a table of the library for tables that is installed."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from regaudit.errors import UsageError

MISSING = "to_dataframe needs pandas or polars: pip install 'regaudit[pandas]'"


def dataframe(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Any:
    """Return a data frame of pandas, or of polars where that alone is installed.

    Args:
        rows: values by column; what a row lacks is null.
        columns: in their order.

    Raises:
        UsageError: neither is installed.
    """
    table = {name: [row.get(name) for row in rows] for name in columns}
    for package in ("pandas", "polars"):
        try:
            return import_module(package).DataFrame(table)
        except ImportError:
            continue
    raise UsageError(MISSING)
