"""The recipe for MLflow in docs/how-to/notebooks.md, with the real package where it is there."""

import pytest
from doc_pages import blocks
from paths import MODELS, ROOT

import regaudit

mlflow = pytest.importorskip("mlflow")


@pytest.mark.filterwarnings("ignore")
def test_the_recipe_leaves_tag_and_metrics_in_the_run(tmp_path, monkeypatch):
    page = (ROOT / "docs/how-to/notebooks.md").read_text("utf-8")
    (program,) = (block.text for block in blocks(page) if "import mlflow" in block.text)
    monkeypatch.chdir(MODELS)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())  # the skinny package keeps files
    exec(program, {})
    (run,) = mlflow.search_runs(output_format="list")
    report = regaudit.audit(MODELS / "digits-cnn.keras")
    assert run.data.tags["regaudit"] == "REG101"
    assert run.data.metrics["penalty"] == pytest.approx(report.penalty)
    norms = {f"l2_norm/{weight.path}" for _, weight in report.model.weights()}
    assert norms <= run.data.metrics.keys()
