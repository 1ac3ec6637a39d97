"""A page for each command, made from the objects of Click: what `--help` says, with addresses."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from generated.pages import write_all
from regaudit.cli import COMMANDS, main
from regaudit.cli.command import groups_of

INDEX = """# Commands

`regaudit COMMAND --help` prints the same. Options stand in groups by what they are for; each option has an address of its own.

{about}

{table}

```{{toctree}}
:hidden:

{pages}
```

## Options of all commands

{options}
"""


def write(folder: Path) -> None:
    """Write `check.md` and so on, and the list of them, into the folder of the commands."""
    context = click.Context(main, info_name="regaudit", **main.context_settings)
    commands = {name: command for name in COMMANDS if (command := main.get_command(context, name))}
    rows = (
        f"| [`regaudit {name}`]({name}.md) | {prose(one.get_short_help_str(200))} |"
        for name, one in commands.items()
    )
    index = INDEX.format(
        about=prose(main.help or ""),
        table="\n".join(("| command | what for |", "|---|---|", *rows)),
        pages="\n".join(commands),
        options="\n".join(_options(main, context, "regaudit")),
    )
    pages = {f"{name}.md": _page(one, name, context) for name, one in commands.items()}
    write_all(folder, "*.md", {"index.md": index, **pages})


def _page(command: click.Command, name: str, above: click.Context) -> str:
    return "\n".join(_command(command, name, above, "#")) + "\n"


def _command(command: click.Command, name: str, above: click.Context, level: str) -> Iterator[str]:
    """Yield the lines on a command, and on those below it."""
    context = click.Context(command, info_name=name, parent=above)
    program = context.command_path
    yield f"{level} `{program}`\n"
    yield f"{prose(command.help or '')}\n"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```console\n$ {program} {usage}\n```\n"
    if examples := getattr(command, "examples", ()):
        yield "Examples:\n"
        yield "\n".join(("```console", *(f"$ regaudit {one}" for one in examples), "```\n"))
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            if one := command.get_command(context, below):
                yield from _command(one, below, context, f"{level}#")
        return
    yield from _options(command, context, program, f"{level}#")


def _options(
    command: click.Command, context: click.Context, program: str, level: str = ""
) -> Iterator[str]:
    """Yield the options of a command, in the groups of its help."""
    yield f"```{{program}} {program}\n```\n"
    groups = groups_of(command, context)
    for title, options in groups.items():
        if level:
            yield f"{level} {title if len(groups) > 1 else 'Options'}\n"
        for option in options:
            yield from _option(option, context)


def _option(option: click.Option, context: click.Context) -> Iterator[str]:
    """Yield one option as a directive, which gives it an address."""
    names = [*option.opts, *option.secondary_opts]
    numbers = isinstance(option.type, click.IntRange | click.FloatRange) and not option.metavar
    metavar = "N" if numbers else option.make_metavar(context)
    takes = "" if option.is_flag or option.count else f" {metavar}"
    signatures = ", ".join(f"{name}{takes}" for name in sorted(names, key=len))
    yield f":::{{option}} {signatures}\n"
    text, _, default = (option.help or "").partition(" [default: ")
    yield f"{prose(text)}{_extra(option, context, default.rstrip(']'))}\n:::\n"


def _extra(option: click.Option, context: click.Context, default: str) -> str:
    """Return what stands in brackets behind the help, as a sentence."""
    extra = option.get_help_extra(context)
    said = []
    if default := default or extra.get("default", ""):
        default = f"--{default}" if option.secondary_opts and " " not in default else default
        said.append(f"by default {prose(default) if ' ' in default else f'`{default}`'}")
    if limits := extra.get("range"):
        said.append(_limits(limits))
    text = "; ".join(said)
    return f" {text[:1].upper()}{text[1:]}." if text else ""


def _limits(text: str) -> str:
    """Say `1<=x<=20` in words."""
    low, high = re.match(r"(?:(.+?)(<=?))?x(?:(<=?|>=?)(.+))?$", text).group(1, 4)
    if low and high and "<=x<=" in text:
        return f"from {low} to {high}"
    if low and high:
        return f"above {low} and {'at most' if 'x<=' in text else 'below'} {high}"
    return f"{'at least' if '>=' in text else 'above'} {high}" if ">" in text else f"`{text}`"


def prose(text: str) -> str:
    """Return text of a help as Markdown: options are code, and nothing else is acted on."""
    paragraphs = (" ".join(part.split()) for part in text.split("\n\n"))
    return "\n\n".join("".join(_marked(re.split(r"(`[^`]*`)", one))) for one in paragraphs)


def _marked(parts: Iterable[str]) -> Iterator[str]:
    for part in parts:
        if part.startswith("`"):
            yield part
            continue
        safe = re.sub(r"([\\*_<>\[\]|$])", r"\\\1", part)
        yield re.sub(r"(?<![\w-])(--?[a-z][\w-]*(?:=[A-Z]+)?)", r"`\1`", safe)
