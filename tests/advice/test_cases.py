"""What a new user reads of one model agrees with itself, and with the audit of what it leads to.

Each test is a model on which advice once contradicted itself.
"""

import json
import re

import numpy as np
import pytest
from advised import applied, audited, options, places
from command_line import run

from regaudit.report.proposal import UNTESTED

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore")]

FORMATS = ("terminal", "html", "markdown", "json", "sarif", "junit", "github", "notebook")


def regularizers(text):
    return re.findall(r"L1L2\([^)]*\)|L[12]\([^)]*\)", text)


def cnn(keras, strength):
    layers, decay = keras.layers, keras.regularizers.L2(strength)
    return keras.Sequential(
        [
            layers.Input((12, 12, 1)),
            layers.Conv2D(16, 3, activation="relu", kernel_regularizer=decay),
            layers.Conv2D(32, 3, activation="relu", kernel_regularizer=decay),
            layers.Flatten(),
            layers.Dense(64, activation="relu", kernel_regularizer=decay, name="hidden"),
            layers.Dense(10, activation="softmax", name="out"),
        ]
    )


def mlp(keras, hidden=None, out=None, width=400):
    return keras.Sequential(
        [
            keras.layers.Input((width,)),
            keras.layers.Dense(300, activation="relu", kernel_regularizer=hidden, name="hidden"),
            keras.layers.Dense(10, activation="softmax", kernel_regularizer=out, name="out"),
        ]
    )


def test_a_penalty_too_large_leads_to_one_page_and_no_second_one(keras, save, tmp_path):
    file = save(cnn(keras, 0.02))
    report = audited(file)
    assert report.penalty > 0.5 * np.log(10)
    assert len(places(report, "REG202")) == 3
    strengths = {change.l2 for change in report.proposal.changes}
    assert len(strengths) == 1  # the output is told nothing else than the others
    assert {one.basis for one in report.suggestions} == {UNTESTED}
    edits = tmp_path / "report.json"
    assert run("report", file, "--format", "json", "-o", edits).exit_code == 0
    pasted = tmp_path / "pasted.keras"
    assert run("apply", file, "-o", pasted, "--from", edits).exit_code == 0
    out, after = applied(file)
    assert run("check", out).exit_code == run("check", pasted).exit_code == 0
    assert audited(pasted).penalty == pytest.approx(after.penalty)
    assert not places(after, "REG202")
    assert not places(after, "REG102")


@pytest.mark.parametrize("val_loss", [0.0436, 0.0003, 0.0001])
def test_a_model_that_does_not_overfit_is_left_and_passes(keras, save, val_loss):
    file = save(mlp(keras))
    facts = {"train_loss": 0.0003, "val_loss": val_loss}
    said = run("suggest", file, *options(**facts)).output
    assert "does not overfit" in said
    checked = run("check", file, *options(**facts))
    assert checked.exit_code == 0
    assert "N REG101" in checked.output
    assert "the losses show no overfitting" in checked.output
    assert not regularizers(said + checked.output)
    assert run("check", file).exit_code == 1


def test_a_zero_beside_a_penalty_of_hundreds_is_one_proposal(keras, save):
    l2 = keras.regularizers.L2
    model = mlp(keras, l2(0.0), l2(0.02))
    kernel = model.get_layer("out").kernel
    kernel.assign(213 * kernel / np.linalg.norm(kernel.numpy()))
    file = save(model)
    report = audited(file)
    assert report.penalty > 500
    assert report.proposal.decision == "weaken"
    assert {change.layer for change in report.proposal.changes} == {"hidden", "out"}
    for text in (run("suggest", file).output, run("report", file, "--format", "markdown").output):
        assert {*regularizers(text)} <= {"L2(0.0)", f"L2({report.proposal.changes[0].l2:g})"}
    out, after = applied(file)
    assert after.penalty < 0.25 * np.log(10)
    assert run("check", out).exit_code == 0
    assert not places(after, "REG201")
    assert not places(after, "REG202")


def lstm(keras, kernel=None, out=None, words=1_000):
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((12,)),
            layers.Embedding(words, 32, name="words"),
            layers.LSTM(256, kernel_regularizer=kernel, name="lstm"),
            layers.Dense(1, activation="sigmoid", kernel_regularizer=out, name="out"),
        ]
    )


