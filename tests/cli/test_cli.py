"""The command line as its users meet it: exit codes, first lines, files written."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from threading import Thread

import pytest
from command_line import run
from forked import forked
from paths import CORPUS, MODELS

from regaudit.auditing import audit_file
from regaudit.cli import COMMANDS

GOOD = str(MODELS / "regularized-cnn.keras")
OVERFIT = str(MODELS / "digits-cnn.keras")
FROZEN = str(MODELS / "everything.keras")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Run below an empty folder, so that no settings file is found."""
    monkeypatch.chdir(tmp_path)
    for variable in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize(
    ("arguments", "code", "first"),
    [
        (["--version"], 0, "regaudit, version "),
        (["--help"], 0, "Usage: "),
        (["inspect", GOOD], 0, "file       "),
        (["inspect", OVERFIT], 0, "file       "),
        (["inspect", "missing.keras"], 3, "missing.keras: could not be audited: no such file"),
        (["inspect", GOOD, "--sort", "sideways"], 2, "Usage: "),
        (["check", GOOD], 0, f"{GOOD}: no findings"),
        (["check", OVERFIT], 1, f"{OVERFIT}: 1 error"),
        (["check", OVERFIT, "--fail-on", "never"], 0, f"{OVERFIT}: 1 error"),
        (["check", OVERFIT, "--ignore", "REG101"], 0, f"{OVERFIT}: no findings"),
        (["check", OVERFIT, "--select", "REG4"], 0, f"{OVERFIT}: no findings"),
        (["check", OVERFIT, "--select", "large-layer-unregularized"], 1, f"{OVERFIT}: 1 error"),
        (["check", FROZEN, "--select", "REG301"], 0, f"{FROZEN}: 1 note"),
        (["check", FROZEN, "--select", "REG301", "--fail-on", "note"], 1, f"{FROZEN}: 1 note"),
        (["check", FROZEN, "--select", "REG301", "--fail-on", "warning"], 0, f"{FROZEN}: 1 note"),
        (["check", FROZEN, "--preset", "finetune", "--select", "REG4"], 0, f"{FROZEN}: no find"),
        (["check", GOOD, "--preset", "strickt"], 2, "Usage: "),
        (["check", GOOD, "--train-loss", "nan"], 2, "Usage: "),
        (["check", GOOD, "--val-size", "0"], 2, "Usage: "),
        (["check", GOOD, "--target-variance", "-1"], 2, "Usage: "),
        (["check", OVERFIT, "--preset", "finetune"], 0, f"{OVERFIT}: 1 note"),
        (["check", OVERFIT, "missing.keras"], 3, f"{OVERFIT}: 1 error"),
        (["check", GOOD, "--select", "NOPE"], 2, "Usage: "),
        (["check", "--nonsense"], 2, "Usage: "),
        (["report", GOOD], 2, "Usage: "),
        (["explain", "REG101"], 0, "REG101 large-layer-unregularized\n\nLarge"),
        (["explain", "dead-units"], 0, "REG402 dead-units"),
        (["explain", "REG999"], 2, "Usage: "),
        (["explain"], 2, "Usage: "),
        (["rules"], 0, "code "),
        (["check"], 3, ".: could not be audited: no saved model found below ."),
    ],
)
def test_exit_codes_and_first_lines(arguments, code, first):
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert result.output.startswith(first), result.output


