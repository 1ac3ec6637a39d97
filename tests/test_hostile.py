"""Files that mean harm: each is refused by name or reported honestly, and nothing else happens."""

import csv
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

import pytest
from command_line import run
from msgspec.structs import fields
from paths import CORPUS, FIXTURES, MODELS, ROOT

import regaudit
from regaudit.cli.targets import FORMATS
from regaudit.limits import Limits
from regaudit.renderers.interface import renderer
from regaudit.report.report import Failure, Report
from regaudit.report.view import View
from regaudit.running import workers
from regaudit.settings.config import Config

HOSTILE = FIXTURES / "hostile"
GOOD = MODELS / "tutorial-l2.keras"
EXPECTED = json.loads((HOSTILE / "expected.json").read_text("utf-8"))
HANGS = "hdf5-heap-loop.h5"
CRASHES = "hdf5-crash.keras"
TEXTS = [name for name in FORMATS if not renderer(name).binary]
"""Keeps libhdf5 busy for ever: only a limit on time ends it."""

posix = pytest.mark.skipif(os.name == "nt", reason="forks")


def tool(*arguments, **options):
    """Run the command as its users do, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "regaudit", *map(str, arguments)],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=60,
        **options,
    )


def as_expected(name, report):
    """Whether a report says what `expected.json` wants."""
    failure = report["failure"] or {"kind": None, "message": ""}
    return (
        failure["kind"] == EXPECTED[name]["kind"] and EXPECTED[name]["says"] in failure["message"]
    )


# Every hazard, one by one

MEASURING = """
import json, os, sys
from regaudit import audit
from regaudit.settings.config import Config
from regaudit.running.process_limits import confined, timed
from regaudit.renderers.interface import renderer
from regaudit.renderers.interface import View

