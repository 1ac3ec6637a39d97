"""The audit held against real Keras: `regaudit verify`, and models in memory."""

import importlib.util
import json
import subprocess
import sys
from functools import partial
from math import inf

import command_line
import numpy as np
import pytest
from msgspec.structs import replace
from paths import FIXTURES, MODELS

import regaudit
from regaudit.auditing import audit_file
from regaudit.live import verify
from regaudit.live.activity import _arrays
from regaudit.live.data_file import DataError
from regaudit.live.differences import Loaded, differences
from regaudit.live.variables import Variable
from regaudit.model import Regularizer, Status
from regaudit.report.severity import Severity

real_keras = pytest.mark.keras
quiet = pytest.mark.filterwarnings("ignore")


run = partial(command_line.run, "verify")


@pytest.fixture
def installed():
    if not verify.find_spec("keras") or not verify.find_spec("tensorflow"):
        pytest.skip("needs the extra")


# Without Keras -----------------------------------------------------------------------------------


def test_without_the_extra_one_line_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(verify, "find_spec", lambda _: None)
    result = run(MODELS / "tutorial-l2.keras")
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "pip install 'keras>=3.0' 'tensorflow>=2.16'" in result.stderr


def test_what_cannot_be_read_is_said_without_keras(tmp_path):
    result = run(tmp_path / "missing.keras")
    assert result.exit_code == 3
    assert result.output.endswith("could not be verified: no such file\n")


