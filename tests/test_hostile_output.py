"""Every command, with names that mean harm in every place: nothing of them is acted on."""

import io
import json
import os
import re
import shutil
import zipfile

import h5py
import numpy as np
import pytest
from command_line import USABLE, run
from harmless import assert_harmless, assert_quoted, assert_whole
from hostile_models import archive, legacy, mutated, renamed, safe, saved_model
from paths import CORPUS, FIXTURES, MODELS

from regaudit.renderers.interface import renderer
from regaudit.rules.interface import rules

TEXTS = [name for name in USABLE if not renderer(name).binary]
NAMES = {
    "terminal": "\x1b[31mEVIL\x1b]0;t\x07\u202e\u2028\x9b1m\u2066\ufeff",
    "lines": "x\r\nEVIL = __import__('os').system('touch PWNED') #\n::error::x\n##[error]y\x85::z",
    "quotes": "'\"; $(touch PWNED) `touch PWNED` \\ */ </script><b onclick=x>]]>|=1+1",
    "surrogate": "x\ud800EVIL\u2029EVIL\udcff##vso[task.complete]",
}
"""What a terminal, a log, a shell, Python, XML or HTML would act on."""

SAMPLE = {"lines", "quotes"}
"""Those that are always tried."""


FACTS = {
    "--train-loss 2.1": "REG203.keras",
    "--train-loss 0.2 --val-loss 0.9": "REG205.keras",
    "--train-loss 0.8 --val-loss 0.81": "REG206.keras",
    "--train-loss 0.1 --val-loss 0.6 --target-variance 1": "REG306.keras",
}
"""What rules need to know to speak."""


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=() if name in SAMPLE else pytest.mark.slow) for name in NAMES],
)
def text(request):
    return NAMES[request.param]


@pytest.fixture(scope="module")
def folder(text, tmp_path_factory):
    """A model for each rule and each format, with the text as every name; one cannot be read."""
    folder = tmp_path_factory.mktemp("models")
    for file in sorted(FIXTURES.glob("rules/REG*/bad.keras")):
        code = file.parent.name
        archive(file, folder / f"{code}.keras", text, spare=code != "REG205")
    archive(MODELS / "everything.keras", folder / f"{safe(text)}.keras", text)
    archive(MODELS / "custom.keras", folder / "custom.keras", text)
    legacy(CORPUS / "tf-2.15" / "mlp.h5", folder / "legacy.h5", text)
    saved_model(CORPUS / "tf-2.15" / "mlp.savedmodel", folder / f"{safe(text)}.d", "\u202e::")
    (folder / f"{safe(text)}.bad.keras").write_text("not a model")
    _with_nan(folder / "plain.keras", text)
    return folder


def _with_nan(file, text):
    """Write a model of which `suggest` has much to say."""
    archive(MODELS / "tutorial-l2.keras", file, text)
    with zipfile.ZipFile(file) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    stream = io.BytesIO(members["model.weights.h5"])
    with h5py.File(stream, "r+") as weights:
        weights["layers/dense/vars/0"][...] = np.nan
    with zipfile.ZipFile(file, "w") as written:
        for name, data in (members | {"model.weights.h5": stream.getvalue()}).items():
            written.writestr(name, data)


def commands_on_models(folder, text):
    """Yield command lines that print what models hold; one of them by worker processes."""
    plain, named = folder / "plain.keras", folder / f"{safe(text)}.keras"
    others = (folder / "custom.keras", folder / "legacy.h5", folder / f"{safe(text)}.d")
    each = (plain, named, *others, folder / f"{safe(text)}.bad.keras")  # but those made for rules
    cache = f"--cache={folder.parent / 'cache'}"
    here = ("--no-isolate", cache)
    yield "check", "--format", "terminal", plain, named
    for format_ in TEXTS:
        yield "inspect", "--format", format_, "--verbose", *here, *each
        for fact, file in FACTS.items():
            yield "check", "--format", format_, *fact.split(), *here, folder / file
        yield "check", "--format", format_, *here, folder
        yield "report", "--format", format_, *here, *each
    yield "inspect", "--spectral", "--no-isolate", plain, named
    yield "inspect", "--no-weights", "--no-isolate", "--verbose", folder
    for format_ in ("terminal", "code", "json"):
        for file in (plain, named, folder / "REG101.keras", folder / "legacy.h5"):
            yield "suggest", file, "--format", format_
            yield "suggest", file, "--format", format_, "--train-loss", 0.1, "--val-loss", 2
    for format_ in ("terminal", "markdown", "json", "html"):
        yield "diff", MODELS / "tutorial-l2.keras", plain, *here, "--format", format_
        yield "diff", named, folder / "REG101.keras", *here, "--format", format_
        yield "diff", plain, folder / f"{safe(text)}.bad.keras", *here, "--format", format_
    for settings in (["--set", f"{safe(text)}:kernel=l2(1)"], ["--set", "*:kernel=l2(0.5)"]):
        yield "apply", named, "--dry-run", *settings
        yield "apply", folder / "legacy.h5", "--dry-run", *settings
    yield "apply", plain, "--dry-run", "--suggested"
    yield "apply", folder / "REG306.keras", "--dry-run", "--to-adamw"


