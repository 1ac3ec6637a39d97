"""`-` among the models is standard input: read once, kept while it is audited, then gone."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import run
from paths import CORPUS, MODELS

MODEL = MODELS / "regularized-cnn.keras"
OTHER = MODELS / "tutorial-l2.keras"
PIPED = [
    MODEL,
    CORPUS / "keras-3.15.1" / "cnn.h5",
    CORPUS / "tf-keras-2.21" / "mlp.h5",
    CORPUS / "keras-3.10.0" / "names.weights.h5",
]
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no process to be killed apart")


@pytest.fixture(autouse=True)
def _temporary(tmp_path, monkeypatch):
    """Have temporary files in a folder of their own, which is empty in the end."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(tmp_path)
    yield
    assert list(place.iterdir()) == []


def of(result):
    """Return the reports of a run, without what the name alone decides."""
    found = json.loads(result.stdout)["reports"]
    return [{key: value for key, value in one.items() if key != "file"} for one in found]


@pytest.mark.parametrize("file", PIPED, ids=lambda file: file.name)
@pytest.mark.parametrize("command", ["inspect", "check", "report"])
def test_a_piped_model_is_audited_as_its_file_is(command, file):
    piped = run(command, "-", "--format", "json", input=file.read_bytes())
    named = run(command, file, "--format", "json")
    assert piped.exit_code == named.exit_code == 0, piped.output
    assert json.loads(piped.stdout)["reports"][0]["file"] == "-"
    assert of(piped) == of(named)


def test_no_command_is_named_that_takes_none():
    found = run("check", "-", input=(MODELS / "digits-cnn.keras").read_bytes())
    assert "give this command --train-loss LOSS --val-loss LOSS" in found.stdout
    assert "regaudit suggest" not in found.stdout


@pytest.mark.parametrize("jobs", [(), ("--isolate",), ("--jobs", "2")])
def test_it_is_one_model_among_others(jobs):
    result = run("check", OTHER, "-", *jobs, "--format", "json", input=MODEL.read_bytes())
    names = [report["file"] for report in json.loads(result.stdout)["reports"]]
    assert names == [str(OTHER), "-"]
    assert of(result) == of(run("check", OTHER, MODEL, "--format", "json"))


@pytest.mark.parametrize("order", [("-", OTHER), (OTHER, "-")])
def test_it_is_compared(order):
    result = run("diff", *order, "--format", "json", input=MODEL.read_bytes())
    named = run("diff", *(MODEL if one == "-" else one for one in order), "--format", "json")
    assert json.loads(result.stdout)["weights"] == json.loads(named.stdout)["weights"]
    assert "-" in {json.loads(result.stdout)[key] for key in ("old", "new")}


def test_settings_know_it_by_its_name(tmp_path):
    settings = '[[ignore]]\ncode = "REG204"\nmodel = "-"\nreason = "piped"\n'
    (tmp_path / "regaudit.toml").write_text(settings, "utf-8")
    said = [
        run("check", name, "--format", "csv", input=OTHER.read_bytes()) for name in ("-", OTHER)
    ]
    assert ["REG204" in one.stdout for one in said] == [False, True]


def test_the_cache_knows_it_by_its_content():
    for file, kept in ((MODEL, 1), (MODEL, 1), (OTHER, 2)):
        first = run("check", "-", "--cache=kept", "--format", "json", input=file.read_bytes())
        assert of(first) == of(run("check", file, "--format", "json"))
        assert len(list(Path("kept").rglob("*.msgpack"))) == kept


def test_a_file_or_folder_of_that_name_is_another():
    Path("-").mkdir()
    Path("-", "other.keras").write_bytes(OTHER.read_bytes())
    found = of(run("check", "-", "--format", "json", input=MODEL.read_bytes()))
    assert found == of(run("check", MODEL, "--format", "json"))
    assert "other.keras" in run("check", "./-").stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "an empty file; standard input takes a model of one file"),
        (b"a text", "a text file, not a saved Keras model; standard input takes"),
        (bytes(5000), "unknown file format; standard input takes a model of one file, not a fol"),
        (MODEL.read_bytes()[:9000], "could not be audited"),
    ],
)
def test_what_is_no_model_is_a_failure(content, said):
    result = run("check", "-", input=content)
    assert result.exit_code == 3
    assert f"-: could not be audited: {said}" in result.stdout or said in result.stdout