@pytest.mark.parametrize("options", [["--data", "none.npz"], ["--batch-size", "0"], ["--what"]])
def test_wrong_usage(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(MODELS / "tutorial-l2.keras", *options).exit_code == 2


def test_a_lambda_in_a_format_without_safe_mode_is_not_loaded(monkeypatch):
    report = regaudit.audit(MODELS / "tutorial-l2.keras")
    layer = replace(report.model.layers[0], class_name="Lambda")
    risky = replace(report, format="h5", model=replace(report.model, layers=(layer,)))
    monkeypatch.setattr(verify, "_package", lambda _: "keras")
    monkeypatch.setattr(verify, "_ask", lambda _: pytest.fail("Keras was started"))
    with pytest.raises(regaudit.UnreadableModelError, match="Lambda"):
        verify.verify(risky)


def test_values_that_a_load_gives_to_other_weights_are_compared_with_those():
    report = regaudit.audit(FIXTURES / "corpus/keras-3.15.1/swapped.h5")
    stored = {weight.stored_path: weight for _, weight in report.model.weights()}
    loaded = [
        replace(
            as_variable(report, weight),
            numbers=as_variable(report, stored[weight.loads_from or weight.stored_path]).numbers,
        )
        for weight in stored.values()
    ]
    found, remarks = differences(report, Loaded("3.15.1", loaded, 0.8212090731, {}))
    assert found == []
    assert remarks == [
        "Keras gives 4 weights the values of others (REG905): penalties not compared"
    ]
    kept = [as_variable(report, weight) for weight in stored.values()]
    found, _ = differences(report, Loaded("3.15.1", kept, 0.8212090731, {}))
    assert {difference.path for difference in found} == {
        weight.path for weight in stored.values() if weight.loads_from
    }


def test_values_that_no_layer_claims_are_not_missed_in_keras():
    report = regaudit.audit(FIXTURES / "rules/REG901/bad.keras")
    variables = [
        as_variable(report, weight) for layer, weight in report.model.weights() if layer.known
    ]
    found, remarks = differences(report, Loaded("3.15.1", variables, report.penalty, {}))
    assert found == []
    assert [remark.partition(":")[0] for remark in remarks] == [
        "forgotten/variable_0",
        "forgotten/variable_1",
    ]
    found, _ = differences(report, Loaded("3.15.1", variables[1:], report.penalty, {}))
    assert [difference.what for difference in found] == ["weight"]


def test_every_kind_of_difference_is_found():
    report = regaudit.audit(MODELS / "tutorial-l2.keras")
    weights = [weight for _, weight in report.model.weights()]
    variables = [as_variable(report, weight) for weight in weights]
    loaded = Loaded("3.15.1", variables, report.penalty, {})
    assert differences(report, loaded) == ([], [])
    first = variables[0]
    for change, what in (
        ({"trainable": False}, {"trainability"}),
        ({"regularizer": None}, {"regularizer"}),
        ({"regularizer": replace(first.regularizer, l2=0.02)}, {"regularizer"}),
        ({"penalty": 7.0}, {"penalty"}),
        ({"numbers": {**first.numbers, "l1_norm": 1.0}}, {"l1_norm"}),
        ({"numbers": {**first.numbers, "zeros": 1}}, {"zeros"}),
        ({"names": ("other/kernel",), "shape": (3,)}, {"weight"}),
    ):
        other = replace(loaded, variables=[replace(first, **change), *variables[1:]])
        assert {difference.what for difference in differences(report, other)[0]} == what
    found, _ = differences(report, replace(loaded, losses=report.penalty * 1.001))
    assert [difference.what for difference in found] == ["sum(model.losses)"]


def test_a_penalty_that_the_audit_says_overflows_in_keras_is_no_difference():
    report = regaudit.audit(FIXTURES / "rules/REG211/bad.keras")
    (said,) = [one for one in report.findings if one.code == "REG211"]
    loud = {item.path for item in said.items if item.severity is Severity.ERROR}
    held = [as_variable(report, weight) for _, weight in report.model.weights()]
    kept = [replace(one, penalty=inf) if one.names[0] in loud else one for one in held]
    found, remarks = differences(report, Loaded("3.15.1", kept, inf, {}))
    assert found == []
    assert any("as REG211 says" in remark for remark in remarks)
    wrong = [replace(one, penalty=7.0) if one.names[0] in loud else one for one in held]
    assert differences(report, Loaded("3.15.1", wrong, inf, {}))[0]


def as_variable(report, weight):
    """Return what Keras would hold if it agreed with the audit."""
    moments = report.moments[weight.stored_path]
    return Variable(
        names=(weight.path,),
        shape=weight.shape,
        dtype=weight.dtype,
        trainable=weight.trainable,
        regularizer=weight.regularizer,
        penalty=report.penalties[weight.stored_path],
        numbers={
            name: getattr(moments, name)
            for name in ("nonfinite", "zeros", "l1_norm", "l2_norm", "max_abs")
        },
    )


def activity(status, why="", l1=0.01):
    """Return a report of a model whose first layer has a regularizer of its output."""
    report = regaudit.audit(MODELS / "tutorial-activity-l1.keras")
    first, *rest = report.model.layers
    l2 = None if l1 is None else 0.0
    there = replace(first.activity_regularizer, status=status, why=why, l1=l1, l2=l2)
    layers = (replace(first, activity_regularizer=there), *rest)
    return replace(report, model=replace(report.model, layers=layers))


@pytest.mark.parametrize(
    ("status", "l1", "penalty", "sparsity", "said"),
    [
        (Status.IN_FORCE, 0.01, 0.5, 0.1, None),
        (Status.IN_FORCE, 0.01, None, 0.1, ("l1(0.01), in force", "none")),
        (Status.IN_FORCE, 0.01, 0.0, 1.0, None),  # all zeros
        (Status.IN_FORCE, 0.0, 0.0, 0.1, None),
        (Status.IN_FORCE, 0.01, None, None, None),  # not called
        (Status.IN_FORCE, 0.01, float("nan"), 0.1, None),  # inside a loop
        (Status.INERT, 0.01, None, 0.1, None),
        (Status.INERT, 0.01, 0.5, 0.1, ("l1(0.01), inert", "0.5")),
        (Status.UNKNOWN, 0.01, 0.5, 0.1, None),
        (Status.OPAQUE, None, 0.0, 0.1, None),
    ],
)
def test_what_layers_add_on_data_is_held_against_the_audit(status, l1, penalty, sparsity, said):
    report = activity(status, "in a loop", l1)
    path = report.model.layers[0].path
    variables = [as_variable(report, weight) for _, weight in report.model.weights()]
    there = {path: report.model.layers[0].activity_regularizer}
    outputs = [{"path": path, "penalty": penalty, "sparsity": sparsity}]
    found, remarks = differences(report, Loaded("3.15.1", variables, 0.0, there, outputs))
    assert found == ([(path, "activity penalty", *said)] if said else [])
    eagerly = [f"{path}: added 0.5 here, run eagerly; in a loop"]
    assert remarks == (eagerly if status is Status.UNKNOWN else [])


def test_a_penalty_on_data_that_the_audit_has_no_regularizer_for_is_a_difference():
    report = regaudit.audit(MODELS / "tutorial-l2.keras")
    variables = [as_variable(report, weight) for _, weight in report.model.weights()]
    loaded = Loaded("3.15.1", variables, report.penalty, {})
    outputs = [{"path": report.model.layers[0].path, "penalty": 0.5, "sparsity": 0.1}]
    (found,) = differences(report, replace(loaded, outputs=outputs))[0]
    assert found[1:] == ("activity penalty", "none", "0.5")


def test_a_weight_without_a_name_in_common_is_matched_by_its_values():
    report = regaudit.audit(MODELS / "tutorial-l2.keras")
    variables = [as_variable(report, weight) for _, weight in report.model.weights()]
    anonymous = [replace(v, names=(f"x{n}",)) for n, v in enumerate(reversed(variables))]
    found, _ = differences(report, Loaded("3.15.1", anonymous, report.penalty, {}))
    assert found == []


def test_the_regularizer_of_a_weight_is_compared_by_its_kind_too():
    report = regaudit.audit(MODELS / "tutorial-l2.keras")
    variables = [as_variable(report, weight) for _, weight in report.model.weights()]
    custom = Regularizer("L2", None, None, {}, Status.OPAQUE)
    variables[0] = replace(variables[0], regularizer=custom)
    found, _ = differences(report, Loaded("3.15.1", variables, report.penalty, {}))
    assert [difference.what for difference in found] == ["regularizer"]


class _Fake:
    inputs = ()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"z": np.ones((2, 3))}, "no array 'x'"),
        ({"x": np.ones((2, 3)), "y": np.ones(3)}, "same number of samples"),
        ({"x": np.ones((0, 3))}, "same number of samples"),
        ({"x": np.array(1.0)}, "single number"),
        ({"x": np.array([{}], dtype=object)}, "has objects in 'x'"),
    ],
)
def test_data_that_do_not_fit(arrays, message, tmp_path):
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(DataError, match=message):
        _arrays(_Fake(), tmp_path / "data.npz")


