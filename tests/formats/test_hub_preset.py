"""Presets of KerasHub: a model a folder, each weight of it once, with the role that KerasHub gives.

`fixtures/hub_presets.py` saved them and asked the real KerasHub what it loads.
"""

import json
import os
import shutil
import zipfile
from math import isclose

import pytest
from command_line import run
from paths import FIXTURES

import regaudit
from regaudit.running.model_search import search

PRESETS = FIXTURES / "hub"
ORACLE = json.loads((FIXTURES / "hub.json").read_text(encoding="utf-8"))["presets"]
HEAD = "bert_classifier"


def preset(tmp_path, name=HEAD):
    return shutil.copytree(PRESETS / name, tmp_path / name)


OWN = "own_layers.keras"
PRESET_NAMES = sorted(ORACLE.keys() - {OWN})


@pytest.mark.parametrize("name", PRESET_NAMES)
def test_a_preset_is_one_model_of_the_class_that_is_loaded(name):
    report = regaudit.audit(PRESETS / name)
    assert report.format == "keras-hub"
    assert report.model.class_name == f"keras_hub>{ORACLE[name]['class_name']}"
    assert report.model.name.startswith(ORACLE[name]["name"].rstrip("_0123456789"))


@pytest.mark.parametrize("name", sorted(ORACLE))
def test_every_weight_is_what_keras_hub_loads(name):
    report, oracle = regaudit.audit(PRESETS / name), ORACLE[name]
    assert report.failure is None
    assert all(layer.known for layer in report.model.layers)
    assert report.coverage.measured == report.coverage.weights == len(oracle["weights"])
    assert isclose(report.penalty, oracle["losses"], rel_tol=1e-6)
    found = {weight.stored_path: weight for _, weight in report.model.weights()}
    for expected in oracle["weights"]:
        weight = found.pop(expected["stored_path"])
        assert weight.path.partition("/")[2] == expected["path"].partition("/")[2] or (
            weight.path == expected["path"]
        )
        assert weight.role == expected["role"]
        assert list(weight.shape) == expected["shape"]
        assert weight.trainable == expected["trainable"], weight.path
        assert weight.trainable_known
        assert weight.regularizer_known
        moments = report.moments[expected["stored_path"]]
        near = 0.02 if weight.dequantized_from else 1e-6
        assert isclose(moments.l1_norm, expected["l1"], rel_tol=near)
        assert isclose(moments.l2_norm, expected["l2"], rel_tol=near)
    assert not found


def test_the_head_has_the_paths_of_the_task():
    report = regaudit.audit(PRESETS / HEAD)
    paths = [weight.path for _, weight in report.model.weights()]
    assert len(paths) == len(set(paths))
    assert {"logits/kernel", "bert_backbone/pooled_dense/kernel"} <= set(paths)
    at = "bert_backbone/transformer_layer_0/self_attention_layer/query/kernel"
    assert at in paths


def test_layers_of_keras_hub_in_a_model_of_ones_own_carry_their_regularizers():
    report = regaudit.audit(PRESETS / OWN)
    regularized = [weight.path for _, weight in report.model.weights() if weight.regularizer]
    parts = ("attention_output", "key", "query", "value")
    assert sorted(regularized) == [f"attend/{part}/kernel" for part in parts]
    at = {item.path for one in report.findings if one.code == "REG318" for item in one.items}
    assert at == {"embed", "encode"}


def test_rates_of_dropout_are_facts_for_rules():
    (finding,) = (one for one in regaudit.audit(PRESETS / HEAD).findings if one.code == "REG314")
    assert [item.path for item in finding.items] == ["classifier_dropout"]


def test_a_quantized_preset_is_measured_as_its_codes_stand_for():
    report = regaudit.audit(PRESETS / "gemma_int8")
    modes = {weight.dequantized_from for _, weight in report.model.weights()}
    assert modes == {None, "int8"}


def test_a_folder_of_presets_has_each_of_them_once(tmp_path):
    for name in PRESET_NAMES:
        preset(tmp_path, name)
    found = search(str(tmp_path))
    names = sorted(os.path.relpath(one, tmp_path) for one in found.models)
    assert names == sorted([*PRESET_NAMES, "gemma_lora/adapter.lora.h5"])
    assert not found.refused