config, names = Config.default(), ["json", "terminal"]
audit(sys.argv[1], config)  # imports what audits import
render = [renderer(name).render for name in names]
for file in sys.argv[2:]:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        with confined(config.limits), timed(config.limits, 0):
            report = audit(file, config)
        texts = [one([report], [], View()) for one in render]
        failure = report.failure
        said = {"kind": failure.kind, "message": failure.message} if failure else None
        os.write(writer, json.dumps({"failure": said}).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as answer:
        line = json.loads(answer.read() or b'{"failure": null}')
    _, status, used = os.wait4(child, 0)
    line["status"], line["memory"] = os.waitstatus_to_exitcode(status), used.ru_maxrss << 10
    line["seconds"] = used.ru_utime + used.ru_stime  # whatever else the machine does
    print(json.dumps(line))
"""


@posix
def test_every_hostile_file_is_answered_in_time_and_memory():
    """Under 5 s of processor time and 300 MB each, in a process that is forked for it."""
    names = [name for name in EXPECTED if name not in {HANGS, CRASHES}]
    result = subprocess.run(
        [sys.executable, "-c", MEASURING, GOOD, *(str(HOSTILE / name) for name in names)],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=300,
    )
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    for name, line in zip(names, lines, strict=True):
        assert line["status"] == 0, (name, line)  # a negative one is the signal of a limit
        assert as_expected(name, line), (name, line)
        assert line["seconds"] < 5, (name, line)
        assert line["memory"] < 300 << 20, (name, line)


def test_every_hazard_of_the_maker_is_there():
    """The folder is what `python fixtures/hostile.py` writes."""
    there = {path.name for path in HOSTILE.iterdir()} - {"expected.json"}
    canaries = {name for name in there if name.startswith("canary.")}
    assert len(canaries) == 3
    assert {Path(name).parts[0] for name in EXPECTED} == there - canaries
    assert len(EXPECTED) > 200


def test_a_folder_of_good_and_hostile_files_reports_the_good_ones_as_alone(tmp_path):
    good = sorted(CORPUS.rglob("*.keras"))[:50]
    ending = {HANGS, CRASHES}
    answered = {None, "ForeignDataError"}  # the latter a search skips
    chosen = [
        name
        for name, answer in EXPECTED.items()
        if answer["kind"] not in answered
        and name not in ending
        and not name.startswith("archive-")  # a search goes by their names
    ]
    bad = [name for name in chosen if (HOSTILE / name).is_file() and "/" not in name]
    bad = [HANGS, CRASHES, *bad[:: len(bad) // 48][:48]]
    for number, file in enumerate(good):
        shutil.copy(file, tmp_path / f"{number:02}-good.keras")
    for number, name in enumerate(bad):
        shutil.copy(HOSTILE / name, tmp_path / f"{number:02}-hostile.h5")
    result = tool("check", "--isolated", "--format", "json", "--jobs", "2", tmp_path)
    assert result.returncode == 3
    assert result.stderr == b""
    reports = json.loads(result.stdout)["reports"]
    assert len(reports) == 100
    assert [report["file"] for report in reports] == sorted(str(f) for f in tmp_path.iterdir())
    alone = [regaudit.audit(str(tmp_path / f"{number:02}-good.keras")) for number in range(50)]
    together = [report for report in reports if "-good" in report["file"]]
    text = renderer("json").render(alone, [], View())
    assert json.loads(text)["reports"] == together
    for name, report in zip(bad, (r for r in reports if "-hostile" in r["file"]), strict=True):
        assert as_expected(name, report), (name, report["failure"])


@posix
@pytest.mark.parametrize("special", ["pipe", "directory/model.weights.h5", "zero", "directory"])
def test_what_is_no_file_is_not_opened(special, tmp_path):
    place = tmp_path / "model.keras"
    if special == "pipe":
        os.mkfifo(place)
    elif special == "zero":
        place.symlink_to("/dev/zero")
    else:
        place.mkdir()
        (place / "config.json").write_text('{"class_name": "Sequential", "config": {}}')
        (place / "metadata.json").write_text("{}")
        (place / "model.weights.h5").touch()
        pipe = place / ("model.weights.h5" if "/" in special else "metadata.json")
        pipe.unlink()
        os.mkfifo(pipe)
    report = regaudit.audit(place)
    assert report.failure.kind == "UnsafeFileError"
    assert "device" in report.failure.message


@posix
def test_a_directory_of_pipes_is_searched_without_opening_them(tmp_path):
    for name in ("config.json", "saved_model.pb"):
        (tmp_path / name).mkdir()
        os.mkfifo(tmp_path / name / name)
    (report,) = regaudit.audit_files([str(tmp_path)])
    assert "no saved model found below" in report.failure.message


# What a file can make happen: nothing

WATCHING = """
import ctypes, json, os, sys
import regaudit.auditing.containers, tempfile  # only archives need them
import regaudit.live.loader  # never needed, but its imports must not count
from regaudit import audit
from regaudit.settings.config import Config
from regaudit.formats.interface import formats
from regaudit.renderers.interface import renderer
from regaudit.renderers.interface import View

names, folder, good, *files = sys.argv[1:]
list(formats())
import codecs, ml_dtypes
for name in ("cp437", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
    codecs.lookup(name)
import fixtures.hostile as make
config, abouts, events = Config.default(), [], []
render = {name: renderer(name).render for name in names.split(",")}
def look(file):
    report = audit(file, config)
    for name, one in render.items():
        if name != "html" or "name" in file:  # the slowest by far
            one([report], abouts, View(verbose=True, wide=True))
    return report
for file in (good, *json.loads(os.environ["WARM"])):
    look(file)

for name in [name for name in sys.modules if name.partition(".")[0] == "regaudit"]:
    for kind in vars(sys.modules[name]).values():
        if isinstance(kind, type):
            kind.__init__  # a data class compiles its own when that is first asked for

libc = ctypes.CDLL(None)
watch = libc.inotify_init1(os.O_NONBLOCK) if sys.platform == "linux" else -1
if watch >= 0:  # opened, for whatever: libhdf5 opens files without telling Python
    for canary in os.listdir(folder):
        if canary.startswith("canary"):
            libc.inotify_add_watch(watch, os.path.join(folder, canary).encode(), 0x20)

QUIET = ("object.", "sys._getframe", "marshal.dumps", "os.scandir", "os.listdir", "pathlib.",
         "gc.", "builtins.id", "ctypes.", "tempfile.", "os.remove", "fcntl.")
now = None
def hook(event, args):
    if now is not None and not event.startswith(QUIET):
        events.append((now, event, [repr(arg)[:200] for arg in args[:2]]))
sys.addaudithook(hook)
kinds = {}
for file in files:
    now = file
    report = look(file)
    now = None
    kinds[file] = report.failure.kind if report.failure else None
try:
    opened = len(os.read(watch, 1 << 16)) if watch >= 0 else 0
except BlockingIOError:
    opened = 0
print(json.dumps({"events": events, "kinds": kinds, "canaries": opened}))
"""


def test_nothing_in_a_file_is_executed_imported_or_fetched():
    """Python's own audit events: opening, importing, executing, connecting, unmarshalling, ..."""
    names = [name for name in EXPECTED if name not in {HANGS, CRASHES}]
    warm = [CORPUS / "tf-2.15" / "mlp.savedmodel", CORPUS / "tf-2.15" / "mlp.h5"]
    warm += [FIXTURES / "checkpoints/tf-2.15.1/sequential/cp.ckpt.index"]
    warm += [HOSTILE / "archive-good.tar.gz", HOSTILE / "configuration-loop.yaml"]
    warm += [
        FIXTURES / "hub/bert_classifier",
        CORPUS.parent / "configurations/keras-2.3.convnet.json",
    ]
    warm += [HOSTILE / name for name in EXPECTED if name.startswith(("zip-bomb", "name-a"))]
    others = [file for file in CORPUS.rglob("*") if file.suffix in {".keras", ".h5"}][::9]
    files = [*(HOSTILE / name for name in names), *others]
    result = subprocess.run(
        [sys.executable, "-c", WATCHING, ",".join(TEXTS), HOSTILE, GOOD, *files],
        capture_output=True,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
            "WARM": json.dumps([str(file) for file in warm]),
        },
        timeout=300,
    )
    assert result.returncode == 0, result.stderr.decode()[-2000:]
    seen = json.loads(result.stdout.splitlines()[-1])
    assert len(seen["kinds"]) == len(files)
    assert seen["canaries"] == 0, "a file beside the named one was opened"
    for file, event, arguments in seen["events"]:
        assert event == "open", (file, event, arguments)
        path = arguments[0].removeprefix("PosixPath(").strip("'\")")
        inside = path == file or path.startswith((f"{file}/", "/proc/self/fd/", "/tmp"))
        parts = (".weights.h5", ".data-00000-of-00001")
        beside = Path(path).parent == Path(file).parent and path.endswith(parts)
        assert inside or beside or re.fullmatch(r"-?\d+", path), (file, event, arguments)


# Workers and the guard


def test_reports_of_workers_are_those_of_this_process():
    files = [str(file) for file in sorted(CORPUS.rglob("*.keras"))[::9]]
    apart = list(regaudit.audit_files(files, isolate=True, jobs=2))
    assert apart == [regaudit.audit(file) for file in files]


def test_a_worker_that_dies_is_its_files_failure_and_the_rest_goes_on():
    """Killed as a crash in C would, while libhdf5 is busy."""
    pool = workers.Workers(Config.default())
    with pool:
        assert pool.audit(str(GOOD)).ok
        (first,) = pool.started

        def crash():
            time.sleep(0.5)
            os.kill(first.process.pid, signal.SIGSEGV)

        threading.Thread(target=crash).start()
        report = pool.audit(str(HOSTILE / HANGS))
        assert report.failure == Failure(
            "UnsafeFileError", "the HDF5 library crashed while reading it (signal 11)"
        )
        assert pool.audit(str(GOOD)).ok
        (second,) = pool.started
    assert first.process.poll() == -signal.SIGSEGV
    assert second.process.poll() is not None


@posix
@pytest.mark.parametrize("isolate", ["--isolate", "--guarded"])
def test_a_hang_is_ended_and_said_in_the_format_asked_for(isolate):
    options = [option for option in (isolate,) if option != "--guarded"]
    start = time.monotonic()
    result = tool("inspect", "--isolated", "--format", "json", *options, HOSTILE / HANGS)
    assert time.monotonic() - start < 30
    assert (result.returncode, result.stderr) == (3, b"")
    (report,) = json.loads(result.stdout)["reports"]
    assert "processor time; --limit cpu_seconds=N" in report["failure"]["message"]


@posix
@pytest.mark.parametrize("options", [[], ["--isolate"], ["--jobs", "2"]])
def test_a_crash_of_libhdf5_is_its_files_failure(options):
    result = tool("check", "--isolated", "--format", "json", *options, HOSTILE / CRASHES)
    assert (result.returncode, result.stderr) == (3, b"")
    (report,) = json.loads(result.stdout)["reports"]
    told = report["failure"]["message"]
    assert told == "the HDF5 library crashed while reading it (signal 11)" or "virtual" in told


@posix
def test_verify_is_guarded_as_well():
    result = tool("verify", HOSTILE / HANGS)
    assert result.returncode == 3
    assert b"processor time" in result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces it")
@pytest.mark.parametrize("isolate", ["--isolate", "--guarded"])
def test_memory_beyond_the_limit_is_a_failure(isolate):
    options = [option for option in (isolate,) if option != "--guarded"]
    result = tool("inspect", "--isolated", *options, HOSTILE / "zip-lzma-dictionary.keras")
    assert result.returncode == 3
    assert result.stderr == b""
    assert b"more memory than there is" in result.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces it")
def test_a_file_leaves_the_next_one_its_memory():
    """Files that fill the memory and good ones by turns: every good one is as alone."""
    greedy = str(HOSTILE / "zip-lzma-dictionary.keras")
    reports = list(regaudit.audit_files([greedy, str(GOOD)] * 4))
    assert [report.failure is None for report in reports] == [False, True] * 4
    pool = workers.Workers(Config(Config.default().rules, limits=Limits(memory_bytes=1 << 26)))
    with pool:  # one eighth of the limit is left behind by the import of a format alone
        for _ in range(3):
            assert pool.audit(str(CORPUS / "tf-2.15/mlp.h5")).failure is None


def test_a_worker_that_dies_idle_is_no_end_of_the_run():
    pool = workers.Workers(Config.default())
    with pool:
        assert pool.audit(str(GOOD)).ok
        pool.started[0].process.kill()
        pool.started[0].process.wait()
        assert pool.audit(str(GOOD)).ok


def test_a_worker_is_used_again():
    everything = GOOD.with_name("everything.keras")
    with workers.Workers(Config.default()) as pool:
        assert not any(pool.audit(str(everything)).failure for _ in range(4))
        assert len(pool.started) == 1


def test_workers_end_with_their_run():
    before = threading.active_count()
    reports = regaudit.audit_files([str(GOOD)] * 50, isolate=True)
    assert next(reports).ok
    reports.close()
    until = time.monotonic() + 10
    while threading.active_count() > before:
        assert time.monotonic() < until
        time.sleep(0.05)


@posix
def test_an_interrupt_ends_the_run_and_its_workers():
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "regaudit", "check", "--isolate", HOSTILE / HANGS, GOOD),
            *("--limit", "cpu_seconds=50"),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # Tests that run in the background inherit a deaf ear.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads
    )
    time.sleep(2.5)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=40)  # less than the hang would take
    assert process.returncode in {-signal.SIGINT, 3}  # while it started, or with a partial report
    time.sleep(0.5)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


