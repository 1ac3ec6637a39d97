"""How long a request may take, and what becomes of one that has no answer."""

import threading
import time

import pytest

from regaudit.errors import UnsafeFileError
from regaudit.limits import Limits, allowing
from regaudit.storage import deadline


def test_a_request_without_an_answer_is_made_once_more(monkeypatch):
    monkeypatch.setattr(deadline, "SILENT", 0.1)
    asked, never = [], threading.Event()

    def request():
        asked.append(1)
        if len(asked) == 1:
            never.wait(30)
        return len(asked)

    assert deadline.Deadline().within(request) == 2
    never.set()


def test_one_whose_bytes_arrive_is_left_alone(monkeypatch):
    monkeypatch.setattr(deadline, "SILENT", 0.1)
    limit, asked = deadline.Deadline(), []

    def request():
        asked.append(1)
        limit.prolong(1)
        time.sleep(0.5)
        return "whole"

    assert limit.within(request) == "whole"
    assert asked == [1]


def test_its_error_is_raised():
    def request():
        raise KeyError("x")

    with pytest.raises(KeyError):
        deadline.Deadline().within(request)


def test_it_ends_whatever_is_asked(monkeypatch):
    monkeypatch.setattr(deadline, "SILENT", 0.1)
    never = threading.Event()
    with allowing(Limits(wall_seconds=1)):
        limit = deadline.Deadline()
    with pytest.raises(UnsafeFileError, match="more than 1 s"):
        limit.within(lambda: never.wait(30))
    never.set()