def test_a_cache_of_hugging_face_is_read_through_its_links(tmp_path):
    cache = tmp_path / "models--keras--bert"
    folder, blobs = cache / "snapshots" / ("a" * 40), cache / "blobs"
    folder.mkdir(parents=True)
    blobs.mkdir()
    for number, file in enumerate(sorted((PRESETS / HEAD).iterdir())):
        blob = blobs / f"{number:064x}"
        shutil.copy(file, blob)
        (folder / file.name).symlink_to(f"../../blobs/{blob.name}")
    found = search(str(tmp_path))
    assert found.models == [str(folder)]
    assert not found.refused
    assert regaudit.audit(folder).coverage == regaudit.audit(PRESETS / HEAD).coverage


def test_a_cache_of_kaggle_is_found(tmp_path):
    folder = tmp_path / "models" / "keras" / "bert" / "keras" / "bert_tiny_en_uncased" / "2"
    shutil.copytree(PRESETS / HEAD, folder)
    assert search(str(tmp_path)).models == [str(folder)]


def test_without_a_task_it_is_the_backbone(tmp_path):
    folder = preset(tmp_path)
    (folder / "task.json").unlink()
    report = regaudit.audit(folder)
    assert report.model.class_name == "keras_hub>BertBackbone"
    assert "task.weights.h5" in {skip.path for skip in report.skipped}


def test_a_head_that_is_not_there_is_told(tmp_path):
    folder = preset(tmp_path)
    (folder / "task.weights.h5").unlink()
    assert "task.weights.h5" in {skip.path for skip in regaudit.audit(folder).skipped}
    told = {skip.path for skip in regaudit.audit(PRESETS / "gemma_int8").skipped}
    assert "task.weights.h5" not in told  # a language model has none: it is tied to the embedding


def test_a_task_for_another_backbone_is_told(tmp_path):
    folder = preset(tmp_path)
    shutil.copy(PRESETS / "vit_classifier" / "task.json", folder)
    skipped = {skip.path: skip.reason for skip in regaudit.audit(folder).skipped}
    assert "ViTBackbone" in skipped["task.json"]


@pytest.mark.parametrize("name", ["MyBackbone", "BertBackbone"])
def test_a_class_of_ones_own_keeps_its_roles_to_itself(tmp_path, name):
    folder = preset(tmp_path)
    (folder / "task.json").unlink()
    own = {"class_name": name, "module": "mine", "registered_name": f"mine>{name}", "config": {}}
    (folder / "config.json").write_text(json.dumps(own), encoding="utf-8")
    report = regaudit.audit(folder)
    assert report.coverage.measured == report.coverage.weights > 0
    assert not any(layer.known for layer in report.model.layers)
    assert not any(weight.regularizer_known for _, weight in report.model.weights())


def test_what_a_class_does_not_make_stays_unknown(tmp_path):
    h5py = pytest.importorskip("h5py")
    folder = preset(tmp_path)
    with h5py.File(folder / "model.weights.h5", "r+") as hdf5:
        layer = hdf5["layers/position_embedding/vars"]
        layer["1"] = layer["0"][()]
        hdf5.create_group("layers/adapter/vars")["0"] = [1.0, 2.0]
    report = regaudit.audit(folder)
    assert report.coverage.measured == report.coverage.weights
    unknown = {layer.name for layer in report.model.layers if not layer.known}
    assert unknown == {"position_embedding", "adapter"}


def _cut(folder):
    (folder / "task.json").write_text('{"class_name": "BertTextClassifier", ', encoding="utf-8")


def _deep(folder):
    (folder / "task.json").write_text('{"config": ' * 5000 + "1" + "}" * 5000, encoding="utf-8")


def _a_list(folder):
    (folder / "task.json").write_text("[1, 2]", encoding="utf-8")


def _no_class(folder):
    (folder / "task.json").write_text('{"config": {}}', encoding="utf-8")


def _link(folder):
    (folder / "task.weights.h5").unlink()
    (folder / "task.weights.h5").symlink_to("/etc/hostname")


def _pointer(folder):
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"
    (folder / "task.weights.h5").write_text(text, encoding="utf-8")


def _empty(folder):
    (folder / "task.weights.h5").write_bytes(b"")


