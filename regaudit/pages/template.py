"""HTML pages: templates, one style, one script, and a policy that lets in nothing else."""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regaudit.pages.chart_geometry import LEFT, LETTERS, RIGHT
from regaudit.pages.charts import short, times
from regaudit.pages.panel import HEIGHT, TALL, TOP
from regaudit.pages.strip import KINDS, WIDE
from regaudit.report import advice, escape, sentences, spectrum_table, spelling
from regaudit.report.proposal import WORTH_OF_A_START
from regaudit.version import VERSION

if TYPE_CHECKING:
    from jinja2 import Environment

PLACES = 8
"""Places of a finding that are shown; the rest is folded."""

WORST = 5
"""Findings that the verdict names."""

LONG = 16
"""Characters of a name or a path that need not break."""


def fill(template: str, **content: Any) -> escape.Escaped:
    """Return a whole page.

    Args:
        template: its file, which extends `layout.html.j2`.
        content: what the template calls it.
    """
    environment = _environment()
    script = environment.get_template("page.js.j2").render()
    style = environment.get_template("style.css.j2").render()
    text = environment.get_template(template).render(
        script=script,
        style=style,
        script_hash=_digest(script),
        style_hash=_digest(style),
        **content,
    )
    return escape.by_format(text)


def fill_part(template: str, **content: Any) -> str:
    """Return a part of a page, of a file that extends nothing, to go into another template."""
    from markupsafe import Markup  # noqa: PLC0415 - comes with Jinja2

    return Markup(_environment().get_template(template).render(**content))  # noqa: S704 - escaped


def _digest(text: str) -> str:
    """Return the hash by which the page's own policy lets this text in and no other."""
    return b64encode(sha256(text.encode()).digest()).decode()


def _visible(value: Any) -> Any:
    """Pass all text through `escape.plain`, even if a template forgets to."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return escape.plain(value)


def _breaking(path: str) -> Any:
    """Let a long path break behind its slashes, and long names in it behind underscores."""
    from markupsafe import Markup, escape as escaped  # noqa: I001, PLC0415 - comes with Jinja2

    text = str(escaped(escape.plain(path)))
    if len(path) > LONG:
        text = re.sub(r"/(?=[^/])", r"/<wbr/>", text)  # no browser must break there by itself
    if max(map(len, path.split("/"))) > LONG:
        text = re.sub(r"_(?=[^/_])", r"_<wbr/>", text)
    return Markup(text)  # noqa: S704 - escaped before


def _coded(text: str) -> Any:
    """Show what stands between backticks as code."""
    from markupsafe import Markup, escape as escaped  # noqa: I001, PLC0415 - comes with Jinja2

    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escaped(escape.plain(text))))
    return Markup(text)  # noqa: S704 - escaped before


def _observed(value: float | str) -> str:
    """Format a value that decided a finding."""
    return (
        f"{value:,}"
        if isinstance(value, int)
        else (value if isinstance(value, str) else spelling.number(value))
    )


@cache
def _environment() -> "Environment":
    """Return where templates come from and what they can call."""
    import jinja2  # noqa: PLC0415 - who prints to a terminal need not wait for it

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
    environment.filters.update(observed=_observed, short=short, breaking=_breaking, coded=_coded)
    environment.globals.update(
        spectrum_table=spectrum_table,
        advice=advice,
        WORTH_OF_A_START=WORTH_OF_A_START,
        sentences=sentences,
        spelling=spelling,
        places=PLACES,
        worst=WORST,
        left=round(LEFT),
        letters=LETTERS,
        panel_height=HEIGHT,
        panel_top=TOP,
        panel_tall=TALL,
        right=round(RIGHT),
        across=WIDE,
        kinds=KINDS,
        times=times,
        version=VERSION,
    )
    return environment
