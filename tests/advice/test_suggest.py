"""What to change in a whole model: strengths by the losses, starting points, and leaving it."""

import json
import shlex
import shutil
import sys

import numpy as np
import pytest
from command_line import run
from msgspec.structs import replace
from paths import CORPUS, MODELS

import regaudit
from regaudit import Facts, RefusedEditError, UsageError

DIGITS = MODELS / "digits-cnn.keras"
CURRENT = CORPUS / "keras-3.15.1"
OVERFIT = Facts(train_loss=0.003, val_loss=0.39)
real_keras = pytest.mark.keras


@pytest.fixture(scope="module")
def report():
    return regaudit.audit(DIGITS)


def with_l2(strength, tmp_path):
    out = tmp_path / f"l2-{strength}.keras"
    edits = [
        regaudit.Edit(layer, "kernel_regularizer", {"class_name": "L2", "config": {"l2": strength}})
        for layer in ("conv", "hidden", "digit")
    ]
    regaudit.apply(DIGITS, edits, out)
    return regaudit.audit(out)


def test_the_gap_is_shared_equally_by_the_kernels(report):
    """lambda = gap / (n ||W||^2), in steps of 1, 2 and 5."""
    proposal = regaudit.suggest(report, OVERFIT)
    norms = {w.path: report.moments[w.stored_path].l2_norm for _, w in report.model.weights()}
    assert len(proposal.changes) == 3
    for change in proposal.changes:
        (path,) = change.weights
        exact = (0.39 - 0.003) / (3 * norms[path] ** 2)
        assert 10**-0.3 < change.l2 / exact < 10**0.3  # 0.01 is Keras's default, and passed over
        assert f"{change.l2:e}"[0] in "125"
        assert change.after == pytest.approx(change.l2 * norms[path] ** 2)
    assert "EarlyStopping with restore_best_weights=True" in proposal.remarks[0]
    assert proposal.jump == pytest.approx(sum(c.after for c in proposal.changes))


def test_l1_uses_the_sum_of_absolute_values(report):
    proposal = regaudit.suggest(report, OVERFIT, aim="l1")
    norms = {w.path: report.moments[w.stored_path].l1_norm for _, w in report.model.weights()}
    assert len(proposal.changes) == 3
    for change in proposal.changes:
        exact = 0.387 / (3 * norms[change.weights[0]])
        assert 10**-0.2 < change.l1 / exact < 10**0.2
        assert change.l2 == 0


def test_without_losses_a_starting_point_is_called_one(report):
    proposal = regaudit.suggest(report)
    assert {change.confidence for change in proposal.changes} == {"low"}
    assert "untested start of a sweep" in proposal.remarks[0]
    table = run("suggest", DIGITS).stdout
    assert " ".join(table.split()).count("untested start of a sweep") == 1
    assert "EarlyStopping" in proposal.remarks[0]
    assert 0.03 < proposal.jump / np.log(10) < 0.08


@pytest.mark.parametrize(("train", "val"), [(0.3, 0.31), (0.5, 0.4), (0.2, 0.2 + 0.119 * 2.3)])
def test_what_does_not_overfit_is_left(report, train, val):
    proposal = regaudit.suggest(report, Facts(train_loss=train, val_loss=val))
    assert proposal.edits == ()
    assert proposal.verdict.startswith("Leave it")


@pytest.mark.parametrize(
    ("layers", "where"),
    [(("hidden",), "hidden/kernel;"), (("conv", "hidden"), "conv/kernel and 1 more kernel;")],
)
def test_what_is_no_number_must_be_restored_first(report, layers, where):
    broken = dict(report.moments)
    for _, weight in report.model.weights():
        if weight.path in [f"{layer}/kernel" for layer in layers]:
            known = broken[weight.stored_path]
            broken[weight.stored_path] = replace(known, nonfinite=1, l1_norm=None, l2_norm=None)
    proposal = regaudit.suggest(replace(report, moments=broken), OVERFIT)
    assert (proposal.edits, proposal.remarks) == ((), ())
    assert f"Restore it first: there are NaN or infinite values in {where}" in proposal.verdict


def test_what_keras_fails_to_add_up_is_left(report):
    layers = [
        replace(layer, weights=tuple(replace(w, dtype="float16") for w in layer.weights))
        for layer in report.model.layers
    ]
    half = replace(report, model=replace(report.model, layers=tuple(layers)))
    proposal = regaudit.suggest(half, OVERFIT)
    assert proposal.changes == ()
    assert "Keras fails to add a penalty of float16 to the loss" in proposal.verdict


def test_for_what_cannot_be_written_no_command_is_shown():
    model = CORPUS / "tf-2.13" / "mlp.savedmodel"
    said = run("suggest", model, "--train-loss", 0.01, "--val-loss", 1).output
    assert "It cannot be written into a copy: a SavedModel" in said
    assert "regaudit apply" not in said