def _folder(folder):
    (folder / "task.weights.h5").unlink()
    (folder / "task.weights.h5").mkdir()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_cut, "task.json"),
        (_deep, "task.json"),
        (_a_list, "task.json"),
        (_no_class, "task.json"),
        (_link, "task.weights.h5"),
        (_pointer, "Git LFS"),
        (_empty, "task.weights.h5"),
        (_folder, "task.weights.h5"),
    ],
)
def test_a_spoiled_task_is_refused_by_name(tmp_path, spoil, says):
    folder = preset(tmp_path)
    spoil(folder)
    failure = regaudit.audit(folder).failure
    assert failure is not None
    assert says in failure.message


def test_shards_that_lead_out_are_refused(tmp_path):
    folder = preset(tmp_path, "bert_frozen_shards")
    (folder / "model.weights.json").write_text('{"weight_map": {"/a": "../x.weights.h5"}}')
    assert regaudit.audit(folder).failure.kind == "UnsafeFileError"


@pytest.mark.parametrize("name", [HEAD, OWN])
def test_what_keras_hub_makes_cannot_be_edited(tmp_path, name):
    layer = {HEAD: "logits", OWN: "encode/feedforward_output_dense"}[name]
    edit = f"{layer}:kernel=l2(1e-4)"
    done = run("apply", PRESETS / name, "-o", tmp_path / "out.keras", "--set", edit)
    assert done.exit_code == 3
    assert "KerasHub" in done.output
    assert not (tmp_path / "out.keras").exists()


def test_no_strength_is_suggested_where_none_could_be_written():
    losses = ("--train-loss", "0.1", "--val-loss", "0.9")
    done = run("suggest", str(PRESETS / HEAD), *losses)
    assert "KerasHub's code makes the layers" in " ".join(done.output.split())
    own = run("suggest", str(PRESETS / OWN), "--format", "json")
    assert [change["layer"] for change in json.loads(own.output)["changes"]] == ["out"]


def test_lora_weights_are_measured_by_themselves():
    report = regaudit.audit(PRESETS / "gemma_lora" / "adapter.lora.h5")
    paths = [weight.path for _, weight in report.model.weights()]
    parts = ("lora_kernel_a", "lora_kernel_b")
    assert paths == [f"lora/{number}/{part}" for number in (8, 10) for part in parts]
    assert report.coverage.measured == 4
    told = {skip.path for skip in regaudit.audit(PRESETS / "gemma_lora").skipped}
    assert "adapter.lora.h5" in told


def test_a_preset_of_keras_nlp_without_names_has_the_same_paths(tmp_path):
    h5py = pytest.importorskip("h5py")
    folder = preset(tmp_path)
    for name in ("model.weights.h5", "task.weights.h5"):
        with h5py.File(folder / name, "r+") as hdf5:  # Keras 3.6 and later note names
            groups = []
            hdf5.visititems(lambda _, item, groups=groups: groups.append(item))
            for group in groups:
                group.attrs.pop("name", None)
    with h5py.File(folder / "model.weights.h5", "r+") as hdf5:
        layer = hdf5["layers/transformer_encoder"]
        layer.move("_self_attention_layer/query_dense", "_self_attention_layer/_query_dense")
        layer.move("_feedforward_layer_norm", "feedforward_layer_norm")
    for name in ("config.json", "task.json"):
        text = (folder / name).read_text(encoding="utf-8").replace("keras_hub", "keras_nlp")
        (folder / name).write_text(text, encoding="utf-8")
    old, new = regaudit.audit(folder), regaudit.audit(PRESETS / HEAD)
    assert old.model.class_name == "keras_nlp>BertTextClassifier"
    assert {weight.path for _, weight in old.model.weights()} == {
        weight.path for _, weight in new.model.weights()
    }
    assert all(layer.known for layer in old.model.layers)


def test_an_unzipped_archive_of_a_task_is_no_preset(tmp_path):
    with zipfile.ZipFile(PRESETS / OWN) as archive:
        archive.extractall(tmp_path / "own")
    report = regaudit.audit(tmp_path / "own")
    assert report.format == "keras-directory"
    assert report.coverage == regaudit.audit(PRESETS / OWN).coverage


def test_a_preset_without_metadata_is_known_by_its_class(tmp_path):
    folder = preset(tmp_path)
    (folder / "metadata.json").unlink()
    assert regaudit.audit(folder).format == "keras-hub"
