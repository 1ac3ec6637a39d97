"""How numbers, regularizers, findings and hostile text are spelled, the same in every renderer."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import fields
from math import isclose

from regaudit.evidence.evidence import CHANCE_LOSS, TOTAL_PENALTY, VALUES
from regaudit.evidence.training_facts import option
from regaudit.finding import NotRun, Report, Severity, Suppressed
from regaudit.model import Model, Optimizer, Regularizer
from regaudit.rule import About, Rule

_NEEDED = {
    CHANCE_LOSS: "a loss whose chance level is known",
    TOTAL_PENALTY: "penalties that can be read",
    VALUES: "the values of the weights",
}

_COMMAND = re.compile("[:#](?=[:#])")
MISSING = "-"
"""Stands where there is no number."""


def plain(text: str) -> str:
    r"""Escape whatever could move a cursor, hide text or break a line: `\x1b`, `\u202e`.

    Names in a model file are anybody's text. `::` and `##` start commands to the machines that run
    a CI job and read its log.
    """
    if "::" in text or "##" in text:
        text = _COMMAND.sub(lambda mark: f"\\x{ord(mark[0]):02x}", text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char
        if unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
        else char.encode("unicode_escape", "backslashreplace").decode("ascii")
        for char in text
    )


def markdown(text: str) -> str:
    """Escape what Markdown or the HTML inside it would act on, beside what `plain` does."""
    return "".join(f"\\{char}" if char in r"\`*_[]<>|#&" else char for char in plain(text))


def shortened(text: str, width: int) -> str:
    """Cut the middle out of a long path: its ends tell most."""
    if len(text) <= width:
        return text
    head = (width - 3) // 3
    return f"{text[:head]}...{text[len(text) - (width - 3 - head) :]}"


def strength(value: float) -> str:
    """Spell a strength by the shortest number within 1e-6: 0.001 for 0.0010000000474974513."""
    for digits in range(1, 17):
        text = f"{value:.{digits}g}"
        if isclose(float(text), value, rel_tol=1e-6):
            return text
    return repr(value)


def regularizer(value: Regularizer | None) -> str:
    """Spell a regularizer by what it does: `l2(0.01)`, also for `L1L2(0, 0.01)`."""
    if value is None:
        return MISSING
    factor = value.config.get("factor")
    if value.class_name == "OrthogonalRegularizer" and isinstance(factor, float):
        return f"orthogonal({strength(factor)}, {plain(str(value.config.get('mode')))})"
    if value.l1 is None or value.l2 is None:
        return plain(value.class_name or "?")
    if value.l1 and value.l2:
        return f"l1_l2({strength(value.l1)}, {strength(value.l2)})"
    if value.l1 or value.class_name == "L1":
        return f"l1({strength(value.l1)})"
    return f"l2({strength(value.l2)})"


def number(value: float | None, digits: int = 4) -> str:
    """Spell a measured number with a few significant digits."""
    return MISSING if value is None else f"{value:.{digits}g}"


def percent(value: float | None) -> str:
    """Spell a share."""
    if value is None:
        return MISSING
    if value in {0.0, 1.0}:
        return f"{value:.0%}"
    return f"{value:.1%}" if value >= 0.001 else "<0.1%"


def count(value: int, noun: str, nouns: str = "") -> str:
    """Spell a count: `1 layer`, `1,204 layers`."""
    return f"{value:,} {noun if value == 1 else nouns or noun + 's'}"


def parameters(model: Model) -> str:
    """Spell the size of a model: `7,114 parameters (640 trainable)`."""
    return f"{count(model.parameters, 'parameter')} ({model.trainable_parameters:,} trainable)"


def file_size(size: int | None) -> str:
    """Spell a number of bytes."""
    if size is None:
        return MISSING
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:,.0f} B" if unit == "B" else f"{amount:,.1f} {unit}"
        amount /= 1000
    return MISSING


def shape(dimensions: Sequence[int]) -> str:
    """Spell a shape: `3x3x64`; a scalar is `()`."""
    return "x".join(str(dimension) for dimension in dimensions) or "()"


def not_run(rule: NotRun) -> str:
    """Say which rule was not asked: `REG205 underregularized: not run: needs --train-loss`."""
    how = "run in part: the rest needs" if rule.partly else "not run: needs"
    return f"{rule.code} {rule.name}: {how} {plain(rule.needs)}"


def suppressed(one: Suppressed) -> str:
    """Say what is accepted and why: `REG101 at hidden/kernel is accepted: pruned later`."""
    return f"{one.code} at {plain(one.item.path) or '(model)'} is accepted: {plain(one.reason)}"


def verdict(report: Report) -> str:
    """Say in one sentence how the audit came out."""
    if report.failure:
        return f"could not be audited: {plain(report.failure.message)}"
    return total([report])


def total(reports: Sequence[Report]) -> str:
    """Count the findings by severity: `1 error, 2 notes`."""
    parts = []
    for level in reversed(Severity):
        found = [f for report in reports for f in report.findings if f.severity is level]
        if found:
            parts.append(count(len(found), str(level)))
    return ", ".join(parts) if parts else "no findings"


def coverage(report: Report) -> str:
    """Say how much of the file was examined."""
    covered = report.coverage
    text = (
        f"{covered.measured:,} of {count(covered.weights, 'stored weight')} measured "
        f"in {count(covered.layers, 'layer')}"
    )
    text += "" if report.measured else " (--no-weights)"
    return f"{text}; {count(len(covered.skipped), 'remark')}" if covered.skipped else text


def summary(report: Report) -> str:
    """Say in one sentence what regularizes the model."""
    if report.model is None:
        return ""
    if not report.model.class_name:
        return "Which weights are regularized is not in this file."
    weights = [weight for _, weight in report.model.weights() if weight.shared_with is None]
    trainable = [weight for weight in weights if weight.trainable]
    active = [w for w in weights if w.regularizer and w.regularizer.status == "in force"]
    held = sum(weight.size for weight in active)
    total = sum(weight.size for weight in trainable)
    share = f", {percent(held / total)} of the trainable parameters" if active and total else ""
    activity = sum(layer.activity_regularizer is not None for layer in report.model.layers)
    extra = f"; {count(activity, 'activity regularizer')}" if activity else ""
    verb = "is" if len(active) == 1 else "are"
    return f"{count(len(active), 'weight')} of {len(weights):,} {verb} regularized{share}{extra}."


def kind(model: Model) -> str:
    """Name the class of a model, and the model: `Sequential "classifier"`."""
    named = f'"{model.name}"' if model.name else ""
    return plain(" ".join(filter(None, (model.class_name, named)))) or "weights only"


def optimizer(value: Optimizer | None) -> str:
    """Describe the optimizer: `Adam, learning rate 0.001, no weight decay, 20 steps`."""
    if value is None:
        return "not in the file: the model was not compiled"
    rate = value.learning_rate
    decay = value.weight_decay
    parts = [
        plain(value.class_name),
        f"learning rate {rate:g}" if rate is not None else "a learning rate schedule",
        f"weight decay {decay:g}" if decay else "no weight decay",
    ]
    if value.iterations is not None:
        parts.append(count(value.iterations, "step"))
    return ", ".join(parts)


def total_penalty(report: Report) -> str:
    """Describe what the weights add to the loss."""
    model = report.model
    weights = [weight for _, weight in model.weights()] if model else []
    paying = sum(bool(report.penalties.get(weight.stored_path)) for weight in weights)
    if model and not model.class_name:
        return "not known: the file holds no configuration"
    if report.known_penalty is None:
        return "not known: --no-weights leaves the values unread"
    if not paying:
        known = report.penalty_complete
        return f"{'none' if known else 'not known'}: no weight adds to the loss" + (
            "" if known else " but by regularizers whose strength the file does not tell"
        )
    text = f"{number(report.penalty, 6)} added to the loss by {count(paying, 'weight')}"
    if not report.penalty_complete:
        text += ", and more by regularizers whose strength the file does not tell"
    return text


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

{about.title}. Severity: {about.severity}; confidence: {about.confidence}.{needed}

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