# Limits


def test_limits_are_raised_by_option_and_by_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = str(HOSTILE / "saved_model-long-key")
    assert "--limit key_bytes=N" in run("inspect", file).output
    result = run("inspect", file, "--limit", "key-bytes=9_999")
    assert result.exit_code == 0, result.output
    Path("regaudit.toml").write_text("[limits]\nkey_bytes = 9999\n")
    assert run("inspect", file).exit_code == 0
    assert run("inspect", "--isolate", file).exit_code == 0


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("jsonbytes=3", "unknown setting 'limits.jsonbytes'; did you mean 'json_bytes'?"),
        ("json_bytes", "must be a whole number above 0"),
        ("json_bytes=-1", "must be a whole number above 0"),
        ("json_bytes=0", "must be a whole number above 0"),
        ("json_bytes=1e9", "must be a whole number above 0"),
        ("json_bytes=" + "9" * 40, "must be a whole number above 0"),
    ],
)
def test_wrong_limits_are_usage_errors(setting, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("inspect", str(GOOD), "--limit", setting)
    assert result.exit_code == 2
    assert said in result.output


def test_limits_hold_back_what_they_say():
    """A limit of one refuses even a good model, by the name of the limit."""
    felt = {"json_bytes", "json_values", "json_depth", "layers", "group_depth", "objects"}
    felt |= {"graph_bytes", "index_bytes", "key_bytes"}
    saved = CORPUS / "tf-2.15" / "mlp.savedmodel"
    packed = HOSTILE / "hdf5-many-groups.keras"
    for name in felt:
        limits = Limits(**{name: 1})
        config = Config(Config.default().rules, limits=limits)
        reports = [regaudit.audit(file, config) for file in (GOOD, saved, packed)]
        assert any(r.failure and name in r.failure.message for r in reports), name


def test_the_page_of_limits_has_every_one_and_its_default():
    page = (ROOT / "docs" / "reference" / "limits.md").read_text("utf-8")
    for field in fields(Limits):
        assert f"| `{field.name}` | {field.default:,} |" in page


# Output

UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def hostile_reports():
    """Reports full of names that somebody might act on, and failures that quote them."""
    names = [name for name in EXPECTED if name.startswith(("name-", "hdf5-hostile", "hdf5-name"))]
    reports = [regaudit.audit(str(HOSTILE / name)) for name in names]
    assert all(report.failure is None for report in reports)
    module = {}
    exec(
        compile((FIXTURES / "hostile.py").read_text("utf-8"), "hostile.py", "exec"),
        module := {"__file__": str(FIXTURES / "hostile.py"), "__name__": "hostile"},
    )
    texts = [*module["NAMES"].values(), os.fsdecode(b"\xff\xfe.keras")]
    return [*reports, *(Report(text, failure=Failure("X", text)) for text in texts)]


class Page(HTMLParser):
    """What a browser would act on in a page."""

    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


@pytest.fixture(scope="module")
def reports():
    return hostile_reports()


@pytest.mark.parametrize("view", [View(verbose=True, wide=True, width=200), View(width=40)])
@pytest.mark.parametrize("name", TEXTS)
def test_hostile_names_reach_no_output_as_they_are(name, view, reports):
    rules = [rule.about for rule in Config.default().rules]
    text = renderer(name).render(reports, rules, view)
    text.encode("utf-8")  # strictly
    shown = text
    if name in {"html", "json"}:  # JSON escapes what it must by itself
        shown = re.sub(r'<script type="application/json".*?</script>', "", text, flags=re.DOTALL)
        shown = "" if name == "json" else shown
    odd = {char for char in shown if unicodedata.category(char) in UNSEEN} - {"\n"}
    assert not odd, [hex(ord(char)) for char in odd]
    if name != "github":
        commands = [line for line in text.splitlines() if line.lstrip().startswith(("::", "##["))]
        assert not commands, commands
    assert "CANARY" not in text


def test_html_has_no_element_of_a_hostile_name(reports):
    text = renderer("html").render(reports, [], View(verbose=True))
    page = Page()
    page.feed(text)
    scripts = [attributes for tag, attributes in page.tags if tag == "script"]
    assert len(scripts) == 1
    assert not [tag for tag, _ in page.tags if tag in {"img", "iframe", "object", "embed", "form"}]
    assert not [a for _, a in page.tags for key in a if key.startswith("on")]
    links = [a["href"] for tag, a in page.tags if tag == "a"]
    assert all(link.startswith("#") for link in links)


def test_csv_has_no_formula(reports):
    rows = list(csv.reader(io.StringIO(renderer("csv").render(reports, [], View()))))
    assert len({len(row) for row in rows}) == 1
    for row in rows:
        for cell in row:
            number = re.fullmatch(r"-?[0-9.e+-]+|-?inf|nan", cell)
            assert number or not cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell


def test_json_is_strict_and_without_lone_surrogates(reports):
    text = renderer("json").render(reports, [], View())

    def refuse(constant):
        raise AssertionError(constant)

    content = json.loads(text, parse_constant=refuse)
    json.dumps(content, ensure_ascii=False).encode("utf-8")


def test_markdown_has_no_markup_of_a_hostile_name(reports):
    text = renderer("markdown").render(reports, [], View(verbose=True))
    unescaped = re.sub(r"\\.", "", text)
    assert "](" not in unescaped
    assert "<" not in unescaped


@posix
def test_hostile_file_names_are_shown_escaped(tmp_path):
    for name in (b"\x1b[31mred.keras", b"\xff\xfe.h5", b"a\n::error::b.keras", b"=1+1.keras"):
        shutil.copy(GOOD, os.fsdecode(bytes(tmp_path) + b"/" + name))
    for format_ in TEXTS:
        result = tool("check", "--isolated", "--format", format_, tmp_path, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        text = result.stdout.decode("utf-8")
        assert "\x1b" not in text
        if format_ != "github":
            assert not re.search(r"^\s*::", text, re.MULTILINE)


# Writing


def reported(folder, **options):
    return tool("report", "--isolated", GOOD, "--html", folder / "out.html", **options)


def test_an_unwritable_folder_leaves_the_old_file(tmp_path):
    (tmp_path / "out.html").mkdir()
    result = reported(tmp_path)
    assert result.returncode == 2
    assert b"cannot be written" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out.html"]


@posix
def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path):
    """The largest size of a file stands for the size of the disk."""
    import resource  # noqa: PLC0415 - Windows has none

    (tmp_path / "out.html").write_text("old")

    def small():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    result = reported(tmp_path, preexec_fn=small)
    assert result.returncode == 2
    assert b"cannot be written: File too large" in result.stderr
    assert (tmp_path / "out.html").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.html"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
def test_a_standard_output_that_is_full_or_closed_is_no_traceback():
    for redirection, code, said in ((">/dev/full", 2, b"No space left"), (">&-", 0, b"")):
        command = f"{sys.executable} -m regaudit inspect --isolated {GOOD} {redirection}"
        result = subprocess.run(
            ["/bin/sh", "-c", command],
            stderr=subprocess.PIPE,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            timeout=60,
        )
        assert result.returncode == code, result.stderr
        assert said in result.stderr
        assert b"Traceback" not in result.stderr


@posix
def test_a_device_is_written_to_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE)
    result = tool("check", "--isolated", GOOD, "-o", pipe)
    assert result.returncode == 0, result.stderr
    assert reader.communicate(timeout=10)[0].startswith(bytes(GOOD))
    assert pipe.is_fifo()


