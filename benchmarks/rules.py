"""All rules on one model of 300 layers: `python -m benchmarks.rules`.

Every kernel of the model has a penalty of the default strength under AdamW, and the facts are
those of a model that overfits, so that most rules have something to say of every layer.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from msgspec.structs import replace

from benchmarks import models
from regaudit import Config, audit
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.training_facts import Facts
from regaudit.rules.interface import Rule

FACTS = Facts(train_loss=0.1, val_loss=5.0, train_size=50_000, val_size=10_000, batch_size=64)
ALLOWED = 0.2
"""Seconds that all rules together may take."""


def evidence(file: Path) -> Evidence:
    """Return what rules see of a model.

    Raises:
        ValueError: the file cannot be audited.
    """
    report = audit(str(file), replace(Config.default(), rules=()))
    if report.model is None:
        raise ValueError(f"{file}: {report.failure}")
    return Evidence(report.model, report.moments, report.penalties, FACTS)


def ask(rules: tuple[Rule, ...], given: Evidence) -> dict[str, tuple[float, int]]:
    """Return the seconds and the places found of every rule, by code.

    The graph and all else that evidence keeps once it was asked for count for the first to ask.
    """
    told = {}
    for rule in rules:
        start = perf_counter()
        lacking = rule.not_run(given)
        found = 0 if lacking and not lacking.partly else sum(1 for _ in rule.check(given))
        told[rule.about.code] = (perf_counter() - start, found)
    return told


def main() -> None:
    """Print what each rule takes, and all together."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rules", description=__doc__)
    parser.add_argument("--runs", type=int, default=21, help="counted runs (21)")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "regaudit-benchmarks",
        help="folder of the model, which is built if it is missing (%(default)s)",
    )
    options = parser.parse_args()
    given = evidence(models.stored(models.DEEP, options.cache))
    rules = Config.default().rules
    ask(rules, replace(given))  # not counted
    runs = [ask(rules, replace(given)) for _ in range(options.runs)]
    total = median(sum(seconds for seconds, _ in run.values()) for run in runs)
    print(f"{len(given.model.layers)} layers, {len(rules)} rules, {options.runs} runs, medians\n")
    print("| rule | places | ms |\n| --- | ---: | ---: |")
    single = {code: median(run[code][0] for run in runs) for code in runs[0]}
    for code in sorted(single, key=lambda code: -single[code]):
        print(f"| {code} | {runs[0][code][1]} | {1e3 * single[code]:.2f} |")
    print(f"| **all** | | **{1e3 * total:.1f}** of {1e3 * ALLOWED:.0f} |")


if __name__ == "__main__":
    main()
