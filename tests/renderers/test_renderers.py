"""What programs read: valid by the schemas of others, within their limits, and all the same."""

import csv
import io
import json
import re
from datetime import date
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from command_line import USABLE, run
from jsonschema import Draft7Validator
from msgspec.structs import replace
from paths import FIXTURES, MODELS, SCHEMAS

import regaudit
from regaudit.cli.output import SUMMARY, summarize
from regaudit.cli.targets import FORMATS
from regaudit.model import Skip
from regaudit.renderers.interface import renderer
from regaudit.report.ignore import Ignore
from regaudit.report.report import Failure, Finding, NotRun, Occurrence, Report, Suppressed
from regaudit.report.severity import Severity
from regaudit.report.view import View
from regaudit.rules.interface import rules as all_rules
from regaudit.settings.config import Config

SARIF = Draft7Validator(json.loads((SCHEMAS / "sarif-2.1.0.json").read_text("utf-8")))
JUNIT = xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd")
ABOUTS = [rule.about for rule in all_rules()]
HOSTILE = "a]]>b\x1b[31m\u202e::error::x\n##[error]y%0A<\ufffe&\ud800,:"


def render(format_, reports, **settings):
    return renderer(format_).render(reports, ABOUTS, View(**settings))


def hostile():
    """Return reports with everything in them that could break a format."""
    item = Occurrence(HOSTILE, Severity.ERROR, HOSTILE, evidence=(HOSTILE,))
    note = Occurrence("", Severity.NOTE, "of the model as a whole")
    return [
        Report(
            f"dir/{HOSTILE}.keras",
            findings=(Finding("REG101", "large-layer-unregularized", (item, note)),),
            not_run=(NotRun("REG205", "underregularized", "--train-loss"),),
            suppressed=(Suppressed("REG402", "dead-units", item, HOSTILE, Ignore("REG402", "x")),),
            skipped=(Skip(HOSTILE, HOSTILE),),
        ),
        Report("gone.keras", failure=Failure("UnreadableModelError", HOSTILE)),
    ]


def everything():
    """Return the audits of all fixtures, by strict rules, and of a file that is none."""
    files = sorted(MODELS.glob("*.keras")) + sorted((FIXTURES / "rules").glob("*/bad.keras"))
    assert len(files) > 40
    config = replace(
        Config.default(), ignores=(Ignore("REG401", "known", expires=date(9999, 1, 1)),)
    )
    return [regaudit.audit(file, config) for file in (*files, Path("gone.keras"))]


@pytest.fixture(scope="module")
def audited():
    return everything()


def many(count, severity=Severity.WARNING):
    items = tuple(Occurrence(f"l{n}/kernel", severity, "bad") for n in range(count))
    return [Report("m.keras", findings=(Finding("REG101", "large-layer-unregularized", items),))]


class TestSarif:
    def test_is_valid(self, audited):
        for reports in (audited, hostile(), many(3), []):
            SARIF.validate(json.loads(render("sarif", reports)))

    def test_places_are_relative_to_the_repository(self, tmp_path, monkeypatch):
        (tmp_path / "sub" / "a b").mkdir(parents=True)
        (tmp_path / "sub" / "a b" / "m#1.keras").write_bytes(b"")
        monkeypatch.chdir(tmp_path / "sub")
        for named in ("a b/m#1.keras", str(tmp_path / "sub" / "a b" / "m#1.keras")):
            report = replace(many(1)[0], file=named)
            run = json.loads(render("sarif", [report], root=tmp_path))["runs"][0]
            (result,) = run["results"]
            location = result["locations"][0]
            uri = location["physicalLocation"]["artifactLocation"]["uri"]
            assert uri == "sub/a%20b/m%231.keras" == run["artifacts"][0]["location"]["uri"]
            assert location["logicalLocations"][0]["fullyQualifiedName"] == "l0/kernel"

    def test_fingerprints_name_the_place_and_not_the_values(self):
        def prints(reports):
            results = json.loads(render("sarif", reports))["runs"][0]["results"]
            return [one["partialFingerprints"]["primaryLocationLineHash"] for one in results]

        first, again = many(3), many(3, Severity.NOTE)
        assert prints(first) == prints(again)
        assert len({*prints(first), *prints([replace(first[0], file="other.keras")])}) == 6

    def test_rules_have_help_and_levels(self):
        rules = json.loads(render("sarif", []))["runs"][0]["tool"]["driver"]["rules"]
        assert [rule["id"] for rule in rules] == [about.code for about in ABOUTS]
        for rule, about in zip(rules, ABOUTS, strict=True):
            assert about.source in rule["help"]["markdown"]
            assert rule["defaultConfiguration"]["level"] == str(about.severity)

    def test_what_is_accepted_is_suppressed_with_its_reason(self):
        results = json.loads(render("sarif", hostile()))["runs"][0]["results"]
        suppressed = [one for one in results if one["suppressions"]]
        assert [one["ruleId"] for one in suppressed] == ["REG402"]
        assert suppressed[0]["suppressions"][0]["justification"] == HOSTILE

    def test_failures_are_notifications(self):
        (invocation,) = json.loads(render("sarif", hostile()))["runs"][0]["invocations"]
        assert invocation["executionSuccessful"] is False
        errors = [n for n in invocation["toolExecutionNotifications"] if n["level"] == "error"]
        assert [one["descriptor"]["id"] for one in errors] == ["UnreadableModelError"]

    def test_the_worst_are_kept_and_the_cut_is_announced(self):
        reports = many(6000, Severity.NOTE) + many(10, Severity.ERROR)
        run = json.loads(render("sarif", reports))["runs"][0]
        assert len(run["results"]) == 5000
        assert [one["level"] for one in run["results"][:11]] == ["error"] * 10 + ["note"]
        said = run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
        assert said.startswith("1,010 of 6,010 results are left out")