EXIT_CODES = {
    "inspect": {0: [OVERFIT], 2: ["--nonsense"], 3: ["gone.keras"]},
    "report": {
        0: [OVERFIT, "--json", "out.json"],
        2: [OVERFIT],
        3: ["gone.keras", OVERFIT, "--output", "sarif:out.sarif"],
    },
    "check": {
        0: [GOOD],
        1: [OVERFIT, GOOD],
        2: [GOOD, "--baseline", "none.json"],
        3: [OVERFIT, "gone.keras"],
    },
    "diff": {
        0: [GOOD, OVERFIT],
        1: [GOOD, OVERFIT, "--exit-code"],
        2: [GOOD],
        3: [GOOD, "gone.keras"],
    },
    "explain": {0: ["REG902"], 2: ["REG9"]},
    "rules": {0: ["--format", "json"], 2: ["--format", "html"]},
    "baseline": {0: ["write", OVERFIT], 2: ["write", OVERFIT], 3: ["update", "gone.keras"]},
    "config": {0: ["init"], 2: ["make"]},
    "suggest": {
        0: [OVERFIT],
        2: [OVERFIT, "--train-loss", "nan"],
        3: ["gone.keras"],
    },
    "apply": {
        0: [OVERFIT, "--dry-run", "--suggested"],
        2: [OVERFIT, "-o", "out.keras"],
        3: ["gone.keras", "-o", "out.keras", "--suggested"],
    },
    "schema": {0: [], 2: ["more"]},
    "completions": {0: ["zsh"], 2: ["sh"]},
}
"""By command: arguments that end in each of its documented exit codes."""


@pytest.mark.parametrize("command", EXIT_CODES)
def test_every_exit_code_of_every_command(command):
    for code, arguments in EXIT_CODES[command].items():
        result = run(command, *arguments)
        assert result.exit_code == code, (arguments, result.output)


def test_no_command_is_left_out():
    """Those of `verify` and `sweep` are in their own tests: they need Keras."""
    assert {*EXIT_CODES, "verify", "sweep"} == set(COMMANDS)


def test_a_wrong_rule_gets_a_hint():
    assert "did you mean 'REG401'?" in run("check", GOOD, "--select", "REG4001").output


@pytest.mark.parametrize(
    ("name", "strength", "activity"),
    [
        ("tutorial-l2", "l2(0.01)", None),
        ("tutorial-l1", "l1(0.01)", None),
        ("tutorial-activity-l1", "-", "activity regularizer of dense: l1(0.01), in force"),
    ],
)
def test_inspect_shows_the_tutorials_regularizers(name, strength, activity):
    output = run("inspect", MODELS / f"{name}.keras", "--wide").output
    rows = [line.split() for line in output.splitlines() if line.startswith("dense")]
    assert [(row[0], row[2], row[5]) for row in rows] == [
        ("dense", "kernel", strength),
        ("dense", "bias", "-"),
        ("dense_1", "kernel", "-"),
        ("dense_1", "bias", "-"),
    ]
    assert (activity in output) if activity else ("activity" not in output)


@pytest.mark.parametrize("name", sorted(file.stem for file in MODELS.glob("*.keras")))
def test_tables_fit_eighty_columns(name):
    output = run("inspect", MODELS / f"{name}.keras").output
    assert max(map(len, output.splitlines())) <= 80, output


def test_layer_and_sort_choose_and_order_the_rows():
    output = run("inspect", FROZEN, "--layer", "block/*", "--sort", "penalty").output
    rows = [line for line in output.splitlines() if line.startswith("block/")]
    assert len(rows) == 7
    assert "pointwise_kernel" in rows[0]


def test_every_format_names_the_finding():
    for format_ in ("terminal", "json", "markdown", "html"):
        assert "REG101" in run("check", OVERFIT, "--format", format_).output


def test_json_has_the_suggestion_with_its_numbers():
    report = json.loads(run("check", OVERFIT, "--format", "json").output)["reports"][0]
    (suggestion,) = report["suggestions"]
    weights = {w["path"]: w for layer in report["layers"] for w in layer["weights"]}
    kernel = weights["hidden/kernel"]
    (edit,) = suggestion["edits"]
    assert suggestion["weight"] == "hidden/kernel"
    strength = edit["value"]["config"]["l2"]
    assert suggestion["code"] == f"kernel_regularizer=keras.regularizers.L2({strength:g})"
    assert suggestion["penalty"] == pytest.approx(strength * kernel["l2_norm"] ** 2)


def test_csv_has_a_row_for_each_weight():
    lines = run("inspect", OVERFIT, "--format", "csv").output.splitlines()
    assert len(lines) == 7
    assert lines[0].startswith("file,layer,class_name,path,role,shape")


