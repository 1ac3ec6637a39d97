"""What anybody's text becomes in each kind of output."""

import ast
import json
import shutil
import subprocess

import pytest

from regaudit.report import escape

HOSTILE = [
    "\x1b[31mred\x1b]0;title\x07",
    "a\r\nimport os; os.system('touch PWNED')",
    "\n::error::x",
    "##[error]x ##vso[task.setvariable variable=a]b",
    "a\u202eb\u2028c\u2029d\x85e",
    "\udcff\ud800",
    "'\"; $(touch PWNED) `touch PWNED` \\",
    "\\'\x1b; touch PWNED; '",
    "</script>]]>|=1+1",
    "-x\x7f",
    "\ue000\ufeff\xad",
]
ORDINARY = ["C:\\models\\new\\x.keras", "/ä/ö ü.keras", "café 🎉", "a:b#c", "100 %", "## x", ""]


@pytest.mark.parametrize("text", [*HOSTILE, *ORDINARY])
def test_a_line_is_one_line_and_is_escaped_once(text):
    shown = escape.visible(text)
    assert shown.isprintable()
    assert "::" not in shown
    assert "##[" not in shown
    assert "##vso[" not in shown
    assert escape.visible(str(shown)) == shown


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays_as_it_is(text):
    assert escape.visible(text) == text
    assert "".join(escape.page([text])) == f"{text}\n"


def test_what_is_added_to_escaped_text_is_escaped():
    assert escape.paint("a\x1b", "31") + "\n" == "\x1b[31ma\\x1b\x1b[0m\\n"
    assert "\r" + escape.paint("a", "") == "\\ra"
    assert isinstance("a" + escape.visible("b"), escape.Escaped)
    assert escape.page([f"{escape.visible('a')}\nb"]) == "a\\nb\n"


def test_a_color_is_no_way_in():
    with pytest.raises(ValueError, match="x"):
        escape.paint("a", "x")


@pytest.mark.parametrize("text", [*HOSTILE, *ORDINARY])
def test_a_string_of_python_is_the_text(text):
    assert ast.literal_eval(escape.python(text)) == text


@pytest.mark.parametrize(
    "name", [*HOSTILE, "", None, "exec", "\uff45\uff58ec", "class", "__import__", "a.b"]
)
def test_what_is_no_name_of_a_class_is_not_code(name):
    assert escape.python_class(name) == "Layer"


def test_names_of_classes_stay():
    assert [escape.python_class(name) for name in ("Dense", "Schön", "_Own")] == [
        "Dense",
        "Schön",
        "_Own",
    ]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize("text", [*HOSTILE[:5], *HOSTILE[6:], "\udcff", *ORDINARY])
def test_a_shell_reads_the_word(text, tmp_path):
    quoted = escape.shell(text)
    assert escape.visible(quoted) == quoted
    printed = subprocess.run(
        ["bash", "-c", f"printf %s {quoted}"], capture_output=True, check=True, cwd=tmp_path
    )
    expected = f"./{text}" if text.startswith("-") else text
    assert printed.stdout.decode("utf-8", "surrogateescape") == expected
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", [*HOSTILE, *ORDINARY])
def test_json_means_the_text(text):
    written = escape.json_text({"::": text})
    assert json.loads(written) == {"::": text}
    assert escape.visible(str(written)) == written


def test_a_code_span_ends_where_it_should():
    assert escape.markdown_code("a") == "`a`"
    assert escape.markdown_code("a``b`") == "``` a``b` ```"


def test_long_texts_are_shortened_before_they_are_laid_out():
    text = escape.plain("a" * 20_000_000 + "z")
    assert len(text) == escape.LONGEST
    assert text.endswith("z")
