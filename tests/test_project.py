"""What a forge and a citation manager read of the project."""

import yaml
from paths import ROOT

from regaudit.version import VERSION

FORMS = ROOT / ".github" / "ISSUE_TEMPLATE"


def test_the_citation_is_of_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= cited.keys()
    assert cited["version"] == VERSION


def test_issue_forms_are_such_as_a_forge_takes():
    forms = [yaml.safe_load(file.read_text("utf-8")) for file in FORMS.glob("*.yml")]
    assert len(forms) == 3
    for form in forms:
        assert {"name", "description", "body"} <= form.keys()
        asked = [part for part in form["body"] if part["type"] != "markdown"]
        assert {part["type"] for part in asked} <= {"textarea", "input"}
        assert all(part["attributes"]["label"] for part in asked)
        assert len({part["id"] for part in asked}) == len(asked)


def test_workflows_call_what_is_there():
    for file in (ROOT / ".github" / "workflows").glob("*.yml"):
        jobs = yaml.safe_load(file.read_text("utf-8"))["jobs"]
        for step in [step for job in jobs.values() for step in job["steps"] if "run" in step]:
            for word in step["run"].split():
                assert not word.startswith(".ci/") or (ROOT / word).is_file(), word