def test_colour_is_for_terminals_and_for_those_who_ask(monkeypatch):
    assert "\x1b[" not in run("check", OVERFIT).output
    assert "\x1b[31m" in run("check", OVERFIT, "--color", "always").output
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[31m" in run("check", OVERFIT).output
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in run("check", OVERFIT).output


def test_report_finds_the_models_below_by_itself(tmp_path):
    (tmp_path / "deep").mkdir()
    shutil.copy(GOOD, tmp_path / "deep" / "one.keras")
    shutil.copy(OVERFIT, tmp_path / "two.keras")
    result = run("report", "--html", "out.html", "--json", "out.json", "--markdown", "out.md")
    assert result.exit_code == 0, result.output
    files = [report["file"] for report in json.loads(Path("out.json").read_text())["reports"]]
    assert files == ["two.keras", str(Path("deep", "one.keras"))]
    assert "REG101" in Path("out.html").read_text()
    assert Path("out.md").read_text().startswith("## two.keras")


def test_output_goes_to_a_file_as_a_whole():
    assert run("check", OVERFIT, "--format", "json", "-o", "out.json").stdout == ""
    assert json.loads(Path("out.json").read_text())["schema"] == "regaudit/1"
    assert [file.name for file in Path().iterdir()] == ["out.json"]


def test_a_run_that_prints_nothing_says_what_failed():
    told = run("inspect", GOOD, "gone.keras", "--format", "jsonl", "-o", "all.jsonl")
    assert (told.exit_code, told.stdout) == (3, "")
    assert told.stderr == "gone.keras: could not be audited: no such file\n"
    told = run("check", GOOD, OVERFIT, "--format", "sarif", "-o", "all.sarif")
    assert (told.exit_code, told.stderr) == (1, f"{OVERFIT}: 1 error\n")
    told = run("check", *(f"{n}.keras" for n in range(23)), "--format", "json", "-o", "all.json")
    assert told.stderr.splitlines()[-2:] == [
        "19.keras: could not be audited: no such file",
        "and 3 more models that failed",
    ]


def test_a_link_stays_a_link_and_a_pipe_a_pipe():
    Path("real.json").write_text("old")
    Path("link.json").symlink_to("real.json")
    os.mkfifo("pipe")
    with subprocess.Popen(["cat", "pipe"], stdout=subprocess.PIPE) as reader:
        outputs = ("--output", "json:link.json", "--output", "jsonl:pipe")
        assert run("check", GOOD, *outputs).exit_code == 0
        assert json.loads(reader.communicate()[0])["schema"] == "regaudit/1"
    assert Path("link.json").is_symlink()
    assert json.loads(Path("real.json").read_text())["schema"] == "regaudit/1"
    assert Path("pipe").is_fifo()


def test_a_model_is_never_overwritten():
    shutil.copy(GOOD, "model.keras")
    before = Path("model.keras").read_bytes()
    result = run("report", "model.keras", "--html", "model.keras")
    assert result.exit_code == 2
    assert "is one of the models to audit" in result.output
    assert Path("model.keras").read_bytes() == before


def test_an_output_that_cannot_be_written_is_said_so():
    result = run("report", GOOD, "--html", "no/such/folder/out.html")
    assert result.exit_code == 2
    assert "cannot be written" in result.output


def _files(folder):
    """Make one file of each kind of bad input; return what is said of each."""
    whole = Path(GOOD).read_bytes()

    def archive(name, leave_out):
        with zipfile.ZipFile(GOOD) as old, zipfile.ZipFile(folder / name, "w") as new:
            for member in old.namelist():
                if member != leave_out:
                    new.writestr(member, old.read(member))

    (folder / "empty.keras").write_bytes(b"")
    (folder / "text.keras").write_text("hello\n")
    (folder / "cut.keras").write_bytes(whole[: len(whole) // 2])
    (folder / "pointer.keras").write_text("version https://git-lfs.github.com/spec/v1\noid x\n")
    (folder / "noise.keras").write_bytes(bytes(range(256)))
    archive("no-config.keras", "config.json")
    archive("no-weights.keras", "model.weights.h5")
    return {
        "empty.keras": "an empty file",
        "text.keras": "a text file, not a saved Keras model",
        "cut.keras": "damaged or cut short",
        "pointer.keras": "run `git lfs pull`",
        "noise.keras": "unknown file format",
        "no-config.keras": "has no config.json",
        "no-weights.keras": "has no model.weights.h5",
    }


def test_bad_files_get_one_clear_line_each_and_the_others_are_reported(tmp_path):
    said = _files(tmp_path)
    result = run("check", *said, GOOD)
    assert result.exit_code == 3
    lines = result.output.splitlines()
    for name, why in said.items():
        (line,) = [line for line in lines if line.startswith(f"{name}: ")]
        assert "could not be audited" in line
        assert why in line
    assert f"{GOOD}: no findings" in lines


def test_a_file_without_permission_is_said_so(monkeypatch):
    shutil.copy(GOOD, "model.keras")

    def refuse(*_arguments, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    result = run("inspect", "model.keras")
    assert result.exit_code == 3
    assert result.output.startswith("model.keras: could not be audited: cannot be read: Permission")


def test_settings_come_from_the_nearest_file():
    Path("pyproject.toml").write_text('[tool.regaudit]\nfail-on = "note"\n')
    assert run("check", FROZEN).exit_code == 1
    assert run("check", FROZEN, "--isolated").exit_code == 0
    assert run("check", FROZEN, "--fail-on", "error").exit_code == 0
    Path("regaudit.toml").write_text("[rules.REG101]\nmin_parameters = 200_000\n")
    assert run("check", OVERFIT).exit_code == 0
    Path("other.toml").write_text('select = ["REG4"]\n')
    assert run("check", OVERFIT, "--config", "other.toml").exit_code == 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('failon = "note"', "unknown setting 'failon'; did you mean 'fail-on'?"),
        ('fail-on = "fatal"', "fail-on must be one of note, warning, error, never"),
        ("[rules.REG1]\nx = 1", "unknown rule 'REG1'; did you mean"),
        ("[rules.reg101]\nx = 1", "unknown rule 'reg101'; did you mean 'REG101'?"),
        ("[rules.REG101]\nmin_parameter = 1", "did you mean 'min_parameters'?"),
        ('[rules.REG101]\nmin_parameters = "many"', "must be a number, at least 0, not 'many'"),
        ('[[ignore]]\ncode = "REG101"', "ignore[0] needs a reason"),
        ('[[ignore]]\ncode = "REG1O1"\nreason = "x"', "unknown rule 'REG1O1' in ignore"),
        ('preset = "strickt"', "preset must be one of default, strict, finetune, not 'strickt'"),
        ("preset = []", "preset must be one of default, strict, finetune, not []"),
        ('train-loss = "low"', "train-loss must be a finite number, not 'low'"),
        ("val-loss = inf", "val-loss must be a finite number, not inf"),
        ("train-size = 2.5", "train-size must be a whole number of samples, not 2.5"),
        ('[rules.REG101]\nseverity = "fatal"', "severity must be one of note, warning, error"),
        ("x = ", "not valid TOML"),
    ],
)
def test_wrong_settings_are_usage_errors_with_a_hint(settings, said):
    Path("regaudit.toml").write_text(settings)
    result = run("check", GOOD)
    assert result.exit_code == 2
    assert said in result.output


def test_an_ignore_accepts_a_finding_until_it_expires():
    entry = '[[ignore]]\ncode = "REG101"\nlayer = "hidden"\nreason = "a demonstration"\n'
    Path("regaudit.toml").write_text(entry)
    assert run("check", OVERFIT).exit_code == 0
    Path("regaudit.toml").write_text(entry + "expires = 2020-01-01\n")
    assert run("check", OVERFIT).exit_code == 1
    Path("regaudit.toml").write_text(entry.replace("hidden", "other"))
    assert run("check", OVERFIT).exit_code == 1


def test_an_ignore_takes_places_out_of_a_finding():
    arguments = ("check", OVERFIT, "--preset", "strict", "--select", "REG101", "--format", "json")
    (whole,) = json.loads(run(*arguments).output)["reports"][0]["findings"]
    entry = '[[ignore]]\ncode = "REG101"\nlayer = "hidden"\nreason = "a demonstration"\n'
    Path("regaudit.toml").write_text(entry)
    (less,) = json.loads(run(*arguments).output)["reports"][0]["findings"]
    assert (whole["count"], less["count"]) == (3, 2)
    assert [item["path"] for item in whole["items"]] == [
        "hidden/kernel",
        "digit/kernel",
        "conv/kernel",
    ]
    assert less["items"] == whole["items"][1:]
    assert less["path"] == "digit/kernel"


def test_the_severity_of_a_rule_can_be_set():
    Path("regaudit.toml").write_text('[rules.REG101]\nseverity = "warning"\n')
    assert run("check", OVERFIT).exit_code == 0
    assert run("check", OVERFIT, "--fail-on", "warning").exit_code == 1
    assert run("check", OVERFIT, "--preset", "finetune", "--fail-on", "warning").exit_code == 1


def test_a_rule_without_its_facts_is_listed_as_not_run():
    lacking = "REG205 underregularized: not run: needs --train-loss and --val-loss"
    assert lacking in " ".join(run("check", GOOD, "-v").output.split())
    assert lacking in " ".join(run("inspect", GOOD, "--wide").output.split())
    report = json.loads(run("check", GOOD, "--format", "json").output)["reports"][0]
    assert "REG205" in [rule["code"] for rule in report["not_run"]]
    assert lacking.replace("--", "") in run("check", GOOD, "--format", "markdown").output.replace(
        "--", ""
    )
    told = ("--train-loss", "0.1", "--val-loss", "0.2")
    assert "REG205" not in run("check", GOOD, "-v", *told).output
    Path("regaudit.toml").write_text("train-loss = 0.1\nval-loss = 9.0\n")
    assert "REG205" in run("check", GOOD).output
    assert "REG205" not in run("check", GOOD, "--val-loss", "0.2").output


def test_python_m_regaudit_is_the_same_command():
    result = subprocess.run(
        [sys.executable, "-m", "regaudit", "check", GOOD],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"{GOOD}: no findings")


WEIGHTS = CORPUS / "keras-3.15.1/names.weights.h5"
ARCHITECTURE = CORPUS / "keras-3.15.1/names.json"


def test_an_architecture_completes_weights_however_often_it_was_encoded(tmp_path):
    alone = run("inspect", WEIGHTS)
    assert "--config model.json" in " ".join(alone.stdout.split())
    complete = run("inspect", WEIGHTS, "--config", ARCHITECTURE)
    assert "l1_l2(0.05, 0.06)" in complete.stdout
    twice = tmp_path / "twice.json"
    twice.write_text(json.dumps(ARCHITECTURE.read_text(encoding="utf-8")), encoding="utf-8")
    assert run("inspect", WEIGHTS, "--config", twice).stdout == complete.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not valid JSON"),
        ('"{', "is not valid JSON"),
        ("[1]", "is not the configuration of a Keras model"),
        ('{"a": 1}', "is not the configuration of a Keras model"),
    ],
)
def test_what_is_no_architecture_is_wrong_usage(tmp_path, content, said):
    file = tmp_path / "model.json"
    file.write_text(content, encoding="utf-8")
    result = run("inspect", WEIGHTS, "--config", file)
    assert result.exit_code == 2
    assert said in result.stderr
    assert str(file) in result.stderr


