"""Messages that quote what may be a URL with a secret."""

import pytest

from regaudit.storage.location import without_secrets


@pytest.mark.parametrize("piece", ["a:/", "aa:/?", "a://u@", "a:/ ", "a::", "x:", "a", "'a:/"])
def test_names_made_to_take_long(piece):
    """Once, 9 kB of them took the length to the power of three."""
    assert len(without_secrets(piece * 3_000 + ":@")) < 200_000


def test_a_path_before_a_url_hides_nothing_of_it():
    shown = without_secrets("C:/models/m.keras and a:/b c:/d https://x.example/m?token=hunter2")
    assert "C:/models/m.keras and a:/b c:/d https://x.example/m" in shown
    assert "hunter2" not in shown
