"""`--no-weights`: what can be known without a value is said, the rest is said to be unknown."""

import json

import jsonschema
import pytest
from command_line import USABLE, run
from msgspec.structs import replace
from paths import CORPUS, FIXTURES, MODELS

from regaudit import Config, audit
from regaudit.evidence.needs import VALUES
from regaudit.renderers.interface import renderer
from regaudit.rules.interface import rules
from regaudit.tensors.dequantized import DequantizedTensor
from regaudit.tensors.tensor import ArrayTensor, StoredTensor

FILES = sorted(
    file for file in CORPUS.glob("*/*") if file.suffix in {".keras", ".h5", ".savedmodel"}
)


def unread(**flags):
    return replace(Config.default(**flags), weights=False)


def of_json(*arguments):
    result = run("inspect", *arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["reports"][0]


def test_numbers_are_null_and_the_reason_is_given():
    report = of_json(MODELS / "regularized-cnn.keras", "--no-weights")
    kernel = next(w for layer in report["layers"] for w in layer["weights"] if w["regularizer"])
    names = ("penalty", "penalty_share", "l1_norm", "l2_norm", "max_abs", "mean", "std")
    names += ("nonfinite", "zeros", "sparsity", "near_zeros", "units", "dead_units")
    assert {name: kernel[name] for name in names} == dict.fromkeys(names)
    assert kernel["regularizer"]["l2"] == 0.0001
    assert kernel["regularizer"]["status"] == "in force"
    assert report["penalty"] == {"total": None, "complete": False}
    assert report["coverage"]["measured"] == 0
    reason = "not measured: --no-weights reads shapes and dtypes, not the values"
    assert {"path": "(weights)", "reason": reason} in report["coverage"]["skipped"]


def test_shapes_and_regularizers_are_those_of_a_full_audit():
    files = [*MODELS.glob("*.keras"), *FILES[::3]]
    assert len(files) > 100
    for file in files:
        whole, part = audit(file), audit(file, unread())
        assert part.failure == whole.failure
        assert part.model == whole.model, file
        assert not part.moments


def test_a_penalty_of_nothing_is_known_without_values():
    report = of_json(FIXTURES / "rules" / "REG101" / "bad.keras", "--no-weights")
    assert report["penalty"] == {"total": 0.0, "complete": True}


def test_rules_that_need_values_are_said_not_to_have_run():
    report = of_json(MODELS / "everything.keras", "--no-weights")
    needy = {rule.about.code for rule in rules() if VALUES in rule.needs}
    assert needy == {"REG202", "REG206", "REG211", *(f"REG40{n}" for n in range(1, 7))}
    said = {one["code"]: one["needs"] for one in report["not_run"] if not one["partly"]}
    assert needy <= said.keys()
    assert all("--no-weights" in said[code] for code in needy)
    assert not needy & {finding["code"] for finding in report["findings"]}


@pytest.mark.parametrize("folder", sorted((FIXTURES / "rules").iterdir()), ids=lambda f: f.name)
def test_rules_that_need_no_values_find_the_same(folder):
    rule = next((rule for rule in rules() if rule.about.code == folder.name), None)
    assert rule is not None
    file = next((f for f in (folder / "bad.keras", folder / "bad.h5") if f.exists()), None)
    if file is None or VALUES in rule.needs or rule.about.facts.train_loss is not None:
        pytest.skip("has no file, or needs values or losses with penalties")
    facts = {name: getattr(rule.about.facts, name) for name in ("train_size", "batch_size")}
    found = [
        {f.code: {i.path for i in f.items} for f in report.findings}.get(folder.name)
        for report in (audit(file, Config.default(**facts)), audit(file, unread(**facts)))
    ]
    assert found[0] is not None
    assert found[0] == found[1]


def test_no_number_is_made_up_where_none_was_read():
    for folder, text in (("REG308", "adds to the loss"), ("REG309", "adds to the loss")):
        report = of_json(FIXTURES / "rules" / folder / "bad.keras", "--no-weights")
        finding = next(one for one in report["findings"] if one["code"] == folder)
        assert text in finding["message"]
        assert "penalty" not in finding["observed"]


def test_a_loss_above_chance_is_said_without_the_penalty():
    file = FIXTURES / "rules" / "REG203" / "bad.keras"
    report = of_json(file, "--no-weights", "--train-loss", "3")
    finding = next(one for one in report["findings"] if one["code"] == "REG203")
    assert finding["message"].startswith("the training loss of 3 alone is above")
    assert "total_penalty" not in finding["observed"]


def test_no_value_of_a_weight_is_read(monkeypatch):
    read = []

    def watching(kind):
        blocks = kind.blocks

        def watched(self, *at):
            read.append(tuple(self.shape))
            return blocks(self, *at)

        return watched

    for kind in (StoredTensor, ArrayTensor, DequantizedTensor):
        monkeypatch.setattr(kind, "blocks", watching(kind))
    report = audit(MODELS / "everything.keras", unread())
    assert report.model is not None
    assert set(read) <= {()}  # the optimizer's counter of steps


@pytest.mark.parametrize("format_", USABLE)
@pytest.mark.parametrize("name", ["everything.keras", "regularized-cnn.keras", "custom.keras"])
def test_every_renderer_copes(format_, name, tmp_path):
    into = ("-o", tmp_path / "results") if renderer(format_).binary else ()
    result = run("inspect", MODELS / name, "--no-weights", "--format", format_, *into)
    assert result.exit_code == 0, result.output
    if format_ in {"json", "html", "markdown", "terminal", "sarif"}:
        assert "no-weights" in result.output


def test_the_output_fits_the_schema():
    schema = json.loads(run("schema").stdout)
    fits = jsonschema.validators.validator_for(schema)(schema)  # holds the schema itself once
    files = [*MODELS.glob("*.keras"), *FILES[::7]]
    assert len(files) > 50
    for file in files:
        result = run("inspect", file, "--no-weights", "--format", "json")
        fits.validate(json.loads(result.stdout))


def test_check_and_report_take_it_too(tmp_path):
    page = tmp_path / "page.html"
    result = run("report", MODELS / "everything.keras", "--no-weights", "--html", page)
    assert result.exit_code == 0
    assert "not known: with --no-weights the values are not read" in page.read_text()
    assert run("check", FIXTURES / "rules" / "REG101" / "bad.keras", "--no-weights").exit_code == 1


def test_a_baseline_keeps_what_was_not_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = FIXTURES / "rules" / "REG401" / "bad.keras"
    baseline = tmp_path / "baseline.json"
    assert run("baseline", "write", file, "--baseline", baseline).exit_code == 0
    result = run("check", file, "--no-weights", "--baseline", baseline)
    assert "REG401" in baseline.read_text()
    assert "no longer found" not in result.stderr
