"""The kinds of input, each with the commands that read it."""

import random
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner

from regaudit.cli import main
from regaudit.cli.targets import FORMATS
from regaudit.renderers.interface import renderer
from tests.fuzz import archives, models, names, texts

FAST = ("terminal", "terminal", "json", "jsonl", "github", "csv", "markdown", "sarif", "junit")
"""Formats of most executions: an HTML page takes as long as ten of them."""
ALL = tuple(name for name in FORMATS if not renderer(name).missing())
EDITS = ("--set=*:kernel=l2(1e-4)", "--remove=*", "--suggested", "--to-adamw", "--recipe=VGG16")

Command = list[str]


def _format(dice: random.Random) -> Command:
    chosen = dice.choice(ALL if dice.random() < 0.08 else FAST)
    return ["--format", chosen, *(["-o", "out.parquet"] if renderer(chosen).binary else [])]


def _reading(dice: random.Random, name: str) -> Command:
    """Return a command that reads one model."""
    match dice.randrange(8):
        case 0:
            return [
                "inspect",
                *_format(dice),
                *dice.choice(([], ["-v"], ["--no-weights"])),
                "--",
                name,
            ]
        case 1:
            return ["report", *_format(dice), "--", name]
        case 2 | 3:
            return ["check", *_format(dice), *dice.choice(([], ["--preset=strict"])), "--", name]
        case 4:
            losses = dice.choice(([], ["--train-loss=0.01", "--val-loss=0.6"]))
            aim = dice.choice(("l2", "l1", "adamw"))
            form = dice.choice(("terminal", "code", "json"))
            return ["suggest", "--format", form, "--aim", aim, *losses, "--", name]
        case 5:
            form = dice.choice(("terminal", "terminal", "json", "markdown", "html"))
            return ["diff", "--no-isolate", "--format", form, "--exit-code", "--", "m.keras", name]
        case 6:
            return ["baseline", "write", "--baseline=new.json", "--", name]
        case _:
            return ["verify", "--", name]


def _editing(dice: random.Random, name: str) -> Command:
    """Return a command that edits one model."""
    way = dice.choice(("--dry-run", "--output=out.keras", "--in-place", "--in-place"))
    force = ["--force"] if dice.random() < 0.3 else []
    return ["apply", way, *force, dice.choice(EDITS), "--", name]


def model(dice: random.Random, folder: Path) -> Command:
    name = models.make(dice, folder)
    texts.good(dice, folder)
    return _editing(dice, name) if dice.random() < 0.3 else _reading(dice, name)


def archive(dice: random.Random, folder: Path) -> Command:
    """A model in an archive, or the folder that the archive is in."""
    packed = archives.pack(dice, folder, models.make(dice, folder))
    if dice.random() < 0.2:
        return ["check", "--no-isolate", *_format(dice), "."]
    texts.good(dice, folder)
    if dice.random() < 0.1:
        return _editing(dice, packed)
    command = _reading(dice, packed)
    several = command[0] in {"inspect", "report", "check"}  # which workers would take long for
    return [command[0], *(["--no-isolate"] if several else []), *command[1:]]


def checkpoint(dice: random.Random, folder: Path) -> Command:
    named = models.make_checkpoint(dice, folder)
    texts.good(dice, folder)
    architecture = next((folder / "saved").rglob("model.json"), None)
    if architecture is None or dice.random() < 0.3:
        return _reading(dice, named)
    command = dice.choice((["inspect", "--no-isolate"], ["check", "--no-isolate"], ["report"]))
    config = f"--config={architecture.relative_to(folder).as_posix()}"
    return [*command, *_format(dice), config, "--", named]


def name(dice: random.Random, folder: Path) -> Command:
    named = names.model(dice, folder)
    texts.good(dice, folder)
    if dice.random() < 0.1:
        return dice.choice(
            (["explain", "--", names.name(dice)], ["inspect", "--", names.path(dice)])
        )
    return _editing(dice, named) if dice.random() < 0.3 else _reading(dice, named)


def url(dice: random.Random, folder: Path) -> Command:
    """A URL where none is read, or where the extra for it is not installed."""
    given = names.url(dice)
    if dice.random() < 0.3:
        quoted = given.encode("unicode_escape").decode().replace('"', "'").replace("\\x", "\\u00")
        (folder / "regaudit.toml").write_text(f'models = ["{quoted}"]\n', "utf-8", "replace")
        return ["check"]
    command = dice.choice(("inspect", "check", "suggest", "verify", "report", "diff", "apply"))
    more = {"report": ["--format=json"], "diff": [given], "apply": ["--dry-run", EDITS[0]]}
    isolate = [] if command in {"suggest", "verify", "apply"} else ["--no-isolate"]
    return [command, *more.get(command, []), *isolate, "--", given]


def results(dice: random.Random, folder: Path) -> Command:
    texts.results(dice, folder)
    if dice.random() < 0.2:
        return ["report", "--from=r.jsonl", "--html=out.html"]
    return ["report", "--from=r.jsonl", *_format(dice)]


def baseline(dice: random.Random, folder: Path) -> Command:
    texts.baseline(dice, folder)
    model = texts.good(dice, folder)
    command = dice.choice(
        (["check", *_format(dice)], ["baseline", "update"], ["baseline", "prune"])
    )
    return [*command, "--baseline=b.json", "--preset=strict", "--", model]


def settings(dice: random.Random, folder: Path) -> Command:
    texts.settings(dice, folder)
    model = texts.good(dice, folder)
    commands = [
        ["check", *_format(dice)],
        ["inspect", "--show-settings"],
        ["report", "--format=json"],
    ]
    commands += [["config", "init"], ["baseline", "update"], ["baseline", "prune"], ["diff", model]]
    chosen = dice.choice(commands)
    if chosen[0] == "config":
        return chosen
    named = [model] if chosen[0] == "diff" or dice.random() < 0.6 else []
    return [*chosen, "--no-isolate", *named]


def architecture(dice: random.Random, folder: Path) -> Command:
    texts.architecture(dice, folder)
    return [dice.choice(("inspect", "check")), *_format(dice), "--config=a.json", "w.weights.h5"]


def configuration(dice: random.Random, folder: Path) -> Command:
    """A configuration alone, or a file of another program."""
    return _reading(dice, models.configuration(dice, folder))


def edits(dice: random.Random, folder: Path) -> Command:
    texts.edits(dice, folder)
    way = dice.choice(("--dry-run", "--output=out.keras", "--in-place"))
    return ["apply", way, "--from=e.json", texts.good(dice, folder)]


def cache(dice: random.Random, folder: Path) -> Command:
    command = ["check", *_format(dice), "--cache=cache", texts.good(dice, folder)]
    CliRunner().invoke(main, command)
    texts.cached(dice, folder)
    return command


def data(dice: random.Random, folder: Path) -> Command:
    """What is said before Keras would be asked."""
    texts.arrays(dice, folder)
    model = texts.good(dice, folder)
    return [*dice.choice((["suggest"], ["verify"])), "--data=d.npz", model]


KINDS: dict[str, tuple[Callable[[random.Random, Path], Command], int]] = {
    "model": (model, 44),
    "archive": (archive, 6),
    "checkpoint": (checkpoint, 6),
    "name": (name, 15),
    "url": (url, 2),
    "results": (results, 10),
    "baseline": (baseline, 5),
    "settings": (settings, 8),
    "architecture": (architecture, 4),
    "configuration": (configuration, 6),
    "edits": (edits, 4),
    "cache": (cache, 1),
    "data": (data, 1),
}
"""By name: what writes an input and returns a command, and its share of a hundred executions."""
