"""Less said is not more wrong: what a file no longer tells makes no rule speak that was silent.

Each fixture is audited as it is and again without its configuration, without its optimizer, or with
one of its layers of a custom class. REG901 may speak: it says what no configuration claims.
"""

import json
import shutil
import zipfile

import h5py
import pytest
from paths import FIXTURES

import regaudit
from regaudit.report.severity import Severity
from regaudit.settings.config import Config

FILES = sorted(
    file
    for folder in ("corpus", "models", "rules", "apply")
    for file in (FIXTURES / folder).rglob("*")
    if file.suffix in {".keras", ".h5"}
    and file.is_file()
    and not file.name.endswith(".weights.h5")
    and ".directory" not in str(file.parent)
)
STEP = 31
"""One of so many files is in the sample."""

SEEN = [FIXTURES / name for name in ("apply/regularized.keras", "models/everything.keras")]
"""Always in it: a default strength and a missing penalty were held against them."""

FACTS = ({}, {"train_loss": 0.2, "val_loss": 3.0, "target_variance": 1.0, "batch_size": 8})
"""What is known of the training: nothing, and what makes the most rules run."""


def layers_in(serialized):
    """Yield what stands in a configuration for a layer, the model itself apart."""
    for part in serialized.values() if isinstance(serialized, dict) else serialized:
        if isinstance(part, dict):
            if "class_name" in part and isinstance(part.get("config"), dict):
                name = str(part["class_name"])
                held = part["config"]
                if "name" in held and name not in {"Functional", "Sequential", "Model"}:
                    yield part
            yield from layers_in(part)
        elif isinstance(part, list):
            yield from layers_in(part)


def renamed(config, number):
    """Return a configuration with one of its layers of a custom class; None if there are fewer."""
    config = json.loads(json.dumps(config))
    layers = list(layers_in(config.get("config", {})))
    if number >= len(layers):
        return None
    layer = layers[number]
    if "registered_name" in layer or "module" in layer:
        layer.update(module="mine", registered_name=f"mine>{layer['class_name']}")
    else:
        layer["class_name"] = f"mine>{layer['class_name']}"
    return config


def less_told_archives(file, folder):
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])

    def written(name, changed):
        target = folder / f"{name}.keras"
        with zipfile.ZipFile(target, "w") as archive:
            for member, content in members.items():
                archive.writestr(
                    member, json.dumps(changed) if member == "config.json" else content
                )
        return target

    if config.get("compile_config"):
        yield written("no-optimizer", {**config, "compile_config": None})
    number = 0
    while (changed := renamed(config, number)) is not None:
        yield written(f"custom-{number}", changed)
        number += 1
    if "model.weights.h5" in members:
        alone = folder / "alone.weights.h5"
        alone.write_bytes(members["model.weights.h5"])
        yield alone


def less_told_hdf5(file, folder):
    with h5py.File(file) as content:
        stored = content.attrs.get("model_config")
        trained = "training_config" in content.attrs
    if stored is None:
        return
    config = json.loads(stored)

    def written(name, change):
        target = folder / f"{name}.h5"
        shutil.copyfile(file, target)
        target.chmod(0o644)
        with h5py.File(target, "r+") as content:
            change(content)
        return target

    def without_optimizer(content):
        del content.attrs["training_config"]
        if "optimizer_weights" in content:
            del content["optimizer_weights"]

    def without_configuration(content):
        del content.attrs["model_config"]

    if trained:
        yield written("no-optimizer", without_optimizer)
    number = 0
    while isinstance(config, dict) and (changed := renamed(config, number)) is not None:
        text = json.dumps(changed)
        yield written(f"custom-{number}", lambda c, text=text: c.attrs.modify("model_config", text))
        number += 1
    yield written("alone", without_configuration)


def judged(file, facts):
    """Return the severity of each warning and error, by rule and by where the values lie."""
    report = regaudit.audit(file, Config.default(**facts))
    if report.failure:
        return None
    stored = {weight.path: weight.stored_path for _, weight in report.model.weights()}
    places = {}
    for finding in report.findings:
        for item in finding.items:
            if item.severity >= Severity.WARNING:
                place = stored.get(item.path, item.path).removeprefix("model_weights/")
                places[finding.code, place] = item.severity
    return places


def check(file, folder):
    less_told = less_told_archives if zipfile.is_zipfile(file) else less_told_hdf5
    before = [judged(file, facts) for facts in FACTS]
    if None in before:
        return
    for changed in less_told(file, folder):
        for known, facts in zip(before, FACTS, strict=True):
            after = judged(changed, facts)
            new = {
                key: str(severity)
                for key, severity in (after or {}).items()
                if key[0] != "REG901" and severity > known.get(key, 0)
            }
            assert not new, f"{changed.name} with {facts}: {new}"
        changed.unlink()


@pytest.mark.parametrize("part", range(4))
def test_what_is_not_told_is_not_held_against_a_model(part, tmp_path):
    for file in [*SEEN, *FILES[::STEP]][part::4]:
        check(file, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FIXTURES)))
def test_the_same_of_every_fixture(file, tmp_path):
    check(file, tmp_path)
