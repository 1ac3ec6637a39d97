"""Every command, with names that mean harm in every place: nothing of them is acted on."""

import ast
import io
import json
import os
import re
import unicodedata
import zipfile
from xml.etree import ElementTree as ET

import h5py
import numpy as np
import pytest
from command_line import USABLE, run
from paths import MODELS

from regaudit.renderers.interface import renderer

TEXTS = [name for name in USABLE if not renderer(name).binary]
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
COMMAND = r"::(error|warning|notice|group|endgroup)( file=| title=|::)"
NAMES = {
    "terminal": "\x1b[31mEVIL\x1b]0;t\x07\u202e\u2028\x9b1m",
    "lines": "x\r\nEVIL = __import__('os').system('touch PWNED') #\n::error::x\n##[error]y",
    "quotes": "'\"; $(touch PWNED) `touch PWNED` \\ */ </script><b onclick=x>]]>|=1+1",
    "surrogate": "x\ud800EVIL\u2029EVIL\udcff##vso[task.complete]",
}
"""What a terminal, a log, a shell, Python, XML or HTML would act on."""

SAMPLE = {"lines", "quotes"}
"""Those that are always tried: each is half a minute for all commands."""


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=() if name in SAMPLE else pytest.mark.slow) for name in NAMES],
)
def text(request):
    return NAMES[request.param]


def replaced(value, text):
    """Put the text into every value of a configuration that is only shown."""
    if isinstance(value, list):
        return [replaced(one, text) for one in value]
    if not isinstance(value, dict):
        return value
    named = {"registered_name", "seed", "distribution", "mode", "optimizer", "loss", "build_config"}
    made = {
        key: text if key in named and isinstance(one, str) else replaced(one, text)
        for key, one in value.items()
    }
    if isinstance(made.get("config"), dict) and str(value.get("class_name")) in {
        *("GlorotUniform", "Zeros", "DTypePolicy", "ReLU", "InputLayer")
    }:
        made["class_name"] = made["module"] = text
    return made


@pytest.fixture(scope="module")
def folder(text, tmp_path_factory):
    """A folder with models whose names, classes and weights are the text; one cannot be read."""
    folder = tmp_path_factory.mktemp("models")
    with zipfile.ZipFile(MODELS / "tutorial-l2.keras") as archive:
        members = {one: archive.read(one) for one in archive.namelist()}
    config = json.loads(members["config.json"])
    for number, layer in enumerate(config["config"]["layers"]):
        layer["config"]["name"] = f"{number}{text}"
        layer["config"]["activation"] = layer["config"].get("activation") and text
    config["config"]["name"] = text
    config = replaced(config, text)
    dense = [one for one in config["config"]["layers"] if one["class_name"] == "Dense"]
    dense[-1]["config"]["kernel_regularizer"] = {
        "module": text,
        "class_name": text,
        "config": {text: text},
        "registered_name": text,
    }
    dense[-1]["class_name"] = text
    metadata = {"keras_version": text, "date_saved": text}
    members |= {"config.json": json.dumps(config).encode()}
    members |= {"metadata.json": json.dumps(metadata).encode()}
    stream = io.BytesIO(members["model.weights.h5"])
    with h5py.File(stream, "r+") as file:
        file["layers/dense/vars/0"][...] = np.nan
        file[text.encode("utf-8", "replace").decode("utf-8", "replace").replace("/", "")] = [1.0]
    members["model.weights.h5"] = stream.getvalue()
    name = text.replace("/", "").encode("utf-8", "replace").decode()
    for file in ("plain.keras", f"{name}.keras"):
        with zipfile.ZipFile(folder / file, "w") as archive:
            for one, data in members.items():
                archive.writestr(one, data)
    (folder / f"{name}.bad.keras").write_text("not a model")
    return folder


def commands(folder, text):
    """Yield command lines that print everything there is to print."""
    plain, *others = sorted(folder.glob("*.keras"), key=lambda file: file.name != "plain.keras")
    name = text.encode("utf-8", "replace").decode()
    for format_ in TEXTS:
        yield "inspect", "--format", format_, "--verbose", *sorted(folder.glob("*.keras"))
        yield "check", "--format", format_, *others
        yield "report", "--format", format_, *others
    for format_ in ("terminal", "code", "json"):
        for file in (plain, *others):
            yield "suggest", file, "--format", format_
    for format_ in ("terminal", "markdown", "json", "html"):
        yield "diff", MODELS / "tutorial-l2.keras", others[0], "--format", format_
        yield "diff", plain, others[-1], "--format", format_
    for settings in (["--set", f"{name}:kernel=l2(1)"], ["--set", "*:kernel=l2(0.5)"]):
        yield "apply", others[0], "--dry-run", *settings
    yield "apply", others[0], "-o", folder / f"{name}" / "x.keras", "--set", "*:kernel=l2(0.5)"
    for more in (["--recipe", name], ["--remove", name], ["--from", name], ["--suggested"]):
        yield "apply", others[0], "--dry-run", *more
    yield "apply", name, "--undo"
    yield "baseline", "write", *others, "--baseline", folder / f"{name.replace('/', '')}.json"
    yield "baseline", "write", *others, "--baseline", folder / f"{name.replace('/', '')}.json"
    yield "check", others[0], "--baseline", name
    for option in ("--layer", "--limit", "--config", "--select", "--ignore", "--preset", "--jobs"):
        yield "check", others[0], option, name
    for option in ("--output", "-o", "--dask", "--format", "--cache", f"--{name}", "--fail-on"):
        yield "check", others[0], option, name
    yield "explain", name
    yield "rules", name
    yield "verify", name
    yield (name,)
    yield "check", f"https://user:{name}@127.0.0.1:9/x"
    yield "report", "--from", name, "--format", "terminal"