def commands_with_words(text, model):
    """Yield command lines that print what was typed, and one file in which all is named."""
    name = text.encode("utf-8", "replace").decode()
    file = safe(text)
    yield "apply", model, "-o", f"{file}.d/x.keras", "--set", "*:kernel=l2(0.5)"
    yield "apply", model, "-o", f"{file}.out.keras", "--set", "*:kernel=l2(0.5)"
    yield "apply", f"{file}.out.keras", "--in-place", "--set", "*:kernel=l2(0.25)"
    yield "apply", f"{file}.out.keras", "--in-place", "--set", "*:kernel=l2(0.125)"
    yield "apply", f"{file}.out.keras", "--undo"
    yield "apply", f"{file}.out.keras", "--undo"
    for more in (["--recipe", name], ["--remove", name], ["--from", name], ["--suggested"]):
        yield "apply", model, "--dry-run", *more
    yield "apply", name, "--undo"
    for command in ("write", "write", "update", "prune"):
        yield "baseline", command, model, "--baseline", f"{file}.json"
    yield "check", MODELS / "custom.keras", "--baseline", f"{file}.json"
    yield "check", model, "--baseline", name
    for option in ("--layer", "--limit", "--config", "--select", "--ignore", "--preset", "--jobs"):
        yield "check", model, option, name
    for option in ("--output", "-o", "--format", "--cache", f"--{name}", "--fail-on"):
        yield "check", model, option, name
    yield "check", model, "--output", f"html:{file}.html"
    yield "report", model, "--html", f"{file}.html"
    yield "report", "--from", name, "--format", "terminal"
    yield "suggest", model, "--data", f"{name}.npz"
    yield from (("explain", name), ("rules", name), ("verify", name), ("suggest", name), (name,))
    yield from (("completions", name), ("config", name), ("schema", name), ("diff", name, name))
    host, user, path = "127.0.0.1:9", f"user:{name}@", f"/{name}"
    for url in (user + host, f"{host}{path}", f"{host}/?{name}", f"{name}/x", f"{host}/#{name}"):
        yield "check", f"https://{url}"
    yield "check", f"{file}://x"
    yield "check", f"zip://{name}\x3a\x3as3://x"


def assert_each_harmless(commands, folder):
    for arguments in commands:
        result = run(*arguments)
        assert result.exit_code in {0, 1, 2, 3}, arguments
        assert_harmless(arguments, result.output)
        assert_quoted(arguments, result.output)
        if "--format" in arguments and result.exit_code in {0, 1, 3} and result.stdout:
            assert_whole(arguments[arguments.index("--format") + 1], result.stdout)
    assert not list(folder.rglob("PWNED*"))


def test_no_command_prints_what_is_acted_on(folder, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_each_harmless(commands_on_models(folder, text), tmp_path)


def test_no_word_of_a_command_is_acted_on(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("regaudit.storage.object_store.RETRY_TIMEOUT", 0)
    shutil.copy(MODELS / "tutorial-l2.keras", f"{safe(text)}.keras")
    assert_each_harmless(commands_with_words(text, f"{safe(text)}.keras"), tmp_path)


def test_every_rule_speaks_of_these_names(folder):
    """Else the other tests here would say nothing about its messages."""
    runs = [[folder], *([*fact.split(), folder / file] for fact, file in FACTS.items())]
    codes = set()
    for one in runs:
        found = json.loads(run("check", "--format", "json", "--no-isolate", *one).stdout)
        codes |= {one["code"] for report in found["reports"] for one in report["findings"]}
    missing = {rule.about.code for rule in rules() if not rule.about.on_settings} - codes
    assert missing <= {"REG210", "REG905"}


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("keras_in_this_process")
def test_what_real_keras_says_is_not_acted_on(tmp_path):
    file, text = tmp_path / "m.keras", NAMES["lines"]
    with zipfile.ZipFile(MODELS / "tutorial-l2.keras") as opened, zipfile.ZipFile(file, "w") as new:
        for name in opened.namelist():
            data = opened.read(name)
            if name == "config.json":
                data = json.dumps(renamed(json.loads(data), text, only_names=True)).encode()
            new.writestr(name, data)
    np.savez(tmp_path / "d.npz", x=np.zeros((2, 784), "f4"), y=np.zeros(2))
    result = run("verify", file, "--data", tmp_path / "d.npz")
    assert_harmless(("verify",), result.output)


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
    """The text in the place of each string and key, by itself."""
    record = json.loads(run("check", MODELS / "tutorial-l2.keras", "--format", "jsonl").stdout)
    file = tmp_path / "results.jsonl"
    lines = [json.dumps(one) for one in mutated(record, text)]
    assert len(lines) > 50
    file.write_text(
        "\n".join((*lines, json.dumps({text: text}), text.encode("utf-8", "replace").decode()))
    )
    for format_ in TEXTS:
        result = run("report", "--from", file, "--format", format_)
        assert_harmless((format_,), result.output)
        assert_whole(format_, result.stdout)


def test_no_baseline_is_acted_on(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(MODELS / "tutorial-l2.keras", "m.keras")
    run("baseline", "write", "m.keras", "--baseline", "b.json")
    for one in mutated(json.loads((tmp_path / "b.json").read_text()), text):
        (tmp_path / "c.json").write_text(json.dumps(one))
        for command in (("check",), ("baseline", "update"), ("baseline", "prune")):
            result = run(*command, "m.keras", "--baseline", "c.json")
            assert_harmless((command, one), result.output)


def test_no_edit_is_acted_on(text, tmp_path):
    edits = json.loads(run("suggest", MODELS / "digits-cnn.keras", "--format", "json").stdout)
    for one in mutated({"edits": edits["edits"]}, text):
        (tmp_path / "e.json").write_text(json.dumps(one))
        arguments = (
            "apply",
            MODELS / "digits-cnn.keras",
            "--dry-run",
            "--from",
            tmp_path / "e.json",
        )
        assert_harmless((one,), run(*arguments).output)


def test_a_summary_of_a_step_has_no_markup_of_a_name(folder, tmp_path, monkeypatch):
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", os.fspath(summary))
    run("check", folder, "--no-isolate", "--format", "github")
    written = summary.read_text("utf-8")
    assert_harmless((), written)
    assert "<b" not in re.sub(r"\\.", "", written)
