"""HTML, for people: one page that reads well without a network, a script or a style sheet."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from regaudit import wording
from regaudit.finding import Finding, Report, Severity
from regaudit.measures import Moments
from regaudit.model import Layer, Weight
from regaudit.record import document
from regaudit.renderer import Renderer, View
from regaudit.rule import About

if TYPE_CHECKING:
    from jinja2 import Environment

BARS = 40
"""Bars in a chart, the longest; the table has all weights."""

PLACES = 8
"""Places of a finding that are shown; the rest is folded."""


class Html(Renderer):
    name: ClassVar[str] = "html"

    def render(self, reports: Sequence[Report], rules: Sequence[About], view: View) -> str:
        environment = _environment()
        script = environment.get_template("sort.js.j2").render()
        return environment.get_template("page.html.j2").render(
            sections=[_section(n, report, rules, view) for n, report in enumerate(reports, 1)],
            rules=rules,
            view=view,
            data=document(reports),
            script_hash=b64encode(sha256(script.encode()).digest()).decode(),
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One weight as the table shows it."""

    anchor: str
    layer: Layer
    weight: Weight
    moments: Moments | None
    penalty: float | None
    share: float | None

    @property
    def remarks(self) -> str:
        """What must be known to read the numbers."""
        regularizer = self.weight.regularizer
        found = [regularizer.why] if regularizer else []
        if self.weight.shared_with is not None:
            found.append(f"shared with {self.weight.shared_with}")
        if not self.weight.trainable and not (regularizer and regularizer.why):
            found.append("not trainable")
        if self.moments is None:
            found.append("not measured")
        elif self.moments.nonfinite:
            found.append(f"{wording.count(self.moments.nonfinite, 'value')} not finite")
        return "; ".join(filter(None, found))


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart."""

    path: str
    value: str
    width: str
    """Percent of the longest bar."""

    @property
    def label(self) -> str:
        """The path, cut in its middle to fit a telephone: its ends tell most."""
        path = wording.plain(self.path)
        return path if len(path) <= 38 else f"{path[:12]}\N{HORIZONTAL ELLIPSIS}{path[-25:]}"


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars, longest first."""

    bars: tuple[Bar, ...]
    more: int
    """Weights for whose bar there was no room."""


@dataclass(frozen=True, slots=True)
class Section:
    """One report, arranged for the page."""

    anchor: str
    report: Report
    state: str
    """`failed`, the worst severity, or `clean`."""
    findings: tuple[tuple[About | None, Finding], ...]
    passed: tuple[About, ...]
    """Rules that were asked in full and found nothing."""
    rows: tuple[Row, ...]
    shares: Chart
    norms: Chart

    @property
    def anchors(self) -> Mapping[str, str]:
        """Where in the table each weight is, by path."""
        return {row.weight.path: row.anchor for row in self.rows}


def _section(number: int, report: Report, rules: Sequence[About], view: View) -> Section:
    anchor = f"m{number}"
    abouts = {about.code: about for about in rules}
    others = {finding.code for finding in report.findings}
    others |= {rule.code for rule in report.not_run}
    rows = tuple(_rows(anchor, report, view)) if view.tables else ()
    norms = ((row, row.moments.l2_norm if row.moments else None) for row in rows)
    return Section(
        anchor=anchor,
        report=report,
        state=_state(report),
        findings=tuple((abouts.get(one.code), one) for one in report.findings),
        passed=tuple(about for about in rules if about.code not in others),
        rows=rows,
        shares=_chart(((row, row.share) for row in rows), wording.percent),
        norms=_chart(norms, wording.number),
    )


def _state(report: Report) -> str:
    if report.failure:
        return "failed"
    return str(Severity(report.worst)) if report.worst else "clean"


def _rows(anchor: str, report: Report, view: View) -> Iterator[Row]:
    total = report.penalty  # once: it is a sum over all weights
    for number, (layer, weight) in enumerate(view.weights(report), 1):
        penalty = report.penalties.get(weight.stored_path)
        share = penalty / total if penalty is not None and total else None
        moments = report.moments.get(weight.stored_path)
        yield Row(f"{anchor}w{number}", layer, weight, moments, penalty, share)


def _chart(
    values: Iterable[tuple[Row, float | None]], spell: Callable[[float | None], str]
) -> Chart:
    positive = [
        (row.weight.path, value) for row, value in values if value is not None and value > 0
    ]
    positive.sort(key=lambda pair: -pair[1])
    bars = (
        Bar(path, spell(value), f"{100 * (value / positive[0][1]):.2f}") for path, value in positive
    )
    return Chart(tuple(bars)[:BARS], max(len(positive) - BARS, 0))


def _visible(value: Any) -> Any:
    """Pass all text through `wording.plain`, whatever a template forgets."""
    safe = not isinstance(value, str) or hasattr(value, "__html__")
    return value if safe else wording.plain(value)


def _observed(value: float | str) -> str:
    """Spell a value that decided a finding."""
    return (
        f"{value:,}"
        if isinstance(value, int)
        else (value if isinstance(value, str) else wording.number(value))
    )


@cache
def _environment() -> "Environment":
    """Return where templates come from and what they can call."""
    # Imported here: who prints to a terminal need not wait for Jinja.
    import jinja2  # noqa: PLC0415

    loader: jinja2.BaseLoader
    try:
        loader = jinja2.PackageLoader("regaudit.templates", "")
    except ModuleNotFoundError:  # a checkout that is not installed
        loader = jinja2.FileSystemLoader(Path(__file__).parents[2] / "templates")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        loader=loader,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_visible,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    environment.filters["observed"] = _observed
    environment.globals.update(wording=wording, places=PLACES)
    return environment
