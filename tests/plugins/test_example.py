"""The example distribution is installed as pip does it, and audits are made with it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import run
from doc_pages import pages
from doc_reader import follow
from jsonschema import Draft7Validator, Draft202012Validator
from paths import FIXTURES, MODELS, SCHEMAS
from plug_ins import codes, example_file, install, install_example, reports

import regaudit
from regaudit.errors import UsageError
from regaudit.report.schema import json_schema
from regaudit.rules.interface import rules
from regaudit.settings.config import Config, read_config
from regaudit.testing import assert_documented

PLUG_IN = FIXTURES / "plugin"
OWN = MODELS / "tutorial-activity-l1.keras"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return install_example(tmp_path_factory.mktemp("plug-in"))


@pytest.fixture(autouse=True)
def here(installed, tmp_path, monkeypatch):
    """Work where two models are, with the distribution installed."""
    install(monkeypatch, installed)
    monkeypatch.chdir(tmp_path)
    for name in ("first.example", "second.example"):
        example_file(tmp_path / name)
    return tmp_path


def test_it_audits_in_one_process_and_in_workers():
    alone = run("check", ".", "--format", "json", "--no-isolate")
    assert alone.exit_code == 0, alone.output
    for report in reports(alone):
        assert (report["format"], codes(report)) == ("example", ["EXA101"])
        assert report["findings"][0]["path"] == "dense/kernel"
        assert report["penalty"]["total"] == pytest.approx(16.0)
        (plug_in,) = report["plugins"]
        assert plug_in == {
            "name": "regaudit-example",
            "version": "1.0",
            "rules": ["EXA101"],
            "formats": ["example"],
        }
    assert run("check", ".", "--format", "json", "--jobs", 2).stdout == alone.stdout
    Draft202012Validator(json_schema()).validate(json.loads(alone.stdout))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(os.name == "nt", reason="as the other tests on a cluster")
def test_it_audits_on_dask_where_the_workers_have_the_same_version(here, installed, tmp_path):
    dask_clusters = pytest.importorskip("dask_clusters")
    path = os.pathsep.join([str(installed), dask_clusters.ENVIRONMENT["PYTHONPATH"]])
    dask = dask_clusters.Dask(tmp_path, workers=1, environment={"PYTHONPATH": path})
    try:
        files = [str(here / "first.example"), str(here / "second.example"), str(OWN)]
        config = Config.default()
        there = list(regaudit.audit_files(files, config, dask=dask.address))
        assert there == list(regaudit.audit_files(files, config, isolate=False))
        assert [report.format for report in there] == ["example", "example", "keras"]
        assert "EXA101" in {finding.code for finding in there[0].findings}
        newer = shutil.copytree(installed, tmp_path / "newer")
        (metadata,) = newer.glob("*.dist-info/METADATA")
        text = metadata.read_text("utf-8")
        metadata.write_text(text.replace("Version: 1.0", "Version: 2.0"), "utf-8")
        with pytest.MonkeyPatch.context() as patch:
            install(patch, newer)
            with pytest.raises(UsageError) as caught:
                list(regaudit.audit_files(files, Config.default(), dask=dask.address))
    finally:
        dask.end()
    assert "has regaudit-example 1.0, this is 2.0" in str(caught.value)
    assert "--no-plugins" in str(caught.value)


def test_its_renderer_is_a_format_like_any_other():
    for arguments in (["--format", "example"], ["--output", "example:out.txt", "-o", "t.txt"]):
        result = run("check", "first.example", *arguments)
        assert result.exit_code == 0, result.output
    said = "* first.example: 1 warning\n  - EXA101 dense/kernel: L2(0.5) is not between 1e-06"
    assert run("report", "first.example", "--format", "example").stdout.startswith(said)
    assert Path("out.txt").read_text().startswith(said)
    wrong = run("check", "first.example", "--format", "exampel")
    assert wrong.exit_code == 2
    assert "did you mean 'example'?" in wrong.stderr
    none = run("check", "first.example", "--format", "example", "--no-plugins")
    assert (none.exit_code, "no plug-in in use" in none.stderr) == (2, True)


def test_settings_are_for_its_rules_too():
    def found(text, *arguments):
        Path("regaudit.toml").write_text(text)
        result = run("check", "first.example", "--format", "json", *arguments)
        assert result.exit_code in {0, 1}, result.output
        return codes(reports(result)[0])

    accepted = '[[ignore]]\ncode = "EXA101"\nlayer = "*"\nreason = "reviewed"\n'
    assert found('select = ["EXA"]') == ["EXA101"]
    assert found('select = ["strength-outside-policy"]') == ["EXA101"]
    assert found("", "--ignore", "EXA101") == []
    assert found("", "--ignore", "EXA1") == []
    assert found("[rules.EXA101]\nhighest = 1.0") == []
    assert found(accepted) == []
    assert found("plugins = ['regaudit_example']") == ["EXA101"]
    Path("regaudit.toml").write_text('[rules.EXA101]\nseverity = "note"\n')
    (report,) = reports(run("check", "first.example", "--format", "json"))
    assert report["findings"][0]["severity"] == "note"
    Path("regaudit.toml").write_text("[rules.EXA101]\nhigest = 1.0")
    assert "did you mean 'highest'" in run("check", "first.example").stderr


def test_plug_ins_are_switched_off_or_asked_for():
    Path("regaudit.toml").write_text("plugins = false")
    for arguments in (["check", "first.example"], ["check", OWN, "--select", "EXA101"]):
        assert run(*arguments).exit_code in {2, 3}
    assert run("explain", "EXA101").exit_code == 2
    assert "EXA101" not in run("rules").stdout
    assert "plugins = false" in run("check", "--show-settings").stdout
    Path("regaudit.toml").write_text('plugins = ["regaudit-exampel"]')
    result = run("check", OWN)
    assert result.exit_code == 2
    assert "no distribution 'regaudit-exampel' with plug-ins is installed" in result.stderr
    Path("regaudit.toml").write_text("plugins = 3")
    assert "plugins must be true, false or a list" in run("check", OWN).stderr


def test_settings_of_its_rules_do_not_stop_a_run_without_it(monkeypatch):
    Path("regaudit.toml").write_text(
        '[rules.EXA101]\nhighest = 1.0\n[[ignore]]\ncode = "EXA101"\nreason = "reviewed"\n'
        '[[override]]\nmodel = "*"\nrules.EXA101.severity = "note"\n'
    )
    assert run("check", OWN, "--no-plugins").exit_code == 0
    chosen = run("check", OWN, "--no-plugins", "--select", "EXA101")
    assert (chosen.exit_code, "leave plug-ins out" in chosen.stderr) == (2, True)
    monkeypatch.setattr(sys, "path", sys.path[1:])
    for arguments in (["check", OWN], ["explain", "EXA101"]):
        missing = run(*arguments)
        assert (missing.exit_code, "no installed plug-in has it" in missing.stderr) == (2, True)
    assert "did you mean 'REG101'?" in run("explain", "RGE101").stderr


def test_it_is_explained_and_listed():
    for name in ("EXA101", "exa101", "strength-outside-policy"):
        assert "From regaudit-example 1.0." in run("explain", name).stdout.replace("\n", " ")
    assert "did you mean 'EXA101'?" in run("explain", "EXA1O1").stderr
    assert "regaudit-example 1.0" in run("rules").stdout
    (rule,) = [
        one for one in json.loads(run("rules", "--format", "json").stdout) if "plugin" in one
    ]
    assert (rule["code"], rule["plugin"]) == ("EXA101", "regaudit-example 1.0")
    assert rule["thresholds"] == {"lowest": 1e-6, "highest": 0.01}


def test_settings_that_are_shown_give_the_same_settings():
    shown = run("check", "--show-settings").stdout
    assert 'plugins = ["regaudit-example"]\n# with regaudit-example 1.0\n' in shown
    Path("shown.toml").write_text(shown)
    assert read_config(Path("shown.toml")).rules == Config.default().rules
    assert (
        run("check", "--config", "shown.toml", "--show-settings").stdout.splitlines()[1:]
        == (shown.splitlines()[1:])
    )


def test_reports_name_it_with_its_version():
    for format_ in ("terminal", "html", "markdown", "github"):
        text = run("report", "first.example", "--format", format_).stdout.lower()
        assert "with plug-ins: regaudit-example 1.0" in text, format_
    sarif = json.loads(run("check", "first.example", "--format", "sarif").stdout)
    Draft7Validator(json.loads((SCHEMAS / "sarif-2.1.0.json").read_text("utf-8"))).validate(sarif)
    tool, (result,) = sarif["runs"][0]["tool"], sarif["runs"][0]["results"]
    (extension,) = tool["extensions"]
    assert (extension["name"], extension["version"]) == ("regaudit-example", "1.0")
    (rule,) = extension["rules"]
    assert rule["helpUri"] == "https://wiki.example/training#strengths"
    assert result["rule"] == {
        "id": "EXA101",
        "index": 0,
        "toolComponent": {"name": "regaudit-example"},
    }
    assert "EXA101" not in {one["id"] for one in tool["driver"]["rules"]}


def test_results_are_read_back():
    written = run("check", "first.example", "--format", "jsonl", "-o", "results.jsonl")
    assert written.exit_code == 0
    for arguments in ([], ["--no-plugins"]):  # as where it is not installed
        again = run("report", "--from", "results.jsonl", "--format", "json", *arguments)
        assert again.exit_code == 0, again.output
        assert (
            json.loads(Path("results.jsonl").read_text())["plugins"]
            == (reports(again)[0]["plugins"])
        )


def test_the_cache_knows_its_version(installed, monkeypatch, tmp_path):
    def cached():
        result = run("check", "first.example", "--format", "json", "--cache=kept")
        assert result.exit_code == 0, result.output
        return len(list(Path("kept").glob("*/*.msgpack")))

    assert [cached(), cached()] == [1, 1]
    newer = shutil.copytree(installed, tmp_path / "newer")
    (metadata,) = newer.glob("*.dist-info/METADATA")
    metadata.write_text(metadata.read_text("utf-8").replace("Version: 1.0", "Version: 2.0"))
    install(monkeypatch, newer)
    assert cached() == 2


def test_its_own_tests_pass(installed):
    options = ("-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", PLUG_IN)
    options = (*options, "-k", "not documentation", PLUG_IN / "tests")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert "4 passed" in result.stdout


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("keras")
def test_its_documentation_is_true():
    (rule,) = [rule for rule in rules() if rule.about.code == "EXA101"]
    assert_documented(rule)


def test_a_damaged_file_of_its_format_is_that_files_failure():
    Path("first.example").write_bytes(b"regaudit-example 1\n{")
    result = run("check", ".", "--format", "json")
    assert result.exit_code == 3
    first, second = reports(result)
    assert first["failure"] == {
        "kind": "UnreadableModelError",
        "message": "first.example is damaged",
    }
    assert codes(second) == ["EXA101"]


@pytest.mark.parametrize("page", pages("plug-in"))
def test_its_page_can_be_followed(page, here):
    follow(page, here)