def test_inspect_and_suggest_give_an_lstm_the_same_strength(keras, save):
    file = save(lstm(keras), loss="binary_crossentropy")
    suggested = json.loads(run("suggest", file, "--format", "json").output)["changes"]
    inspected = json.loads(run("inspect", file, "--format", "json").output)
    (report,) = inspected["reports"]
    (item,) = (
        item
        for finding in report["findings"]
        if finding["code"] == "REG101"
        for item in finding["items"]
    )
    by_weight = {path: one["code"] for one in suggested for path in one["weights"]}
    assert item["suggestion"]["code"] == by_weight[item["path"]]
    applied(file)


def residual(keras):
    layers = keras.layers
    inputs = layers.Input((8, 8, 3))
    x = layers.Conv2D(128, 3, padding="same", use_bias=False)(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for number in range(2):
        y = layers.Conv2D(128, 3, padding="same", use_bias=False, name=f"block_{number}")(x)
        x = layers.Add()([x, layers.ReLU()(layers.BatchNormalization()(y))])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax", name="out")(x))


def test_no_sweep_starts_at_a_strength_that_is_not_shown(keras, save):
    file = save(residual(keras))
    report = audited(file)
    found = places(report, "REG101")
    assert {*found} == {"block_0/kernel", "block_1/kernel"}
    for item in found.values():
        assert item.suggestion is None
        assert "a normalization after it undoes its scale" in item.no_suggestion
    assert {change.layer for change in report.proposal.changes} == {"out"}
    page = run("report", file, "--format", "html").output
    assert "strength shown" not in page + run("explain", "REG101").output
    assert "No strength is to be changed" not in page
    out, _ = applied(file)
    assert run("check", out).exit_code == 0


def transformer(keras):
    layers = keras.layers
    inputs = layers.Input((16,))
    x = layers.Embedding(5_000, 64, name="words")(inputs)
    for number in range(2):
        l2 = keras.regularizers.L2(1e-4) if number == 0 else None
        x = layers.LayerNormalization()(x + layers.MultiHeadAttention(4, 16)(x, x))
        y = layers.Dense(256, activation="gelu", kernel_regularizer=l2, name=f"up_{number}")(x)
        x = layers.LayerNormalization()(x + layers.Dense(64)(y))
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(x))


@pytest.mark.parametrize("facts", [{}, {"train_loss": 0.1, "val_loss": 1.4}])
def test_nothing_is_put_on_a_large_embedding(keras, save, facts):
    report = audited(save(transformer(keras)), **facts)
    item = places(report, "REG101")["words/embeddings"]
    assert item.suggestion is None
    assert "rows that no batch holds" in item.no_suggestion
    _, after = applied(save(transformer(keras)), **facts)
    assert not places(after, "REG316")


@pytest.mark.parametrize("steps", [2, 200_000])
def test_what_adamw_decays_gets_no_second_penalty(keras, save, steps):
    optimizer = keras.optimizers.AdamW(1e-3, weight_decay=0.01)
    file = save(transformer(keras), optimizer, steps=steps)
    before = places(audited(file), "REG303")
    assert {*before} == {"up_0/kernel"}
    (item,) = before.values()
    if steps == 2:
        assert "keep the penalty, and compile without a weight decay" in item.no_suggestion
        out = file.with_name("after.keras")
        assert "Nothing was written" in run("apply", file, "-o", out, "--suggested").output
        assert not out.exists()
    else:
        assert item.suggestion.code == "kernel_regularizer=None"
        _, after = applied(file)
        assert not places(after, "REG303")


def test_a_total_has_the_l1_of_every_layer(keras, save):
    model = mlp(keras, keras.regularizers.L1L2(1e-4, 1e-3), keras.regularizers.L2(0.02))
    file = save(model)
    truth = sum(float(loss) for loss in model.losses)
    report = audited(file)
    assert report.penalty == pytest.approx(truth, rel=1e-5)
    found = places(report, "REG202")
    assert all(
        item.observed["total_penalty"] == pytest.approx(truth, rel=1e-5) for item in found.values()
    )
    assert sum(item.observed["penalty"] for item in found.values()) == pytest.approx(truth)
    hidden = report.proposal.of("hidden/kernel")
    assert hidden.l2 == pytest.approx(10 * hidden.l1)
    out, after = applied(file)
    assert after.penalty < 0.1 * np.log(10)
    assert sum(map(float, keras.models.load_model(out).losses)) == pytest.approx(after.penalty)
    assert run("check", out).exit_code == 0
    assert not places(after, "REG202")


def test_what_a_start_costs_is_what_it_says(keras, save):
    file = save(mlp(keras))
    (told,) = {change.reason for change in audited(file).proposal.changes}
    (percent,) = re.findall(r"cost ([\d.]+)% of the chance loss", told)
    _, after = applied(file)
    assert after.penalty / np.log(10) == pytest.approx(float(percent) / 100, abs=6e-4)


