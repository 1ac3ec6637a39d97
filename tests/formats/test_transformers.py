"""Weights of transformers' TensorFlow models, with the configuration that lies beside them."""

import shutil

import pytest
from paths import FIXTURES

import regaudit

FOLDER = FIXTURES / "transformers"


def audited(name):
    report = regaudit.audit(FOLDER / name / "tf_model.h5")
    assert report.failure is None
    return report, {weight.path: weight for _, weight in report.model.weights()}


@pytest.mark.parametrize(
    ("name", "path", "role", "shape"),
    [
        ("bert", "bert/embeddings/word_embeddings/embeddings", "embeddings", (20, 8)),
        ("bert", "bert/encoder/layer_._0/attention/self/query/kernel", "kernel", (8, 8)),
        ("bert", "bert/encoder/layer_._0/output/LayerNorm/gamma", "gamma", (8,)),
        ("gpt2", "transformer/h_._0/attn/c_attn/kernel", "kernel", (8, 24)),
        ("gpt2", "transformer/wte/embeddings", "embeddings", (20, 8)),
        ("vit", "vit/embeddings/cls_token", "cls_token", (1, 1, 8)),
    ],
)
def test_paths_and_roles_are_those_of_the_names(name, path, role, shape):
    _, weights = audited(name)
    assert (weights[path].role, weights[path].shape) == (role, shape)


def test_it_is_said_which_model_it_is_and_what_drops_out():
    report, weights = audited("bert")
    (remark,) = [skip.reason for skip in report.skipped if skip.path == "(model)"]
    assert remark == (
        "regularizers are unknown: BertForSequenceClassification of transformers, whose code "
        "decides them; its config.json tells attention_probs_dropout_prob 0.1, "
        "hidden_dropout_prob 0.1"
    )
    assert not any(weight.regularizer_known for weight in weights.values())
    assert report.told_penalty is None


@pytest.mark.parametrize(
    "config", [None, "{", "[]", '{"model_type": 1}', '{"class_name": "Dense"}']
)
def test_without_such_a_configuration_they_are_weights_like_any(config, tmp_path):
    shutil.copy(FOLDER / "bert" / "tf_model.h5", tmp_path)
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    report = regaudit.audit(tmp_path / "tf_model.h5")
    assert report.failure is None
    assert "to_json()" in report.skipped[0].reason


def test_a_configuration_that_is_a_link_is_not_followed(tmp_path):
    shutil.copy(FOLDER / "bert" / "tf_model.h5", tmp_path)
    (tmp_path / "config.json").symlink_to(FOLDER / "bert" / "config.json")
    assert "to_json()" in regaudit.audit(tmp_path / "tf_model.h5").skipped[0].reason