def test_a_file_that_is_no_npz(tmp_path):
    (tmp_path / "data.npz").write_text("1,2,3", encoding="utf-8")
    with pytest.raises(DataError, match="NPZ"):
        _arrays(_Fake(), tmp_path / "data.npz")


# With Keras --------------------------------------------------------------------------------------


@real_keras
@pytest.mark.usefixtures("installed")
def test_the_audit_agrees_with_keras():
    """In a process of its own; all fixtures, see below."""
    result = run(MODELS / "everything.keras")
    assert result.exit_code == 0, result.output
    assert "agrees with Keras 3." in result.output
    assert "sum(model.losses)" in result.output


def fixtures_of(version, every):
    """Every whole model that the Keras of a version is given, and why it does not load, if so."""
    for kind in ("models/*.keras", "rules/*/*.keras", f"corpus/keras-{version}/*"):
        for file in sorted(FIXTURES.glob(kind))[::every]:
            if file.name.endswith((".json", ".export", ".weights.h5")):
                continue
            oracle = file.with_name(f"{file.name}.oracle.json")
            loads = not oracle.exists() or json.loads(oracle.read_text())["loads"]
            reason = UNLOADABLE.get(file.relative_to(FIXTURES).as_posix(), "")
            yield file, reason if loads else "Keras says"


UNLOADABLE = {
    "models/custom.keras": "fixtures>Cubic, fixtures>Scaled",
    "models/tf-keras-only.keras": "LocallyConnected2D",
    "rules/REG208/bad.keras": "non-negative",
    "rules/REG904/bad.keras": "example>Cubic",
}
"""What Keras rightly refuses, and with what word."""

OVERFLOWS = "rules/REG211/bad.keras"
"""Of which Keras makes infinity, where the audit says what the weights come to."""


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
@real_keras
@quiet
@pytest.mark.usefixtures("keras_in_this_process")
def test_the_audit_of_every_fixture_agrees_with_keras(monkeypatch, keras, every):
    monkeypatch.setattr(verify, "_package", lambda _: "keras")
    agreed, weights, refused = 0, 0, {}
    for file, reason in fixtures_of(keras.__version__, every):
        keras.utils.clear_session(free_memory=False)
        try:
            result = verify.verify(regaudit.audit(file))
        except regaudit.UnreadableModelError as error:
            refused[file] = reason, str(error)
            continue
        if str(file).endswith(OVERFLOWS):
            assert any("as REG211 says" in remark for remark in result.remarks)
        assert not result.differences, (file, result.differences)
        assert not reason, file
        agreed += 1
        weights += result.weights
    for file, (reason, said) in refused.items():
        assert reason or "custom objects are missing: regaudit_corpus>" in said, (file, said)
        assert reason in said, file
    assert agreed > 80 // every
    assert weights > 400 // every


