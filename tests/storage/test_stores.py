"""Models by URL: a real S3 server and real web servers on loopback, which also fail."""

import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import h5py
import numpy as np
import pytest
from archives import tar
from command_line import USABLE, run
from doc_pages import pages
from doc_reader import follow
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback import Proxy, answering, serving
from msgspec.structs import replace
from paths import CORPUS, FIXTURES, MODELS, ROOT
from samples import sampled
from searched import DIRECTORY, lay_out

import regaudit
from regaudit import Config, audit, audit_files
from regaudit.report.document import record
from regaudit.running.model_search import find_models
from regaudit.storage.location import NOT_SHOWN, is_url, redacted_name, without_secrets
from regaudit.storage.object_store_errors import reason
from regaudit.storage.range_reader import PAGE, WINDOW, Pages, RangeStream, Windows

FILES = {
    "a/everything.keras": MODELS / "everything.keras",
    "a/digits.keras": MODELS / "digits-cnn.keras",
    "a/mlp.h5": CORPUS / "tf-2.15" / "mlp.h5",
    "a/notes.txt": ROOT / "README.md",
    "weights/mlp.weights.h5": CORPUS / "tf-2.15" / "mlp.weights.h5",
    "saved": CORPUS / "tf-2.15" / "mlp.savedmodel",
}
FILES = {key: file for key, file in FILES.items() if file.exists()}


# What needs no server


def test_a_url_is_told_from_a_path():
    assert is_url("s3://bucket/model.keras")
    assert is_url("https://host/model.keras")
    for path in ("model.keras", "C:\\models\\a.keras", "c:/a//b", "./s3/x", "a::s3://b"):
        assert not is_url(path), path


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://me:pw@host:1/a/b.keras?X-Amz-Signature=f00#part", "https://host:1/a/b.keras"),
        ("https://token@host/b.keras", "https://host/b.keras"),
        ("s3://key:secret@bucket/m.keras?versionId=3", "s3://bucket/m.keras"),
        ("s3://bucket/a@b#c.keras", "s3://bucket/a@b"),
        ("HTTPS://u:p@h/m.keras;jsessionid=1", "https://h/m.keras"),
        ("https://u:p@w@h/m.keras", "https://h/m.keras"),
        ("https://me:pw@[::1]:80/m.keras?t=1", "https://[::1]:80/m.keras"),
        ("https://u:12/3@h/m.keras", f"https://{NOT_SHOWN}"),
        ("https://u:p/w@h/m.keras", f"https://{NOT_SHOWN}"),
        ("https://to/ken@h/m.keras", f"https://{NOT_SHOWN}"),
        ("https://h\\u:p@x/m.keras", f"https://{NOT_SHOWN}"),
        ("https:// u:p@h/m.keras", f"https://{NOT_SHOWN}"),
        ("https://u%3Ap%40h/m.keras", f"https://{NOT_SHOWN}"),
        ("https://h/m.keras%3Ftoken=a", f"https://{NOT_SHOWN}"),
        ("https:/u:p@h/m.keras", f"https://{NOT_SHOWN}"),
        ("//u:p@h/m.keras", NOT_SHOWN),
        ("s3://key:se/cret@bucket/m.keras", f"s3://{NOT_SHOWN}"),
        ("hf://me:token@org/model/m.keras", f"hf://{NOT_SHOWN}"),
        ("simplecache::s3://key:secret@bucket/m.keras", NOT_SHOWN),
        ("zip://m.keras::https://u:p@h/x.zip", f"zip://{NOT_SHOWN}"),
        ("filecache::zip://a::s3://key:secret@b/x", NOT_SHOWN),
        ("memory://x::https://h/?sig=secret", f"memory://{NOT_SHOWN}"),
        ("reference::/x?token=secret", NOT_SHOWN),
        ("user:secret@host:/m.keras", NOT_SHOWN),
        ("https:user:secret@host/m.keras", NOT_SHOWN),
        ("https:\\\\u:secret@h\\m.keras", f"https://{NOT_SHOWN}"),
        ("\\\\u:secret@h\\m.keras", NOT_SHOWN),
        ("https%3A%2F%2Fu%3Asecret%40h/m.keras", NOT_SHOWN),
        ("https%253A%252F%252Fu%253Asecret%2540h/m.keras", NOT_SHOWN),
        ("s3:///key:secret@bucket/m.keras", f"s3://{NOT_SHOWN}"),
        ("http://h/m.keras&sig=secret", f"http://{NOT_SHOWN}"),
        ("s_3://u:secret@b/m.keras", NOT_SHOWN),
        ("git+ssl://u:secret@h/m.keras", "git+ssl://h/m.keras"),
        ("https://u:secret@[fe80::1%25eth0]/m.keras", f"https://{NOT_SHOWN}"),
        ("s3://bucket/a b.keras", "s3://bucket/a b.keras"),
        ("s3://bucket/year=2026/m.keras", "s3://bucket/year=2026/m.keras"),
        ("run%3A3/m.keras", "run%3A3/m.keras"),
        ("html:out.html", "html:out.html"),
        ("C:/models/a@b.keras", "C:/models/a@b.keras"),
        ("hf://me/model@main/m.keras", "hf://me/model@main/m.keras"),
        ("models/a?b@c.keras", "models/a?b@c.keras"),
    ],
)
def test_reports_show_no_credentials(url, expected):
    assert redacted_name(url) == expected
    assert redacted_name(expected) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("File 'https://u:secret@h/x' does not exist.", "File 'https://h/x' does not exist."),
        ("https://h/a?token=secret: no such file", "https://h/a: no such file"),
        ("no rule 's3://k:sec ret@b/x'; did", f"no rule 's3://{NOT_SHOWN}'; did"),
        ("zip://a::https://u:secret@h/x: no", f"zip://{NOT_SHOWN}: no"),
        ("https://u:a\nsecret@h/x: no", f"https://{NOT_SHOWN}: no"),
        ("at s3:/u:secret@h", f"at s3://{NOT_SHOWN}"),
        ("user:secret@host:/p: no", f"{NOT_SHOWN}: no"),
        ("'reference::/x?token=secret' is no file", f"'{NOT_SHOWN}' is no file"),
        ("https%3A%2F%2Fu%3Asecret%40h/a: no", f"{NOT_SHOWN}: no"),
        ("a html:/out.html, no", "a html:/out.html, no"),
        ("no C:\\models\\x@y", "no C:\\models\\x@y"),
        ("see https://a/b, or https://c/d.", "see https://a/b, or https://c/d."),
        ("hidden:kernel=l2(1) of /a/b@c", "hidden:kernel=l2(1) of /a/b@c"),
    ],
)
def test_messages_show_no_credentials(message, expected):
    assert without_secrets(message) == expected
    assert without_secrets(expected) == expected


