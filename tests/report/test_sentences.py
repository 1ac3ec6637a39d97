"""What a report says of regularizers that its file does not tell."""

import pytest
from paths import FIXTURES, MODELS

import regaudit
from regaudit.report import sentences

APPLY, CORPUS = FIXTURES / "apply", FIXTURES / "corpus"


@pytest.mark.parametrize(
    ("file", "summary", "penalty"),
    [
        (
            MODELS / "digits-cnn.keras",
            "0 weights of 6 are regularized.",
            "none: no weight adds to the loss",
        ),
        (
            APPLY / "custom.keras",
            (
                "Of 4 weights, 2 are not regularized, 2 are unknown; "
                "activity regularizer not known for 1 layer."
            ),
            "not known: the file does not tell what regularizes 2 weights",
        ),
        (
            APPLY / "regularized.directory/model.weights.h5",
            "This file does not say which weights are regularized.",
            "not known: the file has no configuration",
        ),
        (
            CORPUS / "keras-3.15.1/custom_cell.h5",
            (
                "Of 9 weights it is not known which are regularized; "
                "activity regularizer not known for 6 layers."
            ),
            "not known: custom code decides what regularizes the weights",
        ),
        (
            FIXTURES / "rules/REG904/bad.keras",
            "1 weight of 2 is regularized, 88.9% of the trainable parameters.",
            "not known: the file does not tell the strength of 1 regularizer",
        ),
        (
            CORPUS / "keras-3.3.3/custom_layer.keras",
            (
                "Of 16 weights, 1 is regularized (at least 8.3% of the trainable parameters), "
                "1 is not, 14 are unknown; activity regularizer not known for 8 layers; "
                "1 regularizer on no stored weight."
            ),
            (
                "0.0871025 added to the loss by 1 weight, and maybe more: the file does not tell "
                "what regularizes 14 weights"
            ),
        ),
    ],
)
def test_it_counts_what_is_not_told_apart(file, summary, penalty):
    report = regaudit.audit(file)
    assert sentences.summary(report) == summary
    assert sentences.total_penalty(report) == penalty


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (MODELS / "digits-cnn.keras", ""),
        (APPLY / "custom.keras", ""),
        (
            APPLY / "regularized.directory/model.weights.h5",
            (
                "4 weights could not be judged: this file has no configuration; "
                "give the model's to_json() with --config model.json"
            ),
        ),
        (
            CORPUS / "keras-3.15.1/custom_cell.h5",
            "9 weights could not be judged: only its custom code tells what regularizes them",
        ),
    ],
)
def test_it_says_where_no_regularizer_is_known(file, said):
    assert sentences.unjudged(regaudit.audit(file)) == said
