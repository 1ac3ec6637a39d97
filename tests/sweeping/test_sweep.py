"""A whole sweep with a stand-in for Keras: what is trained, chosen, said, and taken up again."""

import errno
import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import stub_trainers
from msgspec.structs import replace
from paths import MODELS
from stub_trainers import EPOCHS, StubTrainers

from regaudit.auditing.audit_file import audit_file
from regaudit.errors import RegauditError, UsageError
from regaudit.sweeping.journal import opened
from regaudit.sweeping.plan import Plan, Wanted
from regaudit.sweeping.sweep import run
from regaudit.sweeping.task import Opening
from regaudit.sweeping.verdict import judged_by

MODEL = MODELS / "digits-cnn.keras"
OPENING = Opening(str(MODEL), "train.npz", "val.npz", None)


def swept(folder, trainers=None, opening=OPENING, model=MODEL, **wanted):
    """Sweep, and return what was found and the name of the chosen file."""
    trainers = trainers or StubTrainers()
    with opened(Path(folder, "sweep.jsonl")) as journal:
        plan = Plan(model, audit_file(model), opening, Wanted(**wanted))
        return run(plan, trainers, journal)


def test_the_best_by_validation_is_chosen(tmp_path):
    found, file = swept(tmp_path)
    assert found.chosen == "l2 x4"
    assert "l2-x4" in file
    assert found.best.edits
    assert found.best.val_loss < 0.6
    assert [one.name for one in found.rungs] == ["l2 x1", "l2 x4", "l2 x16"]
    assert "validation loss 1.000 ->" in found.verdict
    assert "accuracy 80.0% -> 90.0%" in found.verdict
    assert "A temperature of 2 alone would give -10%" in found.verdict


def test_edits_of_a_rung_are_the_suggestion_times_its_factor(tmp_path):
    found, _ = swept(tmp_path)
    one, four = (
        {(edit.layer, edit.key): edit.value["config"]["l2"] for edit in rung.edits}
        for rung in found.rungs[:2]
    )
    assert one
    assert four == {slot: pytest.approx(4 * strength) for slot, strength in one.items()}


def test_no_more_is_trained_than_the_budget_says(tmp_path):
    trainers = StubTrainers()
    found, _ = swept(tmp_path, trainers)
    assert trainers.spent <= 2 * EPOCHS
    assert found.setting.spent == pytest.approx(trainers.spent / EPOCHS)
    trainers = StubTrainers()
    swept(tmp_path / "..", trainers, replace(OPENING, data="other"), budget=1.0, epochs=10)
    assert trainers.spent == 4 * 10  # three rungs and one without a penalty: the ladder alone


def test_nothing_is_changed_where_nothing_is_better(tmp_path):
    found, file = swept(tmp_path, StubTrainers(depth=-0.5))
    assert (found.chosen, file) == ("as it is", "")
    assert found.verdict.startswith("Change nothing")


def test_nothing_is_changed_where_the_difference_is_noise(tmp_path, monkeypatch):
    noise = iter(range(1000))

    def noisy(out, mean):
        rng = stub_trainers.np.random.default_rng(next(noise))
        stub_trainers.np.save(out + ".npy", mean + rng.normal(0, 2.0, stub_trainers.SAMPLES))

    monkeypatch.setattr(stub_trainers, "_losses", noisy)
    found, file = swept(tmp_path, StubTrainers(depth=0.05))
    assert (found.chosen, file) == ("as it is", "")
    assert "is no different from the model as it is" in found.verdict


def test_a_model_that_was_trained_too_briefly_goes_on_without_a_penalty(tmp_path):
    found, _ = swept(tmp_path, StubTrainers(valley=1e-9, plain=1.0))
    assert found.chosen == "no penalty"
    assert found.best.epochs > found.setting.epochs
    assert found.verdict.startswith("Training on without a penalty")


def test_a_rung_that_diverges_does_not_end_the_sweep(tmp_path):
    found, _ = swept(tmp_path, StubTrainers(diverging="l2-x16"))
    last = found.rungs[-1]
    assert last.name == "l2 x16"
    assert last.diverged
    assert last.val_loss is None
    assert found.chosen == "l2 x4"


def test_all_rungs_diverge(tmp_path):
    found, file = swept(tmp_path, StubTrainers(diverging="l2"))
    assert (found.chosen, file) == ("as it is", "")


def test_each_kind_has_its_ladder_and_is_judged(tmp_path):
    found, _ = swept(tmp_path, kinds=("l2", "l1", "activity"))
    kinds = {one.kind for one in found.rungs}
    assert kinds == {"l2", "l1", "activity"}
    for kind in kinds:
        assert any(remark.startswith(f"{kind}: best {kind} x4") for remark in found.remarks)
    l1 = next(one for one in found.rungs if one.kind == "l1")
    assert {edit.value["class_name"] for edit in l1.edits} <= {"L1", "L1L2"}
    activity = next(one for one in found.rungs if one.kind == "activity")
    assert {edit.key for edit in activity.edits} == {"activity_regularizer"}


def test_l1_says_what_sparsity_it_bought(tmp_path):
    found, _ = swept(tmp_path, kinds=("l1",))
    assert found.best.kind == "l1"
    candidates = (
        replace(found.candidates[0], near_zeros=0.01),
        *(replace(one, near_zeros=0.4) for one in found.candidates[1:]),
    )
    said = judged_by(found.setting, candidates, found.chosen, [])
    assert "near-zero values of kernels 1.0% -> 40.0%" in said.remarks