def test_a_folder_is_not_piped():
    """Not as its graph; but as an archive of it."""
    graph = next(CORPUS.rglob("saved_model.pb"))
    result = run("check", "-", input=graph.read_bytes())
    assert result.exit_code == 3
    assert "not a folder such as a SavedModel" in result.stdout
    command = ["tar", "cz", "-C", graph.parent, "."]
    piped = subprocess.run(command, capture_output=True, check=True).stdout
    (read,) = json.loads(run("inspect", "--format", "json", "-", input=piped).stdout)["reports"]
    assert (read["file"], read["format"], read["failure"]) == ("-", "saved_model", None)


def test_its_length_is_limited():
    result = run("check", "-", OTHER, "--limit", "spooled_bytes=9000", input=MODEL.read_bytes())
    assert result.exit_code == 3
    assert "longer than 9,000 bytes; --limit spooled_bytes=N allows more" in result.stdout
    assert "tutorial-l2" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", "-", "-"), "- is standard input, which is one model: name it once"),
        (("diff", "-", "-"), "- is standard input, which is one model: name it once"),
        (("check", "-", "--dask", "tcp://127.0.0.1:1"), "a cluster does not see standard input"),
        (("baseline", "write", "-"), "a baseline knows models by their files"),
        (("baseline", "prune", "-"), "a baseline knows models by their files"),
        (
            ("apply", "-", "--in-place", "--remove", "*"),
            "needs a file: write standard",
        ),
        (("apply", "-", "--undo"), "needs a file: write standard input to one first"),
        (("suggest", "-"), "needs a file: write standard input to one first"),
        (("verify", "-"), "needs a file: write standard input to one first"),
        (("apply", MODEL, "--dry-run", "--from", "-"), "it is a file, not standard input"),
        (("check", MODEL, "--config", "-"), "it is a file, not standard input"),
        (("check", MODEL, "--baseline", "-"), "it is a file, not standard input"),
        (("report", "--from", "-", "--html", "page.html"), "it is a file, not standard input"),
    ],
)
def test_where_it_cannot_be_read_that_is_said(arguments, said, tmp_path):
    before = sorted(tmp_path.iterdir())
    result = run(*arguments, input=MODEL.read_bytes())
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("way", [(), ("--no-isolate",), (str(OTHER),)])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_leaves_nothing_behind(way, number, tmp_path):
    with _waiting(tmp_path, *way) as process:
        process.send_signal(number)
        assert process.wait(20) == -number
        assert process.stderr.read() == b""


@forks
@pytest.mark.skipif(sys.platform != "linux", reason="children are looked up in /proc")
def test_nor_does_the_end_of_the_process_that_reads_it(tmp_path):
    with _waiting(tmp_path) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("ascii")
        os.kill(int(children.split()[0]), signal.SIGKILL)
        assert process.wait(20) == 3
        assert b"-: could not be audited: the process that read it was killed" in (
            process.stdout.read()
        )


@forks
def test_a_pipe_in_which_nothing_comes_has_an_end(tmp_path):
    with _waiting(tmp_path, "--limit", "wall_seconds=1") as process:
        assert process.wait(20) == 3
        assert b"takes more than 1 s; --limit wall_seconds=N" in process.stdout.read()


def test_without_a_pipe_it_says_how_to_use_one():
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "regaudit", "check", "-"]
    for given in (theirs, None):
        ended = subprocess.run(
            command,
            stdin=given,
            capture_output=True,
            text=True,
            preexec_fn=None if given else lambda: os.close(0),
            check=False,
        )
        assert ended.returncode == 2
        assert "pipe a model into it" in " ".join(ended.stderr.split())
    os.close(ours)
    os.close(theirs)


_HEARING = """
import signal
from regaudit.__main__ import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
main()
"""


def _waiting(tmp_path, *way):
    """Start a command, and return it once it has something of its standard input."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HEARING, "check", "-", *way],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdin.write(MODEL.read_bytes()[:9000])
    process.stdin.flush()
    end = time.monotonic() + 20
    while not any(tmp_path.glob("temporary/*/-")):
        assert time.monotonic() < end
        time.sleep(0.02)
    return process