def assert_harmless(arguments, output):
    """Assert that a terminal, a log and a reader act on nothing in what was printed."""
    odd = {char for char in output if unicodedata.category(char) in UNSEEN} - {"\n"}
    assert not odd, (arguments, odd)
    github = "github" in arguments
    for line in output.splitlines():
        assert not line.lstrip().startswith("EVIL"), (arguments, line)
        assert "##[" not in line, (arguments, line)
        assert "##vso[" not in line, (arguments, line)
        ours = github and re.match(
            r"::(error|warning|notice|group|endgroup)( file=| title=|::)", line
        )
        assert ours or not line.lstrip().startswith("::"), (arguments, line)


def assert_whole(format_, output):
    """Assert that the reader of a format takes what was printed."""
    if format_ == "junit":
        ET.fromstring(output)
    elif format_ in {"json", "sarif"}:
        json.loads(output)
    elif format_ == "jsonl":
        assert all(json.loads(line) for line in output.splitlines())
    elif format_ == "code":
        for statement in ast.parse(output).body:
            assert isinstance(statement, ast.Expr)
            assert isinstance(statement.value, ast.Call)
            assert not ast.unparse(statement.value.func).startswith("_")
            assert "system" not in ast.unparse(statement)
    elif format_ in {"html", "notebook"}:
        assert "<b onclick" not in output


def test_no_command_prints_what_is_acted_on(folder, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments in commands(folder, text):
        result = run(*arguments)
        assert result.exit_code in {0, 1, 2, 3}, arguments
        assert_harmless(arguments, result.output)
        if "--format" in arguments and result.exit_code in {0, 1, 3} and result.stdout:
            assert_whole(arguments[arguments.index("--format") + 1], result.stdout)
    assert not list(tmp_path.rglob("PWNED*"))


def test_no_setting_is_acted_on(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    value = json.dumps(text.encode("utf-8", "replace").decode()).replace("\x7f", "\\u007f")
    lines = [f"{key} = {value}" for key in ("baseline", "preset", "fail-on", "select", "models")]
    lines += [f"{key} = [{value}]" for key in ("select", "models")]
    lines += [f"{value} = 1", f"[limits]\n{value} = 1", f"[rules.REG101]\n{value} = 1"]
    lines += [f"[rules.{value}]\nseverity = 1", f"[rules.REG101]\nseverity = {value}"]
    lines += [f'[[ignore]]\ncode = "REG204"\nreason = {value}', f"[[ignore]]\ncode = {value}"]
    lines += [f"[[override]]\nmodel = {value}\nrules.REG101.severity = {value}"]
    lines += [f"[[override]]\nmodel = {value}\nlayer = {value}\nrules.REG101.severity = 'note'"]
    for line in lines:
        (tmp_path / "regaudit.toml").write_text(line, "utf-8")
        for arguments in (
            ("check", MODELS / "tutorial-l2.keras", "--format", "terminal", "--verbose"),
            ("check", "--show-settings"),
            ("check",),
            ("baseline", "write", MODELS / "tutorial-l2.keras", "--force"),
        ):
            result = run(*arguments)
            assert_harmless((line, *arguments), result.output)


def test_no_result_of_a_former_run_is_acted_on(text, tmp_path):
    record = json.loads(run("check", MODELS / "tutorial-l2.keras", "--format", "jsonl").stdout)
    record["file"] = text
    for finding in record["findings"]:
        finding["name"] = finding["code"] = text
        for item in finding["items"]:
            item["path"] = item["message"] = text
    file = tmp_path / "results.jsonl"
    file.write_text(json.dumps(record) + "\n" + json.dumps({text: text}) + "\n")
    for format_ in TEXTS:
        result = run("report", "--from", file, "--format", format_)
        assert_harmless((format_,), result.output)
        assert_whole(format_, result.stdout)


def test_a_summary_of_a_step_has_no_markup_of_a_name(folder, tmp_path, monkeypatch):
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", os.fspath(summary))
    run("check", folder, "--format", "github")
    written = summary.read_text("utf-8")
    assert_harmless((), written)
    assert "<b" not in re.sub(r"\\.", "", written)
