"""Audits whose outputs are made where a model is read: in a worker, perhaps on another machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from regaudit.auditing.audit_file import audit_file
from regaudit.renderers.interface import streaming
from regaudit.report.report import Report
from regaudit.report.view import View
from regaudit.running.outcome import Outcome, outcome_of
from regaudit.running.report_cache import Cache, CacheEntry
from regaudit.running.shares import Split, audit_or_count
from regaudit.settings.config import Config


class Output(NamedTuple):
    """A format, and what is shown in it."""

    format: str
    view: View


class Order(NamedTuple):
    """What a worker does with each file of a run."""

    outputs: tuple[Output, ...] = ()
    """What to make of a report; none if the report itself is wanted."""
    cache: Path | None = None
    """A folder of reports on files that did not change."""
    split: Split | None = None
    """Which files are not audited: it is only said in how many shares to measure them."""


class Written(Struct, frozen=True, tag=True):
    """A model in the formats asked for, and how it came out."""

    outcome: Outcome
    parts: tuple[bytes, ...]
    """One for each output."""

    @property
    def file(self) -> str:
        """The model, as reports name it."""
        return self.outcome.file

    @property
    def size(self) -> int | None:
        """Of the model, in bytes."""
        return self.outcome.size


class Carrier:
    """Carries out an order, file by file."""

    def __init__(self, order: Order, config: Config) -> None:
        self.order = order
        self.config = config
        self.cache = Cache(order.cache, config) if order.cache else None

    def __call__(self, file: str, config: Config) -> Report | Written | int:
        """Audit a file, unless the cache has its report, and write it where that is asked for.

        Returns:
            What was ordered; of a file that is to be split, how many shares it has.
        """
        found = self.cache.find(file) if self.cache else None
        if isinstance(found, Report):
            report: Report | int = found
        elif self.order.split:
            report = audit_or_count(file, config, self.order.split)
        else:
            report = audit_file(file, config)
        if isinstance(report, int):
            return report
        if self.cache and isinstance(found, CacheEntry):
            self.cache.keep(report, found)
        return written(report, self.order.outputs, config) if self.order.outputs else report

    @property
    def trouble(self) -> str:
        """Why reports cannot be kept, if that is so."""
        return self.cache.trouble if self.cache else ""


def written(report: Report, outputs: Sequence[Output], config: Config) -> Written:
    """Return a report in several formats, which are all of those that can be written in parts."""
    abouts = [rule.about for rule in config.rules]
    parts = tuple(
        kind.part(report, abouts, one.view) for one in outputs if (kind := streaming(one.format))
    )
    return Written(outcome_of(report, config), parts)
