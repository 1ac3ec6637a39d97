"""That nothing in what a command prints is acted on: by a terminal, a log, a shell, a parser."""

import ast
import csv
import io
import json
import re
import shlex
import unicodedata
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
OURS = re.compile(r"::(error|warning|notice|group|endgroup)( file=| title=|::)")
COPIED = re.compile(
    r"regaudit (?:apply|baseline [a-z]+|check|explain|inspect) (?!\[|\w+ ?\.\.\.).*"
)
QUOTED = re.compile(r"\$'(?:[^'\\]|\\.)*'|'[^']*'|\"'\"")
TAGS = {"img", "iframe", "object", "embed", "form", "base"}


def assert_harmless(arguments, output):
    """Assert that a terminal, a log and a reader act on nothing in what was printed."""
    odd = {char for char in set(output) if unicodedata.category(char) in UNSEEN} - {"\n"}
    assert not odd, (arguments, odd)
    github = "github" in arguments
    for line in output.splitlines():
        begun = line.lstrip()
        assert not begun.startswith("EVIL"), (arguments, line)
        assert "##[" not in line, (arguments, line)
        assert "##vso[" not in line, (arguments, line)
        assert not begun.startswith("::") or (github and OURS.match(line)), (arguments, line)


def assert_quoted(arguments, output):
    """Assert that a command to copy holds nothing that a shell acts on, but for its quotes."""
    for line in output.splitlines():
        for found in re.findall(
            r"(?:with|models|options|do|^) ?: (regaudit .*)|^  (regaudit .*)", line
        ):
            command = "".join(found)
            bare = QUOTED.sub("Q", command)
            assert re.fullmatch(r"[\w ./=:@%+,*-]*", bare), (arguments, command)
            assert shlex.split(bare)[0] == "regaudit"


def assert_whole(format_, output):
    """Assert that the reader of a format takes what was printed, and nothing in it as more."""
    if format_ == "junit":
        ET.fromstring(output)
    elif format_ in {"json", "sarif"}:
        json.loads(output)
    elif format_ == "jsonl":
        assert all(json.loads(line) for line in output.split("\n") if line)
    elif format_ == "code":
        _assert_calls(output)
    elif format_ in {"html", "notebook"}:
        _Page(output)
    elif format_ == "csv":
        rows = list(csv.reader(io.StringIO(output)))
        assert len({len(row) for row in rows}) == 1
        assert not [c for row in rows for c in row if re.match(r"[=@\t\r]|[+-](?![\d.]|inf)", c)]
    elif format_ == "markdown":
        bare = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)|\\.", "", output)
        assert "<b" not in bare
        assert "](" not in bare


def _assert_calls(output):
    for statement in ast.parse(output).body:
        assert isinstance(statement, ast.Expr)
        assert isinstance(statement.value, ast.Call)
        names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
        assert not {name for name in names if name.startswith("_")}
        assert not {"os", "system", "exec", "eval", "open"} & names


class _Page(HTMLParser):
    """A page, none of whose elements a name has made."""

    def __init__(self, text):
        super().__init__()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        assert tag not in TAGS or not attributes, tag
        assert not [key for key, _ in attributes if key.startswith("on")], attributes
        links = [value for key, value in attributes if key in {"href", "src"}]
        assert all(link.startswith(("#", "data:")) for link in links), links
