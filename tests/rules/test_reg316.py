import pytest
from rule_values import evidence, kernel, l2, layer

from regaudit.model import Status
from regaudit.rules.reg316_embedding_penalized_densely import EmbeddingPenalizedDensely


def check(shape, regularizer, class_name="Embedding"):
    key = "embeddings_regularizer"
    table = kernel("e", shape, role="embeddings", regularizer_key=key, regularizer=regularizer)
    return list(EmbeddingPenalizedDensely().check(evidence(layer("e", class_name, (table,)))))


class TestEmbeddingPenalizedDensely:
    @pytest.mark.parametrize(("rows", "found"), [(1001, True), (1000, False)])
    def test_large_tables_are_named(self, rows, found):
        assert bool(check((rows, 100), l2())) is found

    def test_l1_frozen_tables_and_tables_that_make_the_output_pass(self):
        assert not check((5000, 100), l2(0.0, l1=1e-5))
        assert not check((5000, 100), l2(status=Status.FROZEN))
        assert not check((5000, 100), None)
        assert not check((5000, 100), l2(), "ReversibleEmbedding")
