"""Parquet, for pandas, DuckDB and Spark: one row a weight, with what is known of its model."""

import io
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

from regaudit.extras import pip_install
from regaudit.renderers.interface import Renderer
from regaudit.report.report import Report
from regaudit.report.rows import COLUMNS, rows_of
from regaudit.report.view import View
from regaudit.rules.interface import About

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 20_000
"""Rows of a row group."""


class Parquet(Renderer):
    name: ClassVar[str] = "parquet"
    binary: ClassVar[bool] = True

    def missing(self) -> str:
        try:
            import pyarrow.parquet  # noqa: F401, PLC0415 - an extra
        except ImportError:
            return f"Parquet needs pyarrow, which is not installed: {pip_install('parquet')}"
        return ""

    def render(self, reports: Sequence[Report], rules: Sequence[About], view: View) -> bytes:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet as pq  # noqa: PLC0415 - the same

        schema = _schema()
        rows = (row for report in reports for row in rows_of(report, view))
        content = io.BytesIO()
        with pq.ParquetWriter(content, schema, compression="zstd") as writer:
            while batch := list(islice(rows, BATCH)):
                writer.write_table(pa.Table.from_pylist(batch, schema=schema))
        return content.getvalue()


def _schema() -> "pa.Schema":
    import pyarrow as pa  # noqa: PLC0415 - an extra

    types = {
        str: pa.string(),
        int: pa.int64(),
        float: pa.float64(),
        bool: pa.bool_(),
        datetime: pa.timestamp("us"),
        list[str]: pa.list_(pa.string()),
        list[int]: pa.list_(pa.int64()),
    }
    return pa.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