@real_keras
@quiet
@pytest.mark.usefixtures("keras_in_this_process")
def test_custom_objects_that_are_missing_are_named():
    result = run(MODELS / "custom.keras")
    assert result.exit_code == 3
    assert "custom objects are missing: fixtures>Cubic, fixtures>Scaled;" in result.stderr
    assert result.stderr.count("\n") == 1


@real_keras
@quiet
@pytest.mark.usefixtures("keras_in_this_process")
def test_a_wrong_audit_is_found_out(monkeypatch):
    honest = audit_file.audit_file

    def wrong(model, *settings):
        report = honest(model, *settings)
        layer = report.model.layers[0]
        assert layer.weights[0].regularizer.l2 == 0.01
        changed = replace(layer.weights[0].regularizer, l2=0.02)
        weight = replace(layer.weights[0], regularizer=changed)
        layer = replace(layer, weights=(weight, *layer.weights[1:]))
        layers = (layer, *report.model.layers[1:])
        penalties = {**report.penalties}
        penalties[weight.stored_path] *= 2
        return replace(report, model=replace(report.model, layers=layers), penalties=penalties)

    monkeypatch.setattr("regaudit.running.run.audit_file", wrong)
    result = run(MODELS / "tutorial-l2.keras")
    assert result.exit_code == 1, result.output
    assert "3 differences from Keras" in result.output
    assert "regularizer: the audit says l2(0.02), Keras l2(0.01)" in result.output
    assert "sum(model.losses)" in result.output


@real_keras
@quiet
@pytest.mark.usefixtures("keras_in_this_process")
def test_data_are_run_through_the_model(tmp_path, keras):
    file = MODELS / "tutorial-activity-l1.keras"
    model = keras.models.load_model(file)
    data = np.random.default_rng(0).normal(size=(50, *model.input_shape[1:])).astype("float32")
    truth = np.zeros((50, *model.output_shape[1:]), "float32")
    np.savez(tmp_path / "data.npz", x=data, y=truth)
    report = regaudit.audit(file)
    result = verify.verify(report, tmp_path / "data.npz", 32)
    first = next(layer for layer in result.data["layers"] if layer["penalty"] is not None)
    hidden = keras.Model(model.inputs, model.get_layer(first["path"]).output)
    outputs = [hidden(data[start : start + 32]).numpy() for start in (0, 32)]
    expected = np.mean([0.01 * np.abs(output).sum() / len(output) for output in outputs])
    assert first["penalty"] == pytest.approx(expected, rel=1e-5)
    zeros = np.count_nonzero(np.concatenate(outputs) == 0) / sum(o.size for o in outputs)
    assert first["sparsity"] == pytest.approx(zeros)
    assert result.data["loss"] is not None
    shown = run(file, "--data", tmp_path / "data.npz", "--batch-size", "25")
    assert shown.exit_code == 0
    assert "On 50 samples in 2 batches of 25" in shown.output


@real_keras
@quiet
@pytest.mark.usefixtures("keras_in_this_process")
def test_the_audit_agrees_on_what_layers_add_on_data(tmp_path, keras):
    layers, l1 = keras.layers, keras.regularizers.L1(0.1)
    x = keras.Input((3, 4))
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, activity_regularizer=l1)])
    outputs = [
        layers.TimeDistributed(layers.Dense(2, activity_regularizer=l1))(x),
        layers.TimeDistributed(model)(x),
        layers.RNN(layers.LSTMCell(2, activity_regularizer=l1))(x),
        layers.MultiHeadAttention(2, 2, activity_regularizer=l1)(x, x),
    ]
    keras.Model(x, outputs).save(tmp_path / "m.keras")
    np.savez(tmp_path / "data.npz", x=np.ones((4, 3, 4), "float32"))
    report = regaudit.audit(tmp_path / "m.keras")
    result = verify.verify(report, tmp_path / "data.npz")
    assert result.differences == ()
    assert sum("run eagerly" in remark for remark in result.remarks) == 1
    opposite = {Status.INERT: Status.IN_FORCE, Status.IN_FORCE: Status.INERT}
    wrong = [
        replace(layer, activity_regularizer=replace(there, status=opposite[there.status]))
        if (there := layer.activity_regularizer) and there.status in opposite
        else layer
        for layer in report.model.layers
    ]
    wrong = replace(report, model=replace(report.model, layers=tuple(wrong)))
    found = verify.verify(wrong, tmp_path / "data.npz").differences
    assert [one.what for one in found] == ["activity penalty"] * 3


