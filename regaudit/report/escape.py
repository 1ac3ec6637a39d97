r"""How text becomes output: one escape for each kind of output, and a type that only they make.

Names in a model file, settings, paths and URLs are anybody's text. It may hold what moves a cursor
(`\x1b`), hides text (`\u202e`), begins a line, or starts a command to the machine that runs a CI
job and reads its log (`::error::`, `##[error]`, `##vso[...]`).
"""

import json
import keyword
import re
import shlex
import unicodedata
from collections.abc import Iterable
from typing import Any

from regaudit.storage.location import without_secrets

_COMMAND = re.compile(r":(?=:)|#(?=#[\w\[])")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})

LONGEST = 2_000
"""Characters of a text that people are shown; of a longer one its ends."""

_PAINT = re.compile(r"[0-9;]+")


class Escaped(str):
    """Text that may be printed as it is: an escape of this module made it, or what calls them.

    Text that is added to it is escaped then: `Escaped + str` is `Escaped`. A method or an f-string
    gives a plain `str`, which is escaped again where it is printed; nothing is escaped twice, as
    `visible` leaves alone what it has made.
    """

    __slots__ = ()

    def __add__(self, other: str, /) -> "Escaped":
        return Escaped("".join((self, _once(other))))

    def __radd__(self, other: str, /) -> "Escaped":
        return Escaped("".join((_once(other), self)))


def visible(text: str) -> Escaped:
    r"""Escape a whole line: what it holds can be seen, and it stays one line.

    Backslashes stay as they are, so that Windows paths do, and what is escaped stays the same if
    it is escaped again.
    """
    if "::" in text or "##" in text:
        text = _COMMAND.sub(lambda mark: f"\\x{ord(mark[0]):02x}", text)
    if text.isascii() and text.isprintable():
        return Escaped(text)
    return Escaped(
        "".join(
            char
            if unicodedata.category(char) not in _UNSEEN
            else char.encode("unicode_escape", "backslashreplace").decode("ascii")
            for char in text
        )
    )


def plain(text: str) -> Escaped:
    """Escape a name or a message for people, and shorten it if it is very long."""
    return visible(shortened(text, LONGEST))


def shortened(text: str, width: int) -> str:
    """Cut the middle out of a long path: its ends say most."""
    if len(text) <= width:
        return text
    head = (width - 3) // 3
    return f"{text[:head]}...{text[len(text) - (width - 3 - head) :]}"


def shortened_path(path: str, width: int) -> str:
    """Leave out whole parts from the middle of a long path: the first and the last say most."""
    first, *others = path.split("/")
    for start in range(1, len(others)):
        text = "/".join((first, "...", *others[start:]))
        if len(path) > width >= len(text):
            return text
    return shortened(path, width)


def markdown(text: str) -> str:
    """Escape what Markdown or the HTML inside it would act on, in addition to what `plain` does."""
    return "".join(f"\\{char}" if char in r"\`*_[]<>|#&" else char for char in plain(text))


def markdown_code(text: str) -> str:
    """Return a code span of Markdown; it ends where it should, whatever is in it."""
    inside = plain(text)
    ticks = "`" * (1 + max(map(len, re.findall("`+", inside)), default=0))
    room = " " if "`" in inside else ""
    return f"{ticks}{room}{inside}{room}{ticks}"


def python(text: str) -> str:
    """Return a string literal of Python that stands for this text, or for the ends of a long one.

    The escapes of `visible` are Python's own, and a backslash of the text is doubled before them.
    """
    literal = repr(shortened(str(text), LONGEST))
    if literal.startswith("'"):  # the quotes of Keras's documentation
        literal = '"{}"'.format(literal[1:-1].replace("\\'", "'").replace('"', '\\"'))
    return visible(literal)


def python_class(name: str | None) -> str:
    """Return the name of a class for a program: `Layer` where it is not an ordinary name."""
    import builtins  # noqa: PLC0415 - only programs need it

    name = unicodedata.normalize("NFKC", (name or "")[: LONGEST + 1])
    ordinary = name.isidentifier() and len(name) <= LONGEST and not name.startswith("__")
    if not ordinary or keyword.iskeyword(name) or hasattr(builtins, name):
        return "Layer"
    return name


def shell(word: str) -> str:
    r"""Quote a file name, or another argument, for a command to copy into a shell.

    What could not be printed as it is becomes `$'\x1b'`, which bash, zsh and ksh read. A name that
    begins like an option gets a `./` before it.
    """
    if word.startswith("-"):
        word = f"./{word}"
    if visible(word) == word:
        return shlex.quote(word)
    quoted = []
    for char in word:
        if char in "\\'":
            quoted.append(f"\\{char}")
        elif char in ":#" or unicodedata.category(char) in _UNSEEN:
            undecoded = "\udc80" <= char <= "\udcff"  # a byte that is not UTF-8
            raw = char.encode("utf-8", "surrogateescape" if undecoded else "replace")
            quoted += [f"\\x{byte:02x}" for byte in raw]
        else:
            quoted.append(char)
    # A digit after \xNN would not belong to it: bash reads two at most.
    return f"$'{''.join(quoted)}'"


def command(line: str, *names: object) -> Escaped:
    """Return a command to copy: this line, with a quoted name in the place of each `{}`."""
    return visible(line.format(*(shell(without_secrets(str(name))) for name in names)))


def json_text(content: Any, **settings: Any) -> Escaped:
    """Return JSON whose strings start no command in a log; a reader gets them as they were."""
    text = json.dumps(content, **settings)  # outside of strings there is neither :: nor ##
    text = text.replace("::", ":\\u003a").replace("##", "#\\u0023")
    return Escaped(text.replace("\x7f", "\\u007f"))


def paint(text: str, color: str) -> Escaped:
    """Escape a text and colour it.

    Args:
        text: one line.
        color: numbers of an ANSI colour; none for no colour.
    """
    if not color:
        return _once(text)
    if not _PAINT.fullmatch(color):
        raise ValueError(color)
    return Escaped(f"\x1b[{color}m{_once(text)}\x1b[0m")


def linked(text: str, address: str) -> Escaped:
    r"""Return a text that a terminal shows as a link: OSC 8, which begins and ends with `\x1b\`.

    Args:
        text: of one line.
        address: where it leads; empty for nowhere.
    """
    shown, to = _once(text), visible(address)
    return Escaped(f"\x1b]8;;{to}\x1b\\{shown}\x1b]8;;\x1b\\") if to else shown


def line_that_replaces(text: str) -> Escaped:
    """Return a line of a terminal that takes the place of the one the cursor is in."""
    return Escaped(f"\r\x1b[2K{visible(text)}")


def page(lines: Iterable[str]) -> Escaped:
    """Join lines, each escaped by itself: text in one of them cannot begin another."""
    return Escaped("".join(f"{_once(line)}\n" for line in lines))


def by_format(text: str) -> Escaped:
    """Take what a writer of a format made that escapes all by itself: XML, CSV, HTML, TOML."""
    return Escaped(text)


def _once(text: str) -> Escaped:
    return text if isinstance(text, Escaped) else visible(text)