def test_one_architecture_is_enough():
    result = run("inspect", WEIGHTS, "--config", ARCHITECTURE, "--config", ARCHITECTURE)
    assert result.exit_code == 2
    assert "at most one settings file and one architecture" in result.stderr


def in_terminal(width, *arguments, raw=False, **variables):
    """Run a command in a real terminal of a width; return what it shows, without its colours."""
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    parent, child = os.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    parts = []

    def read():
        with contextlib.suppress(OSError):  # at its end
            while part := os.read(parent, 1 << 16):
                parts.append(part)

    reader = Thread(target=read)
    reader.start()
    before = (
        f"os.environ.pop('COLUMNS', 0); os.environ.update({ ({'TERM': 'xterm'} | variables)!r})"
    )
    ended = forked(*arguments, before=f"import os; {before}", terminal=os.ttyname(child))
    os.close(child)
    reader.join()
    os.close(parent)
    assert ended.returncode in {0, 1}
    text = b"".join(parts).decode().replace("\r\n", "\n")
    return text if raw else re.sub(r"\x1b\[\d*m", "", text)


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("name", sorted(file.stem for file in MODELS.glob("*.keras")))
def test_a_terminal_is_filled_and_never_overrun(width, name):
    file = str(MODELS / f"{name}.keras")
    shown = in_terminal(width, "inspect", file).replace(str(MODELS), "models")
    assert max(map(len, shown.splitlines())) <= width, shown