def test_without_epochs_in_the_file_they_have_to_be_given(tmp_path):
    with pytest.raises(UsageError, match="give --epochs"):
        swept(tmp_path, StubTrainers(steps=0))
    trainers = StubTrainers(steps=0)
    found, _ = swept(tmp_path, trainers, epochs=5)
    assert found.setting.epochs == 5


def test_repeats_train_with_other_seeds(tmp_path):
    trainers = StubTrainers()
    swept(tmp_path, trainers, repeats=3)
    assert {"l2-x4.1.0", "l2-x4.1.1", "l2-x4.1.2"} <= set(trainers.trained)


def test_what_is_done_is_not_done_again(tmp_path):
    first, _ = swept(tmp_path)
    trainers = StubTrainers()
    again, _ = swept(tmp_path, trainers)
    assert trainers.trained == []
    assert again == first


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"opening": replace(OPENING, data="others.npz")}, "of other data"),
        ({"seed": 1}, "with seed 0, not 1"),
        ({"rungs": 3}, "with rungs 4, not 3"),
        ({"epochs": 3}, "with epochs None, not 3"),
        ({"kinds": ("l1",)}, "with aim l2, not l1"),
        ({"model": MODELS / "tutorial-l2.keras"}, "of another model"),
    ],
)
def test_a_journal_of_another_sweep_is_refused(tmp_path, change, why):
    swept(tmp_path)
    before = (tmp_path / "sweep.jsonl").read_bytes()
    trainers = StubTrainers()
    with pytest.raises(UsageError, match=f"{why}.*delete it"):
        swept(tmp_path, trainers, **change)
    assert trainers.trained == []
    assert (tmp_path / "sweep.jsonl").read_bytes() == before


@pytest.mark.parametrize("content", [b"hello\n", b"[]\n", b"{}\n", b"\xff\xfe\n", b"no newline"])
def test_a_file_that_is_no_journal_is_left_alone(tmp_path, content):
    file = tmp_path / "sweep.jsonl"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="is not the journal of a sweep"):
        swept(tmp_path)
    assert file.read_bytes() == content


def test_two_sweeps_do_not_share_a_journal(tmp_path):
    with (
        opened(tmp_path / "sweep.jsonl"),
        pytest.raises(UsageError, match="in use by another sweep"),
    ):
        swept(tmp_path)


def test_a_journal_in_which_nothing_was_written_is_removed(tmp_path):
    with opened(tmp_path / "sweep.jsonl"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_half_written_line_is_done_again(tmp_path):
    first, _ = swept(tmp_path)
    file = tmp_path / "sweep.jsonl"
    file.write_bytes(file.read_bytes()[:-7])
    trainers = StubTrainers()
    again, _ = swept(tmp_path, trainers)
    assert len(trainers.trained) == 1
    assert again == first
    assert all(json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())


def _program(folder, seconds):
    script = Path(stub_trainers.__file__)
    arguments = [str(MODEL), "sweep.jsonl", "out.keras", str(seconds)]
    return [sys.executable, str(script), *arguments], folder


@pytest.mark.parametrize(
    "kills", [5, pytest.param(50, marks=pytest.mark.slow)], ids=["sample", "whole"]
)
def test_killed_at_random_moments_it_comes_to_the_same_end(tmp_path, kills):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    command, _ = _program(whole, 0.02)
    start = time.monotonic()
    subprocess.run(command, cwd=whole, check=True)
    longest = time.monotonic() - start
    rng = random.Random(0)
    ended = 0
    for _ in range(kills):
        child = subprocess.Popen(command, cwd=killed)
        try:
            child.wait(rng.uniform(0.2, 1.0) * longest)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            ended += 1
        for file in killed.glob("out.*"):  # all of it or nothing
            assert file.read_bytes() == (whole / file.name).read_bytes()
    assert ended
    subprocess.run(command, cwd=killed, check=True)
    # What was being written beside its place when it was killed has a name that says so.
    done = (file for file in killed.iterdir() if not file.name.endswith(".regaudit-tmp"))
    found = {file.name: file.read_bytes() for file in done}
    assert found == {file.name: file.read_bytes() for file in whole.iterdir()}
    assert sorted(found) == ["out.json", "out.keras"]


def test_a_full_disk_is_said_and_leaves_the_journal(tmp_path):
    class Full(StubTrainers):
        def do(self, tasks, done, told):
            if self.trained:
                raise OSError(errno.ENOSPC, "No space left on device")
            super().do(tasks, done, told)

    with pytest.raises(UsageError, match=r"sweep.rungs cannot be written: No space left"):
        swept(tmp_path, Full())
    assert swept(tmp_path)[0].chosen == "l2 x4"


def test_a_model_that_is_changed_meanwhile_is_refused(tmp_path):
    model = tmp_path / MODEL.name
    shutil.copyfile(MODEL, model)

    class Changing(StubTrainers):
        def do(self, tasks, done, told):
            super().do(tasks, done, told)
            shutil.copyfile(MODELS / "regularized-cnn.keras", model)

    with pytest.raises(RegauditError, match="changed while it was swept"):
        swept(tmp_path, Changing(), replace(OPENING, file=str(model)), model, rungs=2)