def test_a_penalty_over_half_of_the_chance_loss_is_weakened(tmp_path):
    strong = with_l2(0.01, tmp_path)
    proposal = regaudit.suggest(strong)
    assert proposal.verdict.startswith("Weaken")
    assert {change.confidence for change in proposal.changes} == {"high"}
    assert 0.02 < (strong.penalty + proposal.jump) / np.log(10) < 0.1
    assert len({change.l2 for change in proposal.changes}) == 1


def test_a_penalty_far_above_the_gap_is_weakened(tmp_path):
    proposal = regaudit.suggest(with_l2(1e-3, tmp_path), Facts(train_loss=0.3, val_loss=0.31))
    assert "ten times the gap" in proposal.verdict
    assert len(proposal.changes) == 3
    assert all(0 < change.l2 < 1e-3 for change in proposal.changes)


def test_strengths_that_do_already_are_left(tmp_path):
    done = with_l2(1e-3, tmp_path)
    proposal = regaudit.suggest(done, OVERFIT)
    assert {change.layer for change in proposal.changes} == {"conv", "digit"}


@pytest.mark.parametrize(
    ("facts", "remark"),
    [
        (Facts(train_loss=0.003, val_loss=0.39, val_size=50), "50 validation samples are few"),
        (Facts(train_loss=0.5, val_loss=0.4), "average over the epoch"),
        (Facts(train_loss=0.01, val_loss=9.0), "worse than guessing"),
        (Facts(train_loss=0.01), "one loss alone"),
    ],
)
def test_the_usual_mistakes_are_named(report, facts, remark):
    assert any(remark in text for text in regaudit.suggest(report, facts).remarks)


def test_losses_with_the_penalty_are_noticed_and_can_be_given(tmp_path):
    done = with_l2(1e-3, tmp_path)
    printed = Facts(train_loss=done.penalty + 0.003, val_loss=done.penalty + 0.39)
    assert any("--with-penalty" in text for text in regaudit.suggest(done, printed).remarks)
    proposal = regaudit.suggest(done, printed, with_penalty=True)
    assert proposal.train_loss == pytest.approx(0.003)
    assert not any("--with-penalty" in text for text in proposal.remarks)
    with pytest.raises(UsageError, match="below the penalty"):
        regaudit.suggest(done, Facts(train_loss=0.01, val_loss=0.9), with_penalty=True)


def test_attention_gets_one_strength_for_all_its_kernels():
    report = regaudit.audit(CURRENT / "attention.keras")
    proposal = regaudit.suggest(report, Facts(train_loss=0.01, val_loss=2.0, target_variance=1.0))
    keys = [(change.layer, change.key) for change in proposal.changes]
    assert len(keys) == len(set(keys))
    if proposal.changes:
        assert regaudit.apply(CURRENT / "attention.keras", proposal.edits).jump == pytest.approx(
            proposal.jump
        )


def test_adamw_is_given_the_lower_end_of_its_range(report):
    proposal = regaudit.suggest(report, Facts(train_size=300, batch_size=32), aim="adamw")
    assert proposal.decay == pytest.approx(1 / (1e-3 * 600), rel=0.3)
    assert any("1 / (rate x steps per epoch)" in text for text in proposal.remarks)
    change = regaudit.apply(DIGITS, proposal.edits)
    assert change.after.model.optimizer.class_name == "AdamW"


def test_what_holds_no_configuration_is_refused():
    with pytest.raises(RefusedEditError, match="weights only"):
        regaudit.suggest(regaudit.audit(CURRENT / "names.weights.h5"))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--train-loss", "nan", "--val-loss", "1"], 2, "finite number"),
        (["--train-loss", "-1", "--val-loss", "1"], 2, "below zero"),
        (["--val-size", "0"], 2, "whole number of samples"),
        (["--aim", "l3"], 2, "'l3' is not one of"),
        (["--data", "missing.npz"], 2, "does not exist"),
    ],
)
def test_impossible_numbers_get_one_line(arguments, code, said):
    result = run("suggest", DIGITS, *arguments)
    assert result.exit_code == code
    assert said in result.stderr
    assert not result.stdout


def test_the_model_is_not_overwritten_with_advice(tmp_path):
    file = tmp_path / "m.keras"
    shutil.copy(DIGITS, file)
    result = run("suggest", file, "-o", file)
    assert result.exit_code == 2
    assert file.read_bytes() == DIGITS.read_bytes()


def test_what_cannot_be_read_exits_with_3(tmp_path):
    result = run("suggest", tmp_path / "missing.keras")
    assert result.exit_code == 3
    assert result.stderr.count("\n") == 1


