import pytest
from msgspec.structs import replace
from oracles import oracle_of
from paths import CORPUS
from rule_values import evidence, kernel, layer

import regaudit
from regaudit.rules.reg905_order_loaded_h5 import OrderLoadedH5
from regaudit.settings.config import Config

# not attention_frozen.h5: flags set on the projections inside one layer are not in any file
FILES = sorted(
    file
    for file in CORPUS.glob("*/*.h5")
    if not file.name.endswith((".weights.h5", ".legacy.h5")) and file.stem != "attention_frozen"
)


class TestOrderLoadedH5:
    check = staticmethod(lambda found: list(OrderLoadedH5().check(found)))

    @pytest.mark.parametrize(("shape", "effect"), [((10, 10), "gives it"), ((10, 9), "fails")])
    def test_says_what_a_load_does(self, shape, effect):
        one, other = kernel("a", (10, 10)), kernel("b", shape)
        swapped = replace(one, loads_from=other.stored_path)
        (item,) = self.check(evidence(layer("a", weights=(swapped,)), layer("b", weights=(other,))))
        assert item.path == "a/kernel"
        assert effect in item.message

    @pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
    def test_files_that_keras_loads_wrongly_or_not_at_all_are_found_and_no_others(self, file):
        oracle = oracle_of(file)
        report = regaudit.audit(file, Config.default(select=["REG905"]))
        out_of_place = "hape" in (oracle["load_error"] or "") or (
            # a variable of two models is stored twice, which is another story
            oracle["same_values"] is False and "shared" not in file.name
        )
        assert bool(report.findings) == out_of_place
