"""Parquet, for pandas, DuckDB and Spark: one row a weight, with what is known of its model."""

from collections.abc import Sequence
from datetime import datetime
from typing import IO, TYPE_CHECKING, ClassVar

from regaudit.extras import pip_install
from regaudit.renderers.interface import StreamingRenderer
from regaudit.report.report import Report
from regaudit.report.rows import COLUMNS, rows_of
from regaudit.report.view import View
from regaudit.rules.interface import About

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 20_000
"""Rows of a row group."""


class Parquet(StreamingRenderer):
    name: ClassVar[str] = "parquet"
    binary: ClassVar[bool] = True

    def missing(self) -> str:
        try:
            import pyarrow.parquet  # noqa: F401, PLC0415 - an extra
        except ImportError:
            return f"Parquet needs pyarrow, which is not installed: {pip_install('parquet')}"
        return ""

    def part(self, report: Report, rules: Sequence[About], view: View) -> bytes:
        import pyarrow as pa  # noqa: PLC0415 - an extra

        batch = pa.RecordBatch.from_pylist(list(rows_of(report, view)), schema=_schema())
        content = pa.BufferOutputStream()
        with pa.ipc.new_stream(content, batch.schema) as writer:
            writer.write_batch(batch)
        part: bytes = content.getvalue().to_pybytes()
        return part

    def is_part(self, part: bytes) -> bool:
        schema = _schema()
        try:
            batches = _batches(part)
            for batch in batches:
                batch.validate(full=True)
        except (ValueError, OSError):  # as pyarrow's errors are
            return False
        return all(batch.schema.equals(schema) for batch in batches)

    def stream(self, file: IO[bytes], rules: Sequence[About], view: View) -> "_Table":
        return _Table(file)


class _Table:
    """A table as it is written: row groups of enough rows to be read fast."""

    def __init__(self, file: IO[bytes]) -> None:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet as pq  # noqa: PLC0415 - the same

        self._arrow = pa
        self._schema = _schema()
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._batches: list[pa.RecordBatch] = []
        self._rows = 0

    def add(self, part: bytes) -> None:
        """Keep the rows until they are enough."""
        batches = _batches(part)
        self._rows += sum(batch.num_rows for batch in batches)
        self._batches += batches
        if self._rows >= BATCH:
            self._flush()

    def end(self) -> None:
        """Write the rest."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            table = self._arrow.Table.from_batches(self._batches, schema=self._schema)
            self._writer.write_table(table.combine_chunks(), row_group_size=BATCH)
        self._batches, self._rows = [], 0


def _batches(part: bytes) -> "list[pa.RecordBatch]":
    import pyarrow as pa  # noqa: PLC0415 - an extra

    with pa.ipc.open_stream(part) as reader:
        return list(reader)


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