@real_keras
@quiet
@pytest.mark.usefixtures("keras_in_this_process")
def test_data_of_another_shape_are_wrong_usage(tmp_path):
    np.savez(tmp_path / "data.npz", x=np.ones((4, 77)))
    result = run(MODELS / "tutorial-l2.keras", "--data", tmp_path / "data.npz")
    assert result.exit_code == 2
    assert "does not run on data of shape (4, 77)" in result.output


def small(keras, **options):
    layers, l2 = keras.layers, keras.regularizers.L2
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(3, kernel_regularizer=l2(0.01), name="a", **options),
            layers.Dense(2, name="b"),
        ],
        name="small",
    )


@real_keras
@quiet
def test_a_model_in_memory_is_audited_like_its_file(keras, tmp_path):
    model = small(keras)
    model.compile("adam", "mse")
    report = regaudit.audit(model)
    assert (report.file, report.format, report.failure) == ("small (in memory)", "live", None)
    assert report.skipped == ()
    model.save(tmp_path / "small.keras")
    same = regaudit.audit(tmp_path / "small.keras")
    assert report.penalty == same.penalty == pytest.approx(float(sum(model.losses)), rel=1e-5)
    assert report.findings == same.findings
    assert report.moments == same.moments


@real_keras
@quiet
def test_what_a_save_would_change_is_said(keras):
    model = small(keras)
    model.get_layer("a").kernel.regularizer = None
    model.get_layer("b").kernel.regularizer = keras.regularizers.L1(0.5)
    model.get_layer("b").bias.trainable = False
    assert [tuple(skip) for skip in regaudit.audit(model).skipped] == [
        (
            "a/kernel",
            "in memory it has no regularizer; the configuration that would be saved says l2(0.01)",
        ),
        (
            "b/kernel",
            "in memory it has l1(0.5); the configuration that would be saved says no regularizer",
        ),
        ("b/bias", "in memory it is frozen; loaded from a save it would be trainable"),
    ]


@real_keras
@quiet
def test_what_a_custom_layer_sets_itself_is_said(keras):
    class Own(keras.layers.Layer):
        def build(self, shape):
            self.first = self.add_weight(name="first", shape=(shape[-1],))
            regularizer = keras.regularizers.L2(0.3)
            self.second = self.add_weight(name="second", shape=(2,), regularizer=regularizer)

        def call(self, x):
            return x * self.first

    model = keras.Sequential([keras.Input((4,)), Own(name="own"), keras.layers.Dense(1)])
    skipped = dict(regaudit.audit(model).skipped)
    assert "in memory it has l2(0.3)" in skipped["own/variable_1"]


@real_keras
@quiet
def test_a_model_without_weights_yet_is_refused(keras):
    model = keras.Sequential([keras.layers.Dense(3)])
    with pytest.raises(regaudit.RegauditError, match="not built"):
        regaudit.audit(model)


def test_an_object_that_is_no_model_is_a_type_error():
    with pytest.raises(TypeError):
        regaudit.audit(object())


def test_the_program_answers_whatever_happens(tmp_path):
    request, answer = tmp_path / "request.json", tmp_path / "answer.json"
    request.write_text("{", encoding="utf-8")
    command = [sys.executable, "-P", "-m", "regaudit.live.loader", str(request), str(answer)]
    subprocess.run(command, check=True, capture_output=True)
    assert '"failure"' in answer.read_text(encoding="utf-8")


def test_a_process_that_dies_is_a_reason(monkeypatch, tmp_path):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho out of memory >&2\nexit 9\n", encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setattr(verify.sys, "executable", str(script))
    monkeypatch.setattr(verify, "_package", lambda _: "keras")
    result = run(MODELS / "tutorial-l2.keras")
    assert result.exit_code == 3
    assert "ended with code 9 (out of memory)" in result.stderr


def test_keras_is_only_looked_for_not_imported():
    assert importlib.util.find_spec("regaudit.live.loader") is not None
    program = (
        "import sys, regaudit.live.loader, regaudit.live.verify; print('keras' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"