CONTENT = np.random.default_rng(0).bytes(3 * WINDOW // 2)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_ranges_give_what_the_file_holds(data):
    """Whatever is read in whatever order, through either kind of parts."""
    size = data.draw(st.integers(0, 3 * WINDOW // 2) | st.integers(0, 9 * PAGE))
    content = CONTENT[:size]
    asked = []

    def fetch(start, stop):
        assert 0 <= start < stop <= size
        asked.append(stop - start)
        return content[start:stop]

    kind = data.draw(st.sampled_from([Pages, Windows]))
    stream = RangeStream(kind(fetch, size), size)
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.integers(0, size))
        length = data.draw(st.integers(0, 3 * PAGE) | st.integers(0, size))
        stream.seek(at)
        assert stream.read(length) == content[at : at + length]
    if kind is Windows:
        assert len(asked) <= -(-size // WINDOW)


def test_reading_in_a_row_takes_few_requests_and_jumping_few_bytes():
    size, asked = 16 << 20, []

    def fetch(start, stop):
        asked.append(stop - start)
        return bytes(stop - start)

    stream = RangeStream(Pages(fetch, size), size)
    for at in range(0, size, size // 50):
        stream.seek(at)
        stream.read(100)
    assert sum(asked) <= 52 * 2 * PAGE
    asked.clear()
    stream = RangeStream(Pages(fetch, size), size)
    while stream.read(1000):
        pass
    assert sum(asked) == size
    assert len(asked) < 30


def test_without_the_extra_one_line_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    report = audit("s3://models/a.keras")
    expected = "reading s3:// takes a package: pip install 'fsspec>=2024.6' 's3fs>=2024.6'"
    assert report.failure.message == expected
    result = run("inspect", "s3://models/a.keras")
    assert result.exit_code == 3
    assert expected in " ".join(result.output.split())


@pytest.mark.parametrize("url", ["ftp://host/m.keras", "file:///etc/passwd", "memory://m.keras"])
def test_other_schemes_are_refused(url):
    assert "this kind of URL is not supported" in audit(url).failure.message


def test_urls_of_the_settings_are_not_followed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("regaudit.toml").write_text('models = ["https://user:pw@host/m.keras"]\n')
    result = run("check")
    assert result.exit_code == 2
    assert (
        "https://host/m.keras: URLs are read only if they are given on the command line"
        in result.output
    )


def test_paths_import_no_store():
    ours = "regaudit.storage.object_store"
    assert find_spec(ours), "what is not imported must have that name"
    program = (
        "import sys, regaudit; regaudit.audit(sys.argv[1]);"
        f"print([n for n in ('fsspec', 'aiohttp', 's3fs', 'socket', {ours!r})"
        " if n in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, MODELS / "digits-cnn.keras"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "[]"


# S3


@pytest.fixture(scope="module")
def s3():
    """A bucket behind a proxy, and a client for it that goes around the proxy."""
    pytest.importorskip("s3fs")
    server_of = pytest.importorskip("moto.server")
    boto3 = pytest.importorskip("boto3")
    given = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "not-to-be-shown",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }
    before = {key: os.environ.get(key) for key in (*given, "AWS_ENDPOINT_URL")}
    os.environ.update(given)
    server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    proxy = Proxy((host, port))
    proxy.client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
    os.environ["AWS_ENDPOINT_URL"] = proxy.url
    proxy.client.create_bucket(Bucket="models")
    for key, file in FILES.items():
        for part in file.rglob("*") if file.is_dir() else [file]:
            if part.is_file():
                name = f"{key}/{part.relative_to(file)}" if file.is_dir() else key
                proxy.client.upload_file(str(part), "models", name)
    yield proxy
    proxy.stop()
    server.stop()
    for key, value in before.items():
        os.environ.pop(key) if value is None else os.environ.update({key: value})


@pytest.fixture
def store(s3):
    s3.reset()
    yield s3
    s3.reset()


@pytest.fixture
def short_timeout(monkeypatch):
    """Two seconds of patience, and timeouts of one."""
    monkeypatch.setattr("regaudit.storage.object_store.RETRY_TIMEOUT", 2)
    monkeypatch.setattr("regaudit.storage.object_store._ANSWER", 1)


@pytest.fixture(scope="module")
def large(s3):
    """A model of 24 MB: its weights are fetched in several windows."""
    url = "large.h5"
    file = io.BytesIO()
    with h5py.File(file, "w") as hdf5:
        random = np.random.default_rng(0)
        layers = []
        for number in range(5):
            name = f"dense_{number}"
            group = hdf5.create_group(f"model_weights/{name}/{name}")
            group["kernel:0"] = random.standard_normal((1200, 1000)).astype("f4")
            group["bias:0"] = np.zeros(1000, "f4")
            hdf5[f"model_weights/{name}"].attrs["weight_names"] = [
                f"{name}/kernel:0",
                f"{name}/bias:0",
            ]
            regularizer = {"class_name": "L2", "config": {"l2": 1e-4}}
            config = {"name": name, "units": 1000, "kernel_regularizer": regularizer}
            layers.append({"class_name": "Dense", "config": config})
        hdf5["model_weights"].attrs["layer_names"] = [f"dense_{n}" for n in range(5)]
        model = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
        hdf5.attrs["model_config"] = json.dumps(model)
        hdf5.attrs["keras_version"] = "2.15.0"
    content = file.getvalue()
    s3.client.put_object(Bucket="models", Key=url, Body=content)
    return f"s3://models/{url}", content


def like(report, name):
    """The record of a report under another name."""
    return {**record(report), "file": name}


def cli(*arguments):
    """Run the command as a user does; the guarded process included."""
    return subprocess.run(
        [sys.executable, "-m", "regaudit", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.stores
@pytest.mark.parametrize("key", [key for key in FILES if key != "a/notes.txt"])
def test_a_model_in_s3_is_audited_as_the_file_is(store, key):
    report = audit(f"s3://models/{key}")
    expected = like(audit(FILES[key]), f"s3://models/{key}")
    if FILES[key].is_dir():
        expected["size"] = None  # nothing is listed for it
    assert record(report) == expected
    assert all(command in {"HEAD", "GET"} for command, *_ in store.requests)


@pytest.mark.stores
def test_an_unzipped_model_in_s3(store, tmp_path):
    shutil.unpack_archive(FILES["a/digits.keras"], tmp_path / "digits", "zip")
    for part in (tmp_path / "digits").iterdir():
        store.client.upload_file(str(part), "models", f"unzipped/{part.name}")
    report = audit("s3://models/unzipped")
    assert report.format == "keras-directory"
    assert report.moments == audit(tmp_path / "digits").moments


@pytest.mark.stores
def test_a_preset_of_keras_hub_in_s3(store):
    folder = ROOT / "fixtures" / "hub" / "bert_classifier"
    for part in folder.iterdir():
        store.client.upload_file(str(part), "models", f"presets/bert/{part.name}")
    assert list(find_models("s3://models/presets/")) == ["s3://models/presets/bert"]
    report = audit("s3://models/presets/bert")
    assert report.format == "keras-hub"
    assert report.moments == audit(folder).moments


@pytest.mark.stores
def test_large_weights_are_streamed_once_in_large_reads(store, large, tmp_path):
    url, content = large
    report = audit(url)
    (tmp_path / "large.h5").write_bytes(content)
    assert record(report) == like(audit(tmp_path / "large.h5"), url)
    assert store.fetched < len(content) + (1 << 18)
    values = [range_ for command, _, range_ in store.requests if command == "GET"]
    assert len(values) < 40
    assert len(set(values)) == len(values)


@pytest.mark.stores
def test_without_values_next_to_nothing_is_fetched(store, large):
    url, _ = large
    report = audit(url, replace(Config.default(), weights=False))
    assert report.coverage.weights == 10
    assert next(w for _, w in report.model.weights()).regularizer.l2 == 1e-4
    assert store.fetched < 120_000


@pytest.mark.stores
@pytest.mark.usefixtures("store")
def test_folders_and_patterns_are_searched():
    keras = ["s3://models/a/digits.keras", "s3://models/a/everything.keras"]
    assert list(find_models("s3://models/a/")) == [*keras, "s3://models/a/mlp.h5"]
    assert list(find_models("s3://models/a/*.keras")) == keras
    assert list(find_models("s3://models/saved/")) == ["s3://models/saved"]
    assert list(find_models("s3://models/sav*")) == ["s3://models/saved"]
    (report,) = audit_files(["s3://models/nothing/"])
    assert report.failure.message == "no saved model found by s3://models/nothing/"
    report = audit("s3://models/a")
    assert report.failure.message.endswith("to search it, end the URL with a /")


@pytest.mark.stores
def test_archives_are_read_in_a_store(store):
    """One that holds one model has its own name where a folder is searched."""
    made = gzip.compress(tar({"1/mlp.h5": (CORPUS / "tf-2.15" / "mlp.h5").read_bytes()}))
    store.client.put_object(Bucket="models", Key="job/output/model.tar.gz", Body=made)
    store.client.put_object(
        Bucket="models", Key="job/data.tar.gz", Body=gzip.compress(tar({"x": b""}))
    )
    url, penalty = "s3://models/job/output/model.tar.gz", audit("s3://models/a/mlp.h5").penalty
    left_out = []
    (report,) = audit_files(["s3://models/job/"], isolate=False, skipped=left_out.append)
    assert (report.file, report.format, report.penalty) == (url, "h5", penalty)
    assert [one.file for one in left_out] == ["s3://models/job/data.tar.gz"]
    (report,) = audit_files([url], isolate=False)
    assert (report.file, report.penalty) == (f"{url}/1/mlp.h5", penalty)
    assert audit(f"{url}/1/mlp.h5").penalty == penalty


@pytest.mark.stores
def test_a_store_is_searched_as_a_folder_is(store, tmp_path):
    lay_out(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "config.json").write_text('{"learning_rate": 0.1}')
    shutil.copy(DIRECTORY / "model.weights.h5", tmp_path / "own")
    with h5py.File(tmp_path / "own" / "train.h5", "w") as data:
        data["images"] = np.zeros((3, 4))
    for file in tmp_path.rglob("*"):
        if file.is_file():
            name = f"tree/{file.relative_to(tmp_path).as_posix()}"
            store.client.upload_file(str(file), "models", name)
    expected = {os.path.relpath(file, tmp_path) for file in find_models(str(tmp_path))}
    assert {"unzipped", "own/model.weights.h5", "own/train.h5"} < expected
    before = len(store.requests)
    found = list(find_models("s3://models/tree/"))
    assert {name.removeprefix("s3://models/tree/") for name in found} == expected
    assert len(found) == len(expected)
    # One for the list, and two for each unzipped model: its metadata, which S3 may list in pages.
    assert len(store.requests) - before < 20
    skipped = []
    reports = audit_files(["s3://models/tree/own/"], isolate=False, skipped=skipped.append)
    assert [report.file for report in reports] == ["s3://models/tree/own/model.weights.h5"]
    assert [report.file for report in skipped] == ["s3://models/tree/own/train.h5"]
    (head,) = [one for one in audit("s3://models/tree/unzipped").skipped if "task" in one.path]
    assert head.reason == "lies in the model's folder and is not read"


@pytest.mark.stores
@pytest.mark.usefixtures("store")
def test_the_command_line_in_a_guarded_process_and_in_workers():
    one = cli("inspect", "s3://models/a/digits.keras", "--format", "json")
    assert one.returncode == 0, one.stderr
    expected = like(audit(FILES["a/digits.keras"]), "s3://models/a/digits.keras")
    assert json.loads(one.stdout)["reports"] == [expected]
    several = cli("check", "s3://models/a/", "--jobs", "2", "--format", "json")
    files = [report["file"] for report in json.loads(several.stdout)["reports"]]
    assert files == list(find_models("s3://models/a/"))
    assert several.returncode == 1
    assert not any(report["failure"] for report in json.loads(several.stdout)["reports"])


@pytest.mark.stores
@pytest.mark.usefixtures("store")
def test_nothing_is_written_to_disk(large):
    program = f"""
import os, sys
opened = []
def hook(event, args):
    if event == "open" and (args[1] is None or set(str(args[1])) & set("wax+")):
        if not (args[1] is None and not (args[2] or 0) & (os.O_WRONLY | os.O_RDWR)):
            opened.append(args[0])
sys.dont_write_bytecode = True
import regaudit
sys.addaudithook(hook)
for url in ("s3://models/a/everything.keras", {large[0]!r}):
    assert regaudit.audit(url).failure is None
print([file for file in opened if file != os.devnull])
"""
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.strip() == "[]", result.stderr


@pytest.mark.stores
@pytest.mark.usefixtures("short_timeout")
def test_what_is_not_there_or_not_allowed(store):
    assert audit("s3://models/none.keras").failure.message == "no such file"
    assert audit("s3://none/none.keras").failure.message == "no such file"
    assert audit("s3://models/a/notes.txt").failure.kind == "UnknownFormatError"

    def deny(handler, _status, _body):
        handler.send_error(403)
        return True

    store.fault = deny
    message = audit("s3://models/a/digits.keras").failure.message
    assert "access is denied" in message
    assert len(store.requests) < 20  # nor is it asked again and again


def after(count, then):
    """Act on every GET of an object that comes after so many."""
    seen = []

    def fault(handler, status, body):
        if handler.command == "GET" and "list-type" not in handler.path:
            seen.append(1)
            return len(seen) > count and then(handler, status, body)
        return False

    return fault


def unavailable(handler, _status, _body):
    handler.send_response(503)
    body = b"<Error><Code>ServiceUnavailable</Code><Message>busy</Message></Error>"
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
    return True


def cut_short(handler, status, body):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.close_connection = True
    return True


def silent(_handler, _status, _body):
    time.sleep(2.5)
    return True


@pytest.mark.stores
@pytest.mark.usefixtures("short_timeout")
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (unavailable, "the server answers 503 (Service Unavailable)"),
        (cut_short, "the server's answer ends too early"),
        (silent, "the server does not answer in time"),
    ],
)
def test_a_store_that_fails_for_good_is_one_line_and_the_run_goes_on(store, large, fault, reason):
    store.fault = after(3, fault)
    broken, whole = audit_files([large[0], str(FILES["a/digits.keras"])], isolate=False)
    assert broken.failure.kind == "UnreadableModelError"
    assert broken.failure.message.startswith(f"cannot be read from its store: {reason}; asked ")
    assert "\n" not in broken.failure.message
    assert "127.0.0.1" not in broken.failure.message
    assert whole.failure is None


@pytest.mark.stores
@pytest.mark.parametrize("fault", [unavailable, cut_short, silent])
def test_a_store_that_fails_for_a_while_loses_nothing(store, large, monkeypatch, fault):
    monkeypatch.setattr("regaudit.storage.object_store._ANSWER", 1)
    faults = iter(range(2))
    store.fault = after(3, lambda *given: next(faults, None) is not None and fault(*given))
    url, _ = large
    report = audit(url)
    assert next(faults, None) is None
    assert report.failure is None
    store.fault = None
    assert report.moments == audit(url).moments


@pytest.mark.stores
def test_a_server_that_is_away_for_five_seconds_loses_nothing(store, large):
    url, _ = large
    expected = like(audit(url), url)
    times = iter([5])
    store.fault = after(3, lambda *_: [store.leave(seconds) for seconds in times] and False)
    started = time.monotonic()
    report = audit(url)
    assert record(report) == expected
    assert time.monotonic() - started > 4


@pytest.mark.stores
def test_workers_wait_for_a_server_that_is_away(store):
    store.leave(5)
    result = cli("inspect", "s3://models/a/digits.keras", "s3://models/a/mlp.h5", "--format=json")
    reports = json.loads(result.stdout)["reports"]
    assert [report["failure"] for report in reports] == [None, None]


@pytest.mark.stores
@pytest.mark.parametrize("moment", [1, 4])
@pytest.mark.parametrize("size", ["same size", "smaller"])
def test_an_object_that_changes_while_it_is_read(store, large, moment, size):
    _, content = large
    other = bytearray(content if size == "same size" else content[: len(content) // 2])
    other[-5000:] = bytes(5000)
    done = []

    def change(*_):
        if not done:
            store.client.put_object(Bucket="models", Key="changing.h5", Body=bytes(other))
            done.append(1)
        return False

    store.client.put_object(Bucket="models", Key="changing.h5", Body=content)
    store.fault = after(moment, change)
    report = audit("s3://models/changing.h5")
    assert report.failure.message == "it changed while it was read; audit it again"
    assert report.model is None


@pytest.mark.stores
def test_after_an_object_that_changes_the_process_ends_well(store, large):
    """HDF5 crashes at the end of a process in which an error still holds what was open."""
    _, content = large
    done = []

    def change(*_):
        if not done:
            half = content[: len(content) // 2]
            store.client.put_object(Bucket="models", Key="changing.h5", Body=half)
            done.append(1)
        return False

    store.client.put_object(Bucket="models", Key="changing.h5", Body=content)
    store.fault = after(4, change)
    code = "from regaudit import audit; print(audit('s3://models/changing.h5').failure.message)"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "it changed while it was read; audit it again\n"


@pytest.mark.stores
def test_an_object_that_is_deleted_while_it_is_read(store, large):
    store.client.put_object(Bucket="models", Key="gone.h5", Body=large[1])

    def delete(*_):
        store.client.delete_object(Bucket="models", Key="gone.h5")
        return False

    store.fault = after(2, delete)
    message = audit("s3://models/gone.h5").failure.message
    assert message == "it changed while it was read; audit it again"


@pytest.mark.stores
def test_a_damaged_object_is_damaged_and_not_changed(store, large):
    store.client.put_object(Bucket="models", Key="cut.h5", Body=large[1][: 10 << 20])
    assert "cut short" in audit("s3://models/cut.h5").failure.message


@pytest.mark.stores
def test_compressed_weights_are_not_unpacked_to_disk(store, tmp_path):
    with (
        zipfile.ZipFile(FILES["a/digits.keras"]) as archive,
        zipfile.ZipFile(tmp_path / "packed.keras", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in archive.namelist():
            packed.writestr(name, archive.read(name))
    store.client.upload_file(str(tmp_path / "packed.keras"), "models", "packed.keras")
    assert audit(tmp_path / "packed.keras").failure is None
    message = audit("s3://models/packed.keras").failure.message
    assert message.endswith("without writing to disk: download it and audit the copy")


@pytest.mark.stores
def test_links_and_names_in_a_file_lead_nowhere(store):
    index = {"weight_map": {"/x": ["../secret.weights.h5"]}}
    store.client.put_object(Bucket="models", Key="n/m.weights.json", Body=json.dumps(index))
    report = audit("s3://models/n/m.weights.json")
    assert report.failure.kind == "UnsafeFileError"
    index = {"weight_map": {"/x": ["a?versionId=1.weights.h5"]}}
    store.client.put_object(Bucket="models", Key="n/m.weights.json", Body=json.dumps(index))
    report = audit("s3://models/n/m.weights.json")
    assert report.failure.kind == "UnsafeFileError"
    assert not any("secret" in path for _, path, _ in store.requests)


# Web servers


@pytest.fixture
def web(tmp_path, large):
    pytest.importorskip("aiohttp")
    shutil.copy(FILES["a/digits.keras"], tmp_path / "digits.keras")
    (tmp_path / "large.h5").write_bytes(large[1])
    return tmp_path


@pytest.mark.stores
def test_a_model_on_a_web_server(web):
    with serving(web) as url:
        for name in ("digits.keras", "large.h5"):
            report = audit(f"{url}/{name}")
            assert record(report) == like(audit(web / name), f"{url}/{name}")


@pytest.mark.stores
def test_a_token_is_used_and_never_shown(web):
    with serving(web, token="X-Amz-Signature=f00ba7") as url:
        report = audit(f"{url}/digits.keras?X-Amz-Signature=f00ba7")
        assert report.failure is None
        assert report.file == f"{url}/digits.keras"
        for format_ in ("json", "terminal", "html", "sarif"):
            place = f"{url}/none.keras?X-Amz-Signature=f00ba7"
            result = run("inspect", "--no-isolate", place, "--format", format_)
            assert result.exit_code == 3
            assert "f00ba7" not in result.output
        denied = audit(f"{url}/digits.keras?X-Amz-Signature=old")
        assert "access is denied" in denied.failure.message


@pytest.mark.stores
def test_a_web_server_without_ranges(web):
    with serving(web, ranges=False) as url:
        shutil.copy(MODELS / "regularized-cnn.keras", web / "small.keras")
        assert audit(f"{url}/small.keras").failure is None  # fetched whole, from its start
        message = audit(f"{url}/large.h5").failure.message
        assert "the server does not send parts of files: download the file and" in message


@pytest.mark.stores
@pytest.mark.usefixtures("short_timeout")
def test_a_web_server_that_is_not_there():
    pytest.importorskip("aiohttp")
    message = audit("http://127.0.0.1:9/m.keras").failure.message
    assert message.startswith("cannot be read from its store: the server cannot be reached; asked")


@pytest.mark.stores
@pytest.mark.usefixtures("short_timeout")
def test_a_file_on_a_web_server_that_changes(web, monkeypatch):
    with serving(web) as url:
        read = regaudit.auditing.audit_file._measure

        def meanwhile(*given):
            result = read(*given)
            (web / "large.h5").write_bytes((web / "large.h5").read_bytes()[:-1] + b"x")
            return result

        monkeypatch.setattr("regaudit.auditing.audit_file._measure", meanwhile)
        message = audit(f"{url}/large.h5").failure.message
        assert message == "it changed while it was read; audit it again"


# The documentation


@pytest.mark.stores
@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("page", pages("stores"))
def test_a_page_can_be_followed(page, s3, web, tmp_path, monkeypatch):
    """As shown, but for the web server, which is one on loopback."""
    monkeypatch.chdir(tmp_path)
    s3.client.upload_file(str(MODELS / "regularized-cnn.keras"), "models", "digits/v3.keras")
    shutil.copy(MODELS / "regularized-cnn.keras", web / "v3.keras")
    with serving(web) as url:
        follow(page, tmp_path, {"https://models.example": url})
    assert "regularized_cnn" in Path("out.html").read_text()


def test_commands_that_need_the_file_itself_say_so():
    for command in (["suggest"], ["verify"], ["apply", "-o", "x.keras"]):
        result = run(*command, "s3://models/a.keras")
        assert result.exit_code == 2
        assert "download the URL first" in result.output


# Servers that take their time, or send us elsewhere


def drips(handler):
    """Claim a size, and send next to nothing of it."""
    asked = handler.headers.get("Range")
    handler.send_response(206 if asked else 200)
    handler.send_header("Content-Length", "4096" if asked else str(10**12))
    handler.send_header("Content-Range", f"bytes 0-4095/{10**12}")
    handler.end_headers()
    _drop_by_drop(handler, b"P" if handler.command == "GET" else b"")


def drips_headers(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    _drop_by_drop(handler, b"X: 1\r\n")


def _drop_by_drop(handler, drop):
    with suppress(OSError):  # nobody waits any more
        while drop:
            handler.wfile.write(drop)
            time.sleep(0.2)


def leads_to(url):
    def answer(handler):
        handler.send_response(302)
        handler.send_header("Location", url)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@pytest.mark.stores
@pytest.mark.parametrize(
    ("answer", "how"),
    sampled(product([drips, drips_headers], [(), ("--isolate",), ("--no-isolate",)]), every=2),
)
def test_a_server_that_drips_is_held_to_wall_seconds(answer, how):
    """And if it is another than the one that was named, that is said, whoever ends the process."""
    pytest.importorskip("aiohttp")
    with answering(answer) as there, answering(leads_to(f"{there}/n.keras?token=secret")) as url:
        limit = ("--limit", "wall_seconds=1")
        result = cli("check", "--isolated", *how, *limit, f"{url}/m.keras?token=secret")
    assert result.returncode == 3
    assert "takes more than 1 s" in result.stdout
    host = there.removeprefix("http://")
    assert f"(redirected to {host})" in re.sub(r"\s+", " ", result.stdout)
    assert "--limit wall_seconds=N allows more" in result.stdout
    assert "Traceback" not in result.stderr
    assert "secret" not in result.stdout + result.stderr


@pytest.mark.stores
@pytest.mark.parametrize("how", [(), ("--no-isolate",)], ids=str)
def test_a_list_that_drips_is_held_to_wall_seconds(how, monkeypatch):
    pytest.importorskip("s3fs")
    with answering(drips) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        limit = ("--limit", "wall_seconds=1")
        result = cli("check", "--isolated", *how, *limit, "s3://models/a/")
    assert result.returncode == 3
    assert "s3://models/a/: could not be audited" in result.stdout
    assert "--limit wall_seconds=N allows more" in result.stdout


@pytest.mark.stores
def test_a_library_has_a_deadline_as_well():
    pytest.importorskip("aiohttp")
    config = Config.default().allowing(("wall_seconds=1",))
    with answering(drips) as url:
        failure = audit(f"{url}/m.keras", config).failure
    assert failure.kind == "UnsafeFileError"
    assert failure.message.startswith("its store takes more than 1 s")


def refuses(asked):
    def answer(handler):
        asked.append(handler.command)
        handler.send_error(503)

    return answer


@pytest.mark.stores
@pytest.mark.parametrize(
    "how", [(), pytest.param(("--isolate",), marks=pytest.mark.slow), ("--no-isolate",)], ids=str
)
def test_nobody_but_the_audit_asks_a_store(how):
    """Not for the size, nor for rendering: a server that is away would be waited for each time."""
    pytest.importorskip("aiohttp")
    asked = []
    with answering(refuses(asked)) as url:
        limit = ("--limit", "wall_seconds=3")
        result = cli("inspect", "--isolated", *how, *limit, f"{url}/m.keras")
    assert result.returncode == 3
    found = re.search(r"asked (\d+) times", re.sub(r"\s+", " ", result.stdout))
    assert asked.count("HEAD") == int(found[1])


@pytest.mark.stores
def test_a_server_that_never_answers_is_held_to_wall_seconds():
    pytest.importorskip("aiohttp")
    asked = []
    with answering(lambda handler: asked.append(handler) or time.sleep(5)) as url:
        result = cli("inspect", "--isolated", "--limit", "wall_seconds=1", f"{url}/m.keras")
    assert result.returncode == 3
    assert "takes more than 1 s" in result.stdout
    assert len(asked) == 1


@pytest.mark.stores
def test_redirects_in_circles_are_not_asked_again():
    pytest.importorskip("aiohttp")
    asked = []

    def answer(handler):
        asked.append(handler.command)
        leads_to("/m.keras")(handler)

    with answering(answer) as url:
        failure = audit(f"{url}/m.keras").failure
    assert failure.message == "cannot be read from its store: the server redirects again and again"
    assert len(asked) <= 2 * 12  # HEAD, then GET


def says(line):
    return lambda handler: handler.wfile.write(line.encode("latin-1"))


OK_WITH = "HTTP/1.1 200 OK\r\n"


@pytest.mark.stores
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (f"{OK_WITH}Content-Length: -5\r\n\r\n", "the server's answer is not valid HTTP"),
        (f"{OK_WITH}Content-Length: {'9' * 40}\r\n\r\n", "the server's answer is not valid HTTP"),
        (f"{OK_WITH}Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "is not valid HTTP"),
        (f"{OK_WITH}X: {'a' * 100_000}\r\n\r\n", "the server's answer is not valid HTTP"),
        (f"{OK_WITH}one\0two\r\n\r\n", "the server's answer is not valid HTTP"),
        ("HXXP nonsense\r\n\r\n", "the server's answer is not valid HTTP"),
        ("HTTP/1.1 9999 OK\r\n\r\n", "the server's answer is not valid HTTP"),
        ("HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n", "answers 400 (Bad Request)"),
        *(
            (
                f"HTTP/1.1 302 Found\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n",
                "the server redirects to what is not a web address",
            )
            for where in ("file:///etc/passwd", "javascript:x", "http://[::bad/x", "http://h:99999")
        ),
    ],
)
def test_what_is_no_answer_is_said_in_plain_words(answer, expected):
    pytest.importorskip("aiohttp")
    with answering(says(answer)) as url:
        message = audit(f"{url}/m.keras").failure.message
    assert expected in message
    assert "Error" not in message
    assert "None" not in message


@pytest.mark.stores
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://us:pw@host", "not a valid bucket: a URL is s3://BUCKET/FILE, without a password"),
        ("s3://us:pw@host/x.keras", "not a valid bucket: a URL is s3://BUCKET/FILE"),
        ("http://", "the URL is not valid"),
        ("http://host:99999/x.keras", "the URL is not valid"),
        ("http://u:p@/x.keras", "the URL is not valid"),
    ],
)
def test_a_url_that_is_none_is_said_in_plain_words(url, expected, monkeypatch):
    pytest.importorskip("s3fs")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    message = audit(url).failure.message
    assert expected in message
    assert "Error" not in message


@pytest.mark.stores
def test_a_redirect_to_another_host_is_named():
    pytest.importorskip("aiohttp")
    with serving(MODELS) as there:
        host = there.removeprefix("http://")
        for name in ("digits-cnn.keras", "none.keras"):
            with answering(leads_to(f"{there}/{name}?token=secret")) as url:
                report = audit(f"{url}/m.keras")
            said = (
                [report.failure.message] if report.failure else [s.reason for s in report.skipped]
            )
            assert f"redirected to {host}" in said[0]
            assert "secret" not in "".join(said)
        assert not audit(f"{there}/digits-cnn.keras").skipped


@pytest.mark.stores
def test_every_output_names_a_redirect(tmp_path, monkeypatch):
    pytest.importorskip("aiohttp")
    monkeypatch.chdir(tmp_path)
    with serving(MODELS) as there, answering(leads_to(f"{there}/digits-cnn.keras?t=secret")) as url:
        led, model = f"redirected to {there.removeprefix('http://')}", f"{url}/m.keras"
        check = ("check", "--isolated", "--fail-on", "never", model)
        outputs = [run(*check), run(*check, "-v"), run("baseline", "write", "--isolated", model)]
        here = (*check, "--no-isolate", "--format")
        outputs += [run(*here, one) for one in USABLE if one != "parquet"]
        diff = ("diff", "--isolated", "--no-isolate", model, model, "--format")
        outputs += [run(*diff, one) for one in ("terminal", "json", "markdown", "html")]
    for result in outputs:
        assert led in re.sub(r"\s+", " ", result.output.replace("%3A", ":")), result.output
        assert "secret" not in result.output


@pytest.mark.parametrize(
    "text",
    ["https://u:p w@h/x", "at //u:secret@h", "m?token=secret", "a%3Ftoken%3Dsecret", "s3:/u:p@h"],
)
def test_what_may_be_a_url_is_not_quoted(text):
    assert reason(RuntimeError(text)) == "RuntimeError"
    assert reason(RuntimeError("out of order")) == "RuntimeError: out of order"


# Checkpoints, which are several files

CHECKPOINTS = FIXTURES / "checkpoints" / "tf-2.15.1" / "training"
MEANT = ("ckpt-2", "ckpt-2.index", "ckpt-2.data-00000-of-00001")


@pytest.mark.stores
def test_a_checkpoint_on_a_web_server():
    pytest.importorskip("aiohttp")
    expected = audit(CHECKPOINTS / "ckpt-2")
    with serving(CHECKPOINTS) as url:
        for name in MEANT:
            report = audit(f"{url}/{name}")
            assert record(report) == like(expected, f"{url}/ckpt-2.index")


@pytest.mark.stores
def test_checkpoints_in_a_store(store):
    store.client.create_bucket(Bucket="checkpoints")
    for file in CHECKPOINTS.glob("c*"):
        store.client.upload_file(str(file), "checkpoints", f"run/{file.name}")
    names = [f"s3://checkpoints/run/ckpt-{number}.index" for number in (1, 2, 3)]
    assert list(find_models("s3://checkpoints/")) == names
    expected = audit(CHECKPOINTS / "ckpt-2")
    for name in MEANT:
        assert record(audit(f"s3://checkpoints/run/{name}")) == like(expected, names[1])
