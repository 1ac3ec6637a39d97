"""The README's recipe for MLflow, with the real package where it is installed."""

import re

import pytest
from paths import MODELS, ROOT

import regaudit

mlflow = pytest.importorskip("mlflow")


@pytest.mark.filterwarnings("ignore")
def test_the_recipe_leaves_tag_and_metrics_in_the_run(tmp_path, monkeypatch):
    readme = (ROOT / "README.md").read_text("utf-8")
    (program,) = (
        one for one in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "mlflow" in one
    )
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())  # the skinny package keeps files
    exec(program, {})
    (run,) = mlflow.search_runs(output_format="list")
    report = regaudit.audit(MODELS / "regularized-cnn.keras")
    assert run.data.tags["regaudit"] == "no findings"
    assert run.data.metrics["penalty"] == pytest.approx(report.penalty)
    norms = {f"l2_norm/{weight.path}" for _, weight in report.model.weights()}
    assert norms <= run.data.metrics.keys()
