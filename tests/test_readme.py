"""What the README promises besides its commands and programs, which tests/test_docs.py follows."""

from doc_pages import blocks
from paths import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def test_it_can_be_read_in_one_go():
    assert len(README.splitlines()) <= 250


def test_there_are_two_commands_to_set_up():
    """`.ci/run` takes them from there and runs them."""
    shown = [block for block in blocks(README) if block.language == "sh"]
    assert len(shown) == 2
    assert all(block.text.count("\n") == 1 for block in shown)
