"""Rows as a table of the library for tables that is installed.

A column has the same type whatever is in it, so that tables can be put together; what is not known
is null: NaN in a column of decimals of pandas, which has no other way for them in NumPy's types.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any

from regaudit.errors import UsageError
from regaudit.extras import pip_install


def dataframe(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, type]) -> Any:
    """Return a data frame of pandas, or of polars where that alone is installed.

    Args:
        rows: values by column; what a row lacks is null.
        columns: types by name, in their order.

    Raises:
        UsageError: neither is installed.
    """
    for package, made in {"pandas": _pandas, "polars": _polars}.items():
        try:
            library = import_module(package)
        except ImportError:
            continue
        return library.DataFrame(
            {
                name: made(library, [row.get(name) for row in rows], kind)
                for name, kind in columns.items()
            }
        )
    ways = f"{pip_install('pandas')}, or {pip_install('polars')}"
    raise UsageError(f"to_dataframe needs pandas or polars: {ways}")


def _pandas(pandas: Any, values: list[Any], kind: type) -> Any:
    types = {
        str: "string",
        int: "Int64",
        float: "float64",
        bool: "boolean",
        datetime: "datetime64[us]",
    }
    return pandas.Series(values, dtype=types.get(kind, "object"))


def _polars(polars: Any, values: list[Any], kind: type) -> Any:
    types = {
        str: polars.String,
        int: polars.Int64,
        float: polars.Float64,
        bool: polars.Boolean,
        datetime: polars.Datetime("us"),
        list[str]: polars.List(polars.String),
        list[int]: polars.List(polars.Int64),
    }
    return polars.Series(values, dtype=types[kind])