@posix
def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "link.html").symlink_to("real.html")
    assert tool("report", GOOD, "--html", tmp_path / "link.html").returncode == 0
    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "real.html").is_file()


def test_no_output_goes_into_a_model_that_is_a_directory(tmp_path):
    model = shutil.copytree(CORPUS / "tf-2.15/mlp.savedmodel", tmp_path / "model")
    before = (model / "saved_model.pb").read_bytes()
    for part in ("saved_model.pb", "variables/new.json"):
        result = tool("inspect", "--isolated", model, "--format", "json", "-o", model / part)
        assert result.returncode == 2
        assert b"a part of the model" in result.stderr
    assert (model / "saved_model.pb").read_bytes() == before


def test_patterns_do_not_go_round_in_circles(tmp_path):
    """Two links to their own folder are 2**40 ways down for whoever follows them."""
    for name in ("a", "b"):
        (tmp_path / name).symlink_to(".")
    (tmp_path / "*.keras").symlink_to("nowhere")
    shutil.copy(GOOD, tmp_path / "model.keras")
    start = time.monotonic()
    (report,) = regaudit.audit_files([str(tmp_path / "**" / "m*.keras")])
    assert report.ok
    reports = regaudit.audit_files([str(tmp_path)], isolate=False)  # no loop there either
    assert sorted(report.ok for report in reports) == [False, True]
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    "text", ["tool = 3", "[tool]\nregaudit = 3", "a = " + "[" * 5000, "\xff\xfe", "limits = 3"]
)
def test_settings_that_mean_harm_are_usage_errors_or_nothing(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("pyproject.toml", "regaudit.toml"):
        (tmp_path / name).write_text(text, "latin-1")
        result = run("inspect", str(GOOD))
        assert result.exit_code in {0, 2}


WRITING = """
import sys
from pathlib import Path
from regaudit.cli.output import emit
number = 0
while True:
    emit(f"{number % 10}" * 300_000, Path(sys.argv[1]))
    number += 1
    sys.stdout.write("."); sys.stdout.flush()
"""


@posix
def test_a_killed_process_leaves_a_whole_file(tmp_path):
    """Killed at random moments of writing; `REGAUDIT_KILLS` sets how often."""
    dice = random.Random(7)
    target = tmp_path / "out.txt"
    target.write_text("old" * 100_000)
    for _ in range(int(os.environ.get("REGAUDIT_KILLS", "6"))):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITING, target],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        process.stdout.read(1)
        time.sleep(dice.random() * 0.05)
        process.kill()
        process.communicate()
        content = target.read_text()
        assert len(content) == 300_000
        assert len(set(content)) == 1 or content.startswith("oldold")


def test_fuzzing_finds_nothing_new():
    """A small budget; `python -m tests.fuzz --executions N` spends more."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--executions", "400", "--seed", "7"],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        timeout=300,
    )
    assert result.returncode == 0, result.stdout.decode() + result.stderr.decode()