TYPED = {
    "check": ("check", OVERFIT, GOOD),
    "diff": ("diff", GOOD, OVERFIT),
    "explain": ("explain", "REG101"),
    "rules": ("rules",),
    "suggest": ("suggest", OVERFIT),
}


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("name", TYPED)
def test_every_command_fits_the_terminal(width, name):
    shown = in_terminal(width, *TYPED[name]).replace(str(MODELS), "models")
    shown = shown.replace("\x1b[2K", "")  # what erases a line of progress
    # What is there to be copied is not broken: programs and commands.
    prose = re.sub(r"(?m)^    .*", "", shown) if name == "explain" else shown
    prose = prose.splitlines()
    copied = ("kernel_regularizer=", "regaudit ", "Write it", "models/")
    long = [line for line in prose if len(line) > width and not any(c in line for c in copied)]
    assert not long, shown
    assert len(prose) > 5


def test_a_dumb_terminal_gets_no_colours():
    assert "\x1b[31m" in in_terminal(80, "check", OVERFIT, raw=True)
    assert "\x1b[" not in in_terminal(80, "check", OVERFIT, raw=True, TERM="dumb")


def test_an_explanation_is_laid_out_and_its_markdown_is_whole():
    page = run("explain", "REG101", "--format", "markdown").output
    assert max(map(len, page.splitlines())) > 300
    shown = in_terminal(80, "explain", "REG101")
    assert "```" not in shown
    assert "#" not in shown
    words = re.sub(r"(?m)^(```.*|#+)", "", page).split()
    assert shown.split() == words
    program = page.partition("```python\n")[2].partition("```")[0]
    assert textwrap.indent(program, "    ") in shown


