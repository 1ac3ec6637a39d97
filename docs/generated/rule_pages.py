"""A page for each rule, made from its `About` and from its examples, and the list of them all."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from msgspec.structs import replace

import regaudit
from generated.pages import write_all
from generated.pictures import pictures
from regaudit.renderers.interface import renderer
from regaudit.report.report import Report
from regaudit.report.view import View
from regaudit.rules.documentation import explanation
from regaudit.rules.interface import About, Rule, rules
from regaudit.settings.config import Config

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
"""The examples, as Keras saved them; a source distribution has none of them."""

FAMILIES = {
    "1": ("Missing regularization", "Nothing regularizes a weight, or not all that it should."),
    "2": ("Strength", "The strength of a penalty is wrong for this model."),
    "3": ("Without the effect intended", "A regularizer does not do what the code seems to say."),
    "4": ("Trained weights", "What the training left in the weights."),
    "9": ("The audit itself", "What regaudit could not read, and settings that are out of date."),
}
"""By the first digit of the code."""

CURE = "## What to write instead"


def write(folder: Path) -> None:
    """Write `REG101.md` and so on, and their list, into the folder of the rules."""
    own = [rule for rule in rules() if rule.__module__.startswith("regaudit.rules.")]
    write_all(folder, "REG*.md", {f"{rule.about.code}.md": _page(rule) for rule in own})
    abouts = [rule.about for rule in own]
    write_all(folder, "*.inc", {"families.inc": "\n".join(_families(abouts))})


def _families(abouts: list[About]) -> Iterator[str]:
    """Yield the list of the rules, family by family."""
    for digit, family in groupby(abouts, lambda about: about.code[3]):
        title, what = FAMILIES[digit]
        yield f"## {title}\n\n{what}\n\n| rule | severity | what it finds |\n|---|---|---|"
        for about in family:
            link = f"[{about.code}]({about.code}.md) {about.name}"
            yield f"| {link} | {about.severity} | {about.title} |"
        yield ""


def _page(rule: type[Rule]) -> str:
    """Return a page: the explanation, with what regaudit says of the examples."""
    page = explanation(rule)
    config = replace(Config.default(), facts=rule.about.facts)
    bad, good = _audited(rule.about, "bad", config), _audited(rule.about, "good", config)
    if bad is None or good is None:
        return page
    before, after = page.split(CURE)
    cure, heading, rest = after.partition("\n## When it is wrong")
    shown = "\n".join(pictures(rule.about.code, bad, good))
    return f"{before}{_said(rule.about, bad)}\n{CURE}{cure}\n{shown}{heading}{rest}"


def _audited(about: About, kind: str, config: Config) -> Report | None:
    """Return the report on an example; None where there is no file."""
    named = getattr(about, f"{kind}_file")
    file = FIXTURES / (named or f"rules/{about.code}/{kind}.keras")
    if about.on_settings or not file.exists():
        return None
    return regaudit.audit(file, config)


def _said(about: About, report: Report) -> str:
    """Return what a check of the example prints, of this rule alone."""
    found = tuple(one for one in report.findings if one.code == about.code)
    name = f"model{Path(report.file).suffix}"
    alone = replace(report, file=name, findings=found, not_run=(), suppressed=())
    text = renderer("terminal").render([alone], [about], View(tables=False, width=80))
    lines = str(text).split("Why and what to do:")[0].rstrip()
    command = f"$ regaudit check {name} --select {about.code}"
    return f"regaudit says of it:\n\n```console\n{command}\n{lines}\n```\n"
