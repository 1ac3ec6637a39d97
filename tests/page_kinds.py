"""The kinds of page that there are, as people get them, for tests in a browser."""

from functools import cache

import numpy as np
from msgspec.structs import replace
from page_values import audited, deep, dense, finding, render, to_l2
from paths import MODELS
from sweep_values import three_kinds

from regaudit import Reports, audit
from regaudit.changes.compare import diff
from regaudit.changes.html import html
from regaudit.evidence.training_facts import Facts
from regaudit.model import Layer, Weight
from regaudit.renderers.html import Html
from regaudit.report.report import Failure, Report
from regaudit.report.severity import Severity
from regaudit.report.view import View
from regaudit.settings.config import Config
from regaudit.sweeping.html import page

DIGITS = MODELS / "digits-cnn.keras"
LOSSES = Facts(train_loss=0.0032, val_loss=0.5083)
CONFIG = replace(Config.default(), detailed=True)
ABOUTS = [one.about for one in CONFIG.rules]


def one_model():
    return Html().render([audit(DIGITS, replace(CONFIG, facts=LOSSES))], ABOUTS, View())


def _normalization(name):
    vectors = (("gamma", True), ("beta", True), ("moving_mean", False), ("moving_variance", False))
    weights = tuple(
        Weight(f"{name}/{role}", f"layers/{name}/vars/{n}", role, (64,), "float32", trainable)
        for n, (role, trainable) in enumerate(vectors)
    )
    return Layer(name, name, "BatchNormalization", {}, trainable=True, weights=weights)


def resnet50(stages=4):
    """Its 53 convolutions and their normalizations, by their real names, with small values."""
    random = np.random.default_rng(0)
    names = [("conv1_conv", "conv1_bn")]
    for stage, blocks in ((2, 3), (3, 4), (4, 6), (5, 3))[:stages]:
        for block in range(1, blocks + 1):
            parts = (0, 1, 2, 3) if block == 1 else (1, 2, 3)
            at = f"conv{stage}_block{block}"
            names += [(f"{at}_{part}_conv", f"{at}_{part}_bn") for part in parts]
    convolutions = [
        dense(name, None if n % 3 else 1e-4 * 10 ** (n % 2), random.normal(0, 0.3, (16, 16)))
        for n, (name, _) in enumerate(names)
    ]
    found = [
        finding("conv2_block1_1_conv/kernel", suggestion=to_l2("conv2_block1_1_conv/kernel")),
        finding(
            *(f"conv2_block{n}_{m}_conv/kernel" for n in (1, 2, 3) for m in (1, 2, 3)),
            code="REG201",
            severity=Severity.WARNING,
        ),
    ]
    head = dense("predictions", 0.01, random.normal(0, 0.1, (32, 10)))
    report = audited(*convolutions, head, file="models/resnet50-finetuned.keras", findings=found)
    bare = {one.name: one for one in report.model.layers}
    layers = [one for conv, bn in names for one in (bare[conv], _normalization(bn))]
    model = replace(report.model, name="resnet50", layers=(*layers, bare["predictions"]))
    return render(replace(report, model=model), rules=ABOUTS)


def checkpoints(count=6, kernels=4):
    """States of a run: a kernel grows, another dies, a finding comes."""
    random = np.random.default_rng(1)
    starts = [random.normal(0, 0.1, (16, 16)) for _ in range(4)]
    reports = []
    for epoch in range(1, count + 1):
        dying = starts[3] * (random.random((16, 16)) > epoch / 7)
        values = [starts[0] * epoch, starts[1], starts[2] * 0.9**epoch, dying]
        layers = [dense(f"encoder/dense_{n}", 0.001, values[n]) for n in range(kernels)]
        found = [finding("encoder/dense_0/kernel")] if epoch > count - 2 else []
        file = f"runs/2026-11-02-augmented/checkpoint-{epoch * 10:03}.keras"
        reports.append(audited(*layers, file=file, findings=found))
    return render(*reports, rules=ABOUTS)


def models(count=12, layers=6):
    """A folder: models with errors, with warnings, with none, with a second state, with what is
    not known, and one that cannot be read.
    """
    reports = [
        deep(
            layers + 2 * n,
            names="block_{block}/dense_{i}",
            file=f"models/team-{n % 3}/classifier-of-sounds-v{n}.keras",
            findings=[finding("block_0/dense_1/kernel", severity=Severity(n % 3 + 1))] * (n < 7),
        )
        for n in range(count - 4)
    ]
    names = ("tutorial-l1", "tutorial-l2", "custom")
    reports += [audit(MODELS / f"{name}.keras", CONFIG) for name in names]
    failure = Failure("UnreadableModelError", "not a Keras archive: cut short at 1,024 bytes")
    return render(*reports, Report("models/broken.keras", failure=failure), rules=ABOUTS)


def changes():
    old = audit(MODELS / "regularized-cnn.keras", CONFIG)
    return html(diff(old, audit(DIGITS, CONFIG)), ABOUTS, View())


def sweep():
    return page(three_kinds())


JUPYTERLAB = """<!DOCTYPE html><html lang="en"><head><title>JupyterLab</title><style>
body {{ --jp-layout-color0: #fff; --jp-content-font-color1: rgba(0, 0, 0, .87); margin: 0; }}
body[data-jp-theme-light="false"] {{ --jp-layout-color0: #111; --jp-content-font-color1: #fff; }}
body {{ background: var(--jp-layout-color0); color: var(--jp-content-font-color1); }}
</style></head><body data-jp-theme-light="true"><main><h1>A notebook</h1>{}</main></body></html>"""
"""What stands around outputs, with the variables that its themes set."""


def notebook():
    """Outputs as JupyterLab shows them, one of them twice."""
    report = audit(DIGITS, replace(CONFIG, facts=LOSSES))
    large = audit(MODELS / "everything.keras", CONFIG)
    reports = Reports([report, large])
    each = (report, large, large, reports, diff(large, report), report.proposal, three_kinds())
    return JUPYTERLAB.format("".join(f"<div>{one._repr_html_()}</div>" for one in each))


KINDS = {
    "one model": one_model,
    "resnet50": resnet50,
    "checkpoints": checkpoints,
    "models": models,
    "changes": changes,
    "sweep": sweep,
}


FEW = {"resnet50": (0,), "checkpoints": (2, 2), "models": (5, 2)}
"""How to make a shorter page of the same kind."""


@cache
def built(kind, *, short=False):
    """Return the page of a kind; each is made once."""
    return KINDS[kind](*FEW.get(kind, ()) if short else ())