def test_every_format_says_the_same(tmp_path):
    losses = ("--train-loss", "0.003", "--val-loss", "0.39")
    edits, out, same = (tmp_path / name for name in ("edits.json", "a.keras", "b.keras"))
    table = run("suggest", DIGITS, *losses)
    assert table.exit_code == 0, table.output
    assert "l2(0.005)" in table.stdout
    code = run("suggest", DIGITS, *losses, "--format", "code").stdout
    assert "Dense(..., kernel_regularizer=keras.regularizers.L2(0.005))  # digit" in code
    assert run("suggest", DIGITS, *losses, "--format", "json", "-o", edits).exit_code == 0
    assert len(json.loads(edits.read_text())["edits"]) == 3
    assert run("apply", DIGITS, "-o", out, "--from", edits).exit_code == 0
    assert run("apply", DIGITS, "-o", same, "--suggested", *losses).exit_code == 0
    assert out.read_bytes() == same.read_bytes()
    left = run("apply", DIGITS, "-o", tmp_path / "c", "--suggested", *losses[:2], "--val-loss", "0")
    assert left.exit_code == 0
    assert left.stdout.startswith("Leave it")
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--train-loss", "0.003", "--val-loss", "0.39", "--aim", "l1", "--for", "new-weights"),
        ("--train-loss", "0.003", "--val-loss", "0.39", "--with-penalty", "--val-size", "400"),
        ("--limit", "layers=50", "--isolated"),
    ],
    ids=" ".join,
)
def test_the_command_shown_writes_what_is_shown(options, tmp_path):
    """As it stands there, pasted: only OUT is to be replaced."""
    edits, out, pasted = (tmp_path / name for name in ("edits.json", "a.keras", "b.keras"))
    command = run("suggest", DIGITS, *options).stdout.splitlines()[-1]
    words = shlex.split(command.replace("OUT", str(pasted)))
    assert words[0] == "regaudit"
    assert run(*words[1:]).exit_code == 0
    run("suggest", DIGITS, *options, "--format", "json", "-o", edits)
    assert run("apply", DIGITS, "-o", out, "--from", edits).exit_code == 0
    assert out.read_bytes() == pasted.read_bytes()


def test_code_in_a_remark_is_printed_as_code():
    assert "\nWrite keras.optimizers.AdamW(" in run("suggest", DIGITS, "--aim", "adamw").stdout


def test_a_model_that_has_learned_nothing_is_not_said_to_be_fine():
    proposal = regaudit.suggest(regaudit.audit(DIGITS), Facts(train_loss=3, val_loss=3.1))
    assert (proposal.decision, proposal.edits) == ("unknown", ())
    assert "check the labels" in proposal.verdict


def test_accuracies_alone_choose_nothing():
    proposal = regaudit.suggest(regaudit.audit(DIGITS), Facts(train_accuracy=1.0, val_accuracy=0.9))
    assert proposal.remarks[1].startswith("accuracies choose no strength")


# Real Keras --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    datasets = pytest.importorskip("sklearn.datasets")
    images, labels = datasets.load_digits(return_X_y=True)
    x = (images.reshape(-1, 8, 8, 1) / 16).astype("float32")
    cuts = (slice(300), slice(300, 700), slice(700, None))
    return [(x[part], labels[part]) for part in cuts]


@real_keras
@pytest.mark.filterwarnings("ignore")
def test_the_whole_loop_helps_a_cnn_that_overfits(keras, digits, tmp_path, capsys):
    """Audit, suggest, apply, five more epochs: better than the saved model and than without."""
    train, val, test = digits
    file, out = tmp_path / "digits.keras", tmp_path / "regularized.keras"
    shutil.copy(DIGITS, file)

    def loss(model, data):
        whole = model.evaluate(*data, verbose=0)[0]
        return whole - float(sum(model.losses)) if model.losses else whole

    assert any(finding.code == "REG101" for finding in regaudit.audit(file).findings)
    saved = keras.models.load_model(file)
    losses = [loss(saved, data) for data in (train, val)]
    given = ("--train-loss", losses[0], "--val-loss", losses[1], "--val-size", len(val[0]))
    applied = run("apply", file, "-o", out, "--suggested", *given)
    assert applied.exit_code == 0, applied.output

    tested = {"saved": loss(saved, test)}
    for name, path in (("without", file), ("regularized", out)):
        model = keras.models.load_model(path)
        keras.utils.set_random_seed(0)
        model.fit(*train, epochs=5, verbose=0)
        tested[name] = loss(model, test)
    with capsys.disabled():
        sys.stdout.write(
            "\ntest loss: "
            + ", ".join(f"{name} {value:.4f}" for name, value in tested.items())
            + "\n"
        )
    assert tested["regularized"] < tested["saved"]
    assert tested["regularized"] < tested["without"]


@real_keras
@pytest.mark.usefixtures("keras_in_this_process")
def test_losses_are_measured_on_data(digits, tmp_path):
    files = [tmp_path / name for name in ("train.npz", "val.npz")]
    for file, (x, y) in zip(files, digits, strict=False):
        np.savez(file, x=x, y=y)
    result = run("suggest", DIGITS, "--data", files[0], "--val-data", files[1])
    assert result.exit_code == 0, result.output
    assert "above the training loss" in result.stdout
    both = run("suggest", DIGITS, "--data", files[0], "--train-loss", "0.1")
    assert both.exit_code == 2
