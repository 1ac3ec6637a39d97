"""Pictures for notebooks: SVG in the colour of the text around it, without names or a style sheet.

Many outputs are on one page, and one may be there twice: what is named in one would be found in
another. So there is nothing here that a name would be needed for.
"""

from regaudit.pages.chart_geometry import Plot
from regaudit.pages.model_section import nested
from regaudit.pages.penalty_bar import penalty_bar
from regaudit.pages.strip import Strip, strip
from regaudit.pages.template import fill_part
from regaudit.pages.weight_rows import weight_rows
from regaudit.report.report import Report
from regaudit.report.view import View


def model_pictures(report: Report, view: View) -> str:
    """Return a model along its depth and what its penalty is made of; empty where not known."""
    bar = penalty_bar(report) if view.layer == "*" else None  # it is of the whole model
    return fill_part("notebook_model.html.j2", strip=_strip(report, view), bar=bar).strip()


def small_strip(report: Report) -> str:
    """Return a model along its depth as a cell of a table."""
    return fill_part("small_strip.html.j2", strip=_strip(report, View()), id="")


def plot_picture(title: str, text: str, plot: Plot) -> str:
    """Return a chart, its legend and what it shows, in words."""
    return fill_part("notebook_plot.html.j2", title=title, text=text, plot=plot)


def _strip(report: Report, view: View) -> Strip | None:
    return strip(tuple(weight_rows("", report, view)), nested(report))
