"""Modules of the user: where they come from, and what is said when they fail."""

import sys

import pytest
from stand_ins import Model

from regaudit.live.data_file import DataError
from regaudit.sweeping.data import load
from regaudit.sweeping.user_code import called, imported

MODEL = Model([(None, 3)], [(None, 1)])


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write modules into a working directory, and forget them afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def written(name, text):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)

    yield written
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refused(spec):
    with pytest.raises(DataError) as caught:
        called(spec, "--data")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("--data: ")
    return message.removeprefix("--data: ")


def test_data_from_a_function(write):
    write("digits.py", "import numpy as np\ndef train():\n    return np.ones((5, 3)), np.ones(5)\n")
    data = load("digits:train", MODEL, what="--data")
    assert (data.samples, data.source) == (5, "digits:train")


SHUFFLES = """\
import tensorflow as tf
def train():
    return tf.data.Dataset.range(20).map(lambda x: (x, x)).shuffle(20).batch(20)
"""


@pytest.mark.keras
def test_a_data_set_that_shuffles_is_made_anew(write):
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    write("digits.py", SHUFFLES)
    data = load("digits:train", MODEL, what="--data")
    orders = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        orders.append(next(data.anew().batches(1))[0].tolist())
    assert orders[0] == orders[1] != sorted(orders[0])


def test_arrays_are_not_made_anew(write):
    write("digits.py", "import numpy as np\ndef train():\n    return np.ones((5, 3)), np.ones(5)\n")
    data = load("digits:train", MODEL, what="--data")
    assert data.anew() is data


def test_functions_of_packages_and_classes(write):
    write("mine/__init__.py", "")
    write("mine/sets.py", "class Sets:\n    @staticmethod\n    def train():\n        return 7\n")
    assert called("mine.sets:Sets.train", "--data") == 7


def test_the_working_directory_hides_nothing(write, tmp_path):
    write("statistics.py", "def train():\n    return 7\n")
    imported("mailbox", "--data")
    assert sys.path[-1] == str(tmp_path)
    message = refused("statistics:train")
    assert "statistics has no 'train'; it is " in message
    assert "which comes before your statistics.py: rename yours" in message


def test_it_returns_something_else(write):
    write("digits.py", "def train():\n    pass\n")
    with pytest.raises(DataError, match=r"digits:train: it is nothing \(None\): give \(x, y\)"):
        load("digits:train", MODEL, what="--data")


RAISES = """\
import json
def text():
    return json.loads("{")
def silent():
    raise ValueError
def many():
    raise KeyError("one\\n  two")
def leaves():
    raise SystemExit("bye")
def wants(path):
    return path
number = 3
"""


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("text", "digits:text raises: JSONDecodeError: Expecting property name"),
        ("text", "(digits.py, line 3)"),
        ("silent", "digits:silent raises: ValueError (digits.py, line 5)"),
        ("many", "KeyError: 'one\\n two' (digits.py, line 7)"),
        ("leaves", "SystemExit: bye (digits.py, line 9)"),
        ("wants", "digits:wants cannot be called without arguments: TypeError: wants() missing"),
        ("number", "digits:number is no function but of type int"),
        ("txt", "digits has no 'txt'; did you mean 'text'?"),
        ("text.of", "digits has no 'text.of'"),
        ("", "digits has no ''"),
    ],
)
def test_functions_that_fail(function, words, write):
    write("digits.py", RAISES)
    assert words in refused(f"digits:{function}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "def train(:",
            "'digits' does not import: SyntaxError: invalid syntax (digits.py, line 1)",
        ),
        ("\nimport not_there", "NotFoundError: No module named 'not_there' (digits.py, line 2)"),
        ("x = 1\ny = x / 0", "ZeroDivisionError: division by zero (digits.py, line 2)"),
        ("import sys\nsys.exit(3)", "SystemExit: 3 (digits.py, line 2)"),
    ],
)
def test_modules_that_do_not_import(text, words, write):
    write("digits.py", text)
    assert words in refused("digits:train")


def test_modules_that_are_not_there(write):
    write("digits.py", "")
    message = refused("digit:train")
    assert message.startswith("there is no module 'digit', neither installed nor in ")
    assert message.endswith("; did you mean 'digits'?")
    assert "there is no module 'digits.sub'" in refused("digits.sub:train")
    assert "does not import: " in refused("..digits:train")