class TestJunit:
    def test_is_valid(self, audited):
        for reports in (audited, hostile(), many(3), []):
            JUNIT.validate(render("junit", reports))

    def test_a_case_for_each_rule_fails_from_fail_on_upward(self):
        for fail_on, failures in ((Severity.WARNING, "1"), (Severity.ERROR, "0")):
            root = ET.fromstring(render("junit", many(3), fail_on=fail_on))
            (suite,) = root
            assert suite.get("tests") == str(len(ABOUTS) + 1)
            assert suite.get("failures") == root.get("failures") == failures
            (case,) = (c for c in suite if c.get("name") == "REG101 large-layer-unregularized")
            said = case.findtext("failure") if failures == "1" else case.findtext("system-out")
            assert said.count("warning: l") == 3

    def test_reading_is_a_case_and_its_failure_an_error(self):
        suites = ET.fromstring(render("junit", hostile()))
        assert [suite.get("errors") for suite in suites] == ["0", "1"]
        assert [suite.get("skipped") for suite in suites] == ["1", "0"]
        assert suites[1].find("testcase/error").get("type") == "UnreadableModelError"


class TestGithub:
    def test_commands_are_escaped_and_nothing_else_is_one(self):
        lines = render("github", hostile()).splitlines()
        commands = [line for line in lines if line.lstrip().startswith("::")]
        names = [re.match(r"::(\w+)", line)[1] for line in commands]
        assert names == ["error", "error", "group", "endgroup", "group", "endgroup"]
        assert not any("##[" in line for line in lines if line not in commands)
        assert re.fullmatch(r"::error file=[^:,]+,title=[^:,]+::.+", commands[0])

    def test_ten_of_a_level_and_the_rest_announced(self):
        reports = [replace(many(2)[0], file=f"{n}.keras") for n in range(30)]
        lines = render("github", reports).splitlines()
        shown = [line for line in lines if line.startswith("::warning")]
        assert len(shown) == 10
        assert "21 more findings" in shown[-1]
        assert "and 1 more place" in shown[0]


class TestJsonl:
    def test_each_line_is_a_report_of_the_json(self, audited):
        lines = [json.loads(line) for line in render("jsonl", audited).splitlines()]
        content = json.loads(render("json", audited))
        head = {"schema": content["schema"], "regaudit": content["regaudit"]}
        assert lines == [{**head, **report} for report in content["reports"]]


def test_a_glob_chooses_layers_in_json_too(audited):
    for format_, reports in (
        ("json", json.loads(render("json", audited, layer="block/*"))["reports"]),
        ("jsonl", list(map(json.loads, render("jsonl", audited, layer="block/*").splitlines()))),
    ):
        paths = [layer["path"] for report in reports for layer in report["layers"]]
        assert paths, format_
        assert all(path.startswith("block") for path in paths), format_


def told(format_, text):
    """Return (file, code, path) of all findings, and the files that failed, as a format tells."""
    return globals()[f"_{format_}"](text)


def _json(text):
    reports = json.loads(text)["reports"]
    return _records(reports)


def _jsonl(text):
    return _records(map(json.loads, text.splitlines()))


def _records(reports):
    found, failed = set(), set()
    for report in reports:
        for finding in report["findings"]:
            found |= {(report["file"], finding["code"], item["path"]) for item in finding["items"]}
        if report["failure"]:
            failed.add(report["file"])
    return found, failed


def _concise(text):
    lines = [re.match(r"(.*?):(?: could not|(.*?): (REG\d+)) ", line) for line in text.splitlines()]
    found = {
        (line[1], line[3], "" if line[2] == "(model)" else line[2]) for line in lines if line[3]
    }
    return found, {line[1] for line in lines if not line[3]}


