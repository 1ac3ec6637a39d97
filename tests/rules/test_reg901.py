import pytest
from msgspec.structs import replace
from paths import CORPUS
from rule_values import evidence, kernel, layer

import regaudit
from regaudit.evidence.evidence import Evidence
from regaudit.rules.reg901_unattributed_weight import UnattributedWeight
from regaudit.settings.config import Config

DENSE = layer("dense", weights=(kernel("dense"),))
LEFT = replace(layer("left", "", (kernel("left"),)), known=False)


class TestUnattributedWeight:
    check = staticmethod(lambda found: list(UnattributedWeight().check(found)))

    def test_values_without_a_layer_are_found(self):
        (item,) = self.check(evidence(DENSE, LEFT, nodes=evidence(DENSE).model.nodes))
        assert item.path == "left/kernel"
        assert item.observed["values"] == 1_000_000

    def test_a_weight_too_many_in_a_known_layer_is_found(self):
        extra = replace(kernel("dense"), path="dense/variable_2", role="variable_2")
        (item,) = self.check(evidence(replace(DENSE, weights=(kernel("dense"), extra))))
        assert item.path == "dense/variable_2"

    def test_what_custom_code_holds_passes(self):
        custom = replace(layer("own", "my>Own", (kernel("own"),)), known=False)
        assert not self.check(evidence(DENSE, custom, LEFT))
        whole = evidence(DENSE, LEFT)
        own = Evidence(replace(whole.model, class_name="my>Model"), whole.moments)
        assert not self.check(own)

    def test_weights_alone_pass(self):
        whole = evidence(LEFT)
        assert not self.check(Evidence(replace(whole.model, class_name=""), whole.moments))

    @pytest.mark.parametrize("version", sorted(folder.name for folder in CORPUS.iterdir()))
    def test_no_file_of_keras_has_one(self, version):
        config = Config.default(select=["REG901"])
        files = [
            one
            for one in (CORPUS / version).iterdir()
            if one.suffix in {".keras", ".h5"} and not one.name.endswith("_00001.weights.h5")
        ]  # a shard may hold the optimizer alone
        assert files
        for file in files:
            report = regaudit.audit(file, config)
            assert report.failure is None
            assert not report.findings, file
