"""A page for each rule, made from its `About`."""

from pathlib import Path

from generated.pages import write_all
from regaudit.rules.documentation import explanation
from regaudit.rules.interface import rules


def write(folder: Path) -> None:
    """Write `REG101.md` and so on into the folder of the rules."""
    own = [rule for rule in rules() if rule.__module__.startswith("regaudit.rules.")]
    write_all(folder, "REG*.md", {f"{rule.about.code}.md": explanation(rule) for rule in own})
