"""Messages that say what is wrong in the user's words, and where something was cut."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from paths import FIXTURES, MODELS

import regaudit
from regaudit.cli import main

MODEL = str(MODELS / "tutorial-l2.keras")


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def said(*arguments):
    done = CliRunner().invoke(main, [*arguments])
    assert done.exit_code == 2, done.output
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a = " + "[" * 5000, "(nested too deeply)"),
        ("val-size = " + "9" * 5000, "(a number has too many digits)"),
        ("train-loss = nan", "train-loss must be a finite number, not nan"),
        ('baseline = "https://us:SECRET@host/b.json"', "baseline is a file, not a URL"),
    ],
)
def test_settings(text, why):
    Path("regaudit.toml").write_text(text + "\n")
    line = said("check", MODEL)
    assert why in line
    assert "SECRET" not in line
    assert "sys." not in line


@pytest.mark.parametrize("number", ["9" * 5000, "[" * 100_000])
@pytest.mark.parametrize("option", ["--baseline", "--from"])
def test_json(number, option):
    Path("f.json").write_text(f'{{"a": {number}}}')
    set_ = ("--set", "*:kernel=l2(1e-4)", "--dry-run") if option == "--from" else ()
    line = said("apply" if option == "--from" else "check", MODEL, option, "f.json", *set_)
    assert "too many digits" in line or "nested too deeply" in line


@pytest.mark.parametrize(
    "command",
    [
        "check {model} --baseline {url}",
        "check {model} --config {url}",
        "baseline write {model} --baseline {url}",
        "report --from {url} --html o.html",
        "apply {model} --dry-run --from {url}",
        "suggest {model} --data {url}",
    ],
)
def test_a_url_is_no_file(command):
    url = "https://us:SECRET@host/f.json"
    line = said(*command.format(model=MODEL, url=url).split())
    assert "is a file, not a URL" in line
    assert "SECRET" not in line


def test_what_is_cut_says_so():
    Path("r.jsonl").write_text('{"a": %s}\n' % ("1" + "0" * 399))
    done = CliRunner().invoke(main, ["report", "--from", "r.jsonl", "--format", "json"])
    assert "10000000000000000000... is no finite number" in done.output


def test_a_part_that_may_not_be_read_is_not_damaged(monkeypatch):
    def refused(*_arguments, **_options):
        raise PermissionError(13, "[Errno 13] Unable to synchronously open file (unable ...)")

    shutil.copytree(FIXTURES / "apply" / "regularized.directory", "kd")
    monkeypatch.setattr("regaudit.tensors.hdf5.h5py.File", refused)
    failure = regaudit.audit("kd").failure
    assert failure is not None
    assert failure.message == "cannot be read: Permission denied"


def test_an_address_with_a_password():
    pytest.importorskip("distributed")
    line = said("check", MODEL, "--dask", "tcp://us:SECRET@h:1")
    assert line.endswith("an address such as tcp://HOST:8786 has no user")
    assert "SECRET" not in line