def _csv(text):
    rows = list(csv.DictReader(io.StringIO(text)))
    found = {(row["file"], code, row["path"]) for row in rows for code in row["findings"].split()}
    return found, {row["file"] for row in rows if row["failure"]}


def _sarif(text):
    (run,) = json.loads(text)["runs"]

    def uri(one):
        return one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].removeprefix(
            "file://"
        )

    found = {
        (
            uri(one),
            one["ruleId"],
            one["locations"][0]["logicalLocations"][0]["fullyQualifiedName"].replace("(model)", ""),
        )
        for one in run["results"]
        if not one["suppressions"]
    }
    notes = run["invocations"][0]["toolExecutionNotifications"]
    return found, {uri(note) for note in notes if note["level"] == "error"}


def _junit(text):
    found, failed = set(), set()
    for case in ET.fromstring(text).iter("testcase"):
        said = f"{case.findtext('failure') or ''}\n{case.findtext('system-out') or ''}"
        for path in re.findall(r"^(?:note|warning|error): (\S*):", said, re.MULTILINE):
            code = case.get("name").split()[0]
            found.add((case.get("classname"), code, path.replace("(model)", "")))
        if case.find("error") is not None:
            failed.add(case.get("classname"))
    return found, failed


def _github(text):
    found, failed, file = set(), set(), ""
    for line in text.splitlines():
        if match := re.match(r"::group::(\S+): (.*)", line):
            file = match[1]
            if match[2].startswith("could not be audited"):
                failed.add(file)
        elif match := re.match(r"(?:note|warning|error) (REG\d+) \S+: (\S+):", line):
            found.add((file, match[1], match[2].replace("(model)", "")))
    return found, failed


def _headed(text, heading, finding, place):
    """Read formats for people: headings of files and findings, and lines of places."""
    found, failed, file, code = set(), set(), "", ""
    for line in text.replace("\\", "").splitlines():
        if match := re.match(heading, line):
            file, code = match[1], ""
        elif match := re.match(finding, line):
            code = match[1]
        elif line == "### Remarks":
            code = ""
        elif code and (match := re.match(place, line)):
            found.add((file, code, match[1].replace("(model)", "")))
        if "could not be audited" in line:
            failed.add(file)
    return found, failed


def _markdown(text):
    finding = r"### \w+: (REG\d+)"
    return _headed(text, r"## (\S+)", finding, r"- (\S+?)(?: \((?:note|warning|error)\))?: ")


def _terminal(text):
    return _headed(text, r"(\S+\.keras): ", r"[EWN] (REG\d+) ", r"    (?:[EWN] )?([^ ]+): ")


def test_every_format_of_a_run_carries_the_same_findings(audited):
    expected = {
        (report.file, finding.code, item.path)
        for report in audited
        for finding in report.findings
        for item in finding.items
    }
    codes = {code for _, code, _ in expected}
    assert len(codes) >= 6
    for format_ in sorted(set(FORMATS) - {"html", "notebook", "parquet"}):
        text = render(format_, audited, verbose=True, width=400, tables=format_ in {"csv", "json"})
        found, failed = told(format_, text)
        assert found == expected, format_
        assert failed == {"gone.keras"}, format_


@pytest.mark.parametrize("format_", ["html", "notebook"])
def test_a_page_names_every_finding_and_place(audited, format_):
    page = render(format_, audited)
    for report in audited:
        for finding in report.findings:
            assert finding.code in page
            assert all(item.path in page for item in finding.items)


def test_several_outputs_of_one_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    model = str(MODELS / "digits-cnn.keras")
    outputs = [f"{format_}:out.{format_}" for format_ in USABLE]
    arguments = [part for output in outputs for part in ("--output", output)]
    for command, code in (("check", 1), ("inspect", 0), ("report", 0)):
        result = run(command, model, *arguments)
        assert result.exit_code == code, result.output
        for format_ in USABLE:
            file = Path(f"out.{format_}")
            assert b"REG101" in file.read_bytes(), format_
            file.unlink()
    said = summary.read_text()
    assert said.startswith("before\n")
    assert said.count("### Error: REG101") == 3


def test_a_summary_stays_within_its_limit(tmp_path, monkeypatch):
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    for _ in range(3):
        summarize("x" * 99 + "\n" + ("y" * 99 + "\n") * 6000)
    text = summary.read_bytes()
    assert len(text) <= SUMMARY
    assert text.rstrip().endswith(b"The rest is left out: GitHub keeps at most 1 MiB of a summary.")


@pytest.mark.parametrize("output", ["sarif", "sarif:", "sarrif:out", ":out"])
def test_a_wrong_output_is_a_usage_error(output):
    result = run("check", "x.keras", "--output", output)
    assert result.exit_code == 2
    assert "is not FORMAT:FILE, where FORMAT is one of concise, " in result.output