def test_shares_are_drawn_where_the_terminal_can():
    shown = in_terminal(80, "inspect", GOOD)
    assert "█████  82.7%" in shown
    assert "█" not in run("inspect", GOOD).output
    assert "82.7%" in run("inspect", GOOD).output


def test_the_page_says_which_file_it_is_about_and_what_was_asked():
    Path("regaudit.toml").write_text("[rules.REG101]\nmin_parameters = 5000\n")
    assert run("report", OVERFIT, "--html", "out.html", "--val-size", "1500").exit_code == 0
    page = Path("out.html").read_text()
    assert hashlib.sha256(Path(OVERFIT).read_bytes()).hexdigest() in page
    assert "Kernels, one by one" in page
    settings = page.split("Settings in force")[1]
    assert "min_parameters = 5000" in settings
    assert "val-size = 1500" in settings


def test_only_a_page_takes_time_for_histograms(monkeypatch):
    asked = []
    monkeypatch.setattr(audit_file, "_sha256", asked.append)
    for format_ in ("terminal", "json", "csv", "markdown"):
        assert run("inspect", GOOD, "--format", format_).exit_code == 0
    assert not asked


def test_a_crash_is_not_kept_back_by_the_runner(monkeypatch):
    """All tests of commands rest on it."""

    def crash(*_arguments, **_options):
        raise RuntimeError("crash")

    monkeypatch.setattr("click.echo", crash)
    with pytest.raises(RuntimeError, match="crash"):
        run("schema")