@pytest.mark.parametrize("facts", [{}, {"train_loss": 0.1, "val_loss": 0.5}])
def test_the_default_is_named_and_never_proposed(keras, save, facts):
    file = save(mlp(keras, "l1", "l2"))
    report = audited(file, **facts)
    if not facts:
        found = places(report, "REG204")
        assert found["hidden/kernel"].message.startswith("L1 with the default")
        assert found["out/kernel"].message.startswith("L2 with the default")
    changes = report.proposal.changes
    assert changes
    assert all(0.01 not in {change.l1, change.l2} for change in changes)
    out, after = applied(file, **facts)
    assert not places(after, "REG204")
    assert not places(after, "REG202")
    assert run("check", out, *options(**facts)).exit_code == 0


def test_the_default_is_no_strength_for_its_neighbours(keras, save):
    file = save(mlp(keras, None, "l2"))
    report = audited(file)
    item = places(report, "REG102")["hidden/kernel"]
    assert item.suggestion is None
    assert "default strength" in item.no_suggestion


def deep(keras, *regularizers):
    hidden = (
        keras.layers.Dense(40, activation="relu", kernel_regularizer=one, name=f"h{number}")
        for number, one in enumerate(regularizers)
    )
    out = keras.layers.Dense(10, activation="softmax", name="out")
    return keras.Sequential([keras.layers.Input((20,)), *hidden, out])


def test_a_neighbours_l1_is_no_measure_of_an_l2(keras, save):
    l1, l2 = keras.regularizers.L1(1e-4), keras.regularizers.L2(1e-3)
    mixed = audited(save(deep(keras, l1, l2)))
    item = places(mixed, "REG102")["out/kernel"]
    assert item.suggestion is None
    assert "differ in strength" in item.no_suggestion
    alike = audited(save(deep(keras, l1, l1)))
    change = alike.proposal.of("out/kernel")
    assert (change.l1, change.l2) == (1e-4, 0.0)
    assert change.basis == "the model's own other layers"
    applied(save(deep(keras, l1, l1)))


def test_one_kernel_gets_one_cure(keras, save):
    file = save(mlp(keras, None, keras.regularizers.L2(1e-4)))
    report = audited(file)
    both = [places(report, code)["hidden/kernel"] for code in ("REG101", "REG102")]
    assert both[0].suggestion == both[1].suggestion
    code = both[0].suggestion.code
    for command in ("check", "inspect"):
        said = run(command, file).output
        assert said.count(code) == 1
        assert "the change beside REG101 is for this, too" in said
    assert run("report", file, "--format", "markdown").output.count(f"`{code}`") == 1
    notebook = run("report", file, "--format", "notebook").output
    assert notebook.count(code) == 1
    applied(file)


def test_relu_is_not_said_of_an_lstm(keras, save):
    l2 = keras.regularizers.L2(1e-4)
    file = save(lstm(keras, l2, l2), loss="binary_crossentropy")
    report = audited(file)
    item = places(report, "REG102")["lstm/lstm_cell/recurrent_kernel"]
    assert "ReLU" not in item.message + item.suggestion.reason
    assert not places(report, "REG406")
    explained = " ".join(run("explain", "REG102").output.split())
    assert "Other layers do not rescale so" in explained
    _, after = applied(file)
    assert not places(after, "REG101")
    assert not places(after, "REG102")


def test_a_mere_start_is_no_cure(keras, save):
    file = save(mlp(keras))
    codes = {change.code for change in audited(file).proposal.changes}
    checked = run("check", file, "--color", "always").output
    assert not regularizers(checked)
    assert "regaudit suggest" in checked
    assert "--train-loss LOSS --val-loss LOSS" in checked
    inspected = run("inspect", file, "--color", "always").output
    assert any(code in inspected for code in codes)
    assert not [line for line in inspected.splitlines() if "\x1b[32m" in line and "L2(" in line]
    texts = [run("report", file, "--format", name).output for name in FORMATS]
    texts += [
        inspected,
        run("suggest", file).output,
        run("suggest", file, "--format", "code").output,
    ]
    texts += [run("suggest", file, "--format", "json").output]
    texts += [run("apply", file, "--dry-run", "--suggested").output]
    for text in texts:
        if regularizers(text):
            plain = " ".join(text.replace("\n# ", " ").split())
            assert UNTESTED in plain.casefold()
            assert "EarlyStopping" in plain
            assert "--train-loss" in plain
    told = [UNTESTED in " ".join(text.split()).casefold() for text in texts]
    assert told == [name not in {"junit", "github"} for name in FORMATS] + [True] * 5
