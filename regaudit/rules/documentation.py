"""A rule explained in Markdown: the text of `explain`, of SARIF's help and of the rules page."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import fields

from regaudit.evidence.needs import CHANCE_LOSS, CONFIGURATION, REGULARIZERS, TOTAL_PENALTY, VALUES
from regaudit.evidence.training_facts import option
from regaudit.plugins.installed import RULES, entry_points
from regaudit.report.escape import command
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule
from regaudit.rules.interface import rules as all_rules

_NEEDED = {
    CHANCE_LOSS: "a loss whose chance level is known",
    TOTAL_PENALTY: "penalties that can be read",
    VALUES: "the values of the weights",
    CONFIGURATION: "the model's configuration",
    REGULARIZERS: "regularizers that the file tells",
}


def where_to_read(found: Iterable[tuple[Severity, str]]) -> Iterator[str]:
    """Yield the command that explains the worst of these findings, the first of several.

    Results of others may have codes that no rule has.
    """
    known = {rule.about.code for rule in all_rules()}
    explained = [one for one in found if one[1] in known]
    if explained:
        _, code = max(explained, key=lambda one: one[0])
        yield f"Why and what to do: {command('regaudit explain {}', code)}"


def help_page(about: About) -> str:
    """Explain in Markdown what to do about a finding: the part of `explanation` on the cure."""
    return f"""{about.fix}

Found in:

{_program(about.bad, about)}

Not found in:

{_program(about.good, about)}

When it is wrong: {about.false_positives}

Source: {about.source}
"""


def _program(text: str, about: About) -> str:
    """Fence an example."""
    return f"```{'toml' if about.on_settings else 'python'}\n{text.strip()}\n```"


def explanation(rule: Rule | type[Rule]) -> str:
    """Explain a rule in Markdown: what, why, an example, the cure, the limits, the source."""
    about = rule.about
    if rule.failure:
        return f"# {about.code}\n\n{rule.failure.message}.\n"
    entry = entry_points(RULES).get(about.code)
    whose = f" From {entry.source}." if entry else ""
    thresholds = rule.thresholds()
    settings = ""
    if thresholds:
        lines = "\n".join(f"{key} = {value}" for key, value in thresholds.items())
        settings = f"\n## Thresholds\n\n```toml\n[tool.regaudit.rules.{about.code}]\n{lines}\n```\n"
    needs = ", ".join(_NEEDED.get(need, option(need)) for need in rule.needs)
    wants = ", ".join(_NEEDED.get(need, option(need)) for need in rule.wants)
    needed = f" Needs {needs}." if needs else ""
    needed += f" Checks more with {wants}." if wants else ""
    given = ", ".join(
        f"{option(field.name)} {value:g}"
        for field in fields(about.facts)
        if (value := getattr(about.facts, field.name)) is not None
    )
    where = f" (with {given})" if given else ""
    return f"""# {about.code} {about.name}

{about.title}. Severity: {about.severity}; confidence: {about.confidence}.{needed}{whose}

## What it does

{about.what}

## Why it matters

{about.rationale}

## Example

Found in{where}:

{_program(about.bad, about)}

## What to write instead

{about.fix} Not found in:

{_program(about.good, about)}

## When it is wrong

{about.false_positives}
{settings}
## How to accept it

```toml
[[tool.regaudit.ignore]]
code = "{about.code}"
layer = "encoder/*"
reason = "why this is fine"
```

## Source

{about.source}
"""


def rules_page(rules: Sequence[type[Rule]]) -> str:
    """Explain all rules on one page of Markdown, with a table of them before."""
    head = "| code | name | severity | what |\n|---|---|---|---|\n"
    rows = "".join(
        f"| [{about.code}](#{about.code.lower()}-{about.name}) | {about.name} "
        f"| {about.severity} | {about.title} |\n"
        for about in (rule.about for rule in rules)
    )
    # Each explanation is a page of its own: one level down here, but not in its programs.
    pages = (_lowered(explanation(rule)) for rule in rules)
    note = "Made by `regaudit rules --format markdown`; `regaudit explain CODE` prints one.\n\n"
    return "\n".join(("# Rules\n", note + head + rows, *pages))


def _lowered(page: str) -> str:
    """Return Markdown with its headings one level down."""
    lines, code = [], False
    for line in page.splitlines(keepends=True):
        code ^= line.startswith("```")
        lines.append(f"#{line}" if line.startswith("#") and not code else line)
    return "".join(lines)
