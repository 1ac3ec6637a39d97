"""What plug-ins import is there, by names that stay."""

from importlib import import_module

import pytest

import regaudit.testing


@pytest.mark.parametrize("package", ["rules", "formats", "renderers"])
def test_every_public_name_leads_somewhere(package):
    module = import_module(f"regaudit.{package}")
    assert sorted(module.__all__) == sorted(module._HOMES)
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = module.nothing


def test_what_plug_ins_are_made_of_keeps_its_name():
    """A name that is taken away breaks packages of others: add to these, and take none away."""
    from_rules = {"About", "Evidence", "Layer", "Occurrence", "Rule", "Severity", "Threshold"}
    assert from_rules <= set(import_module("regaudit.rules").__all__)
    from_formats = {"ArrayTensor", "Artifact", "Format", "Location", "describe_with_values"}
    assert from_formats <= set(import_module("regaudit.formats").__all__)
    assert {"Renderer", "View", "page", "plain"} <= set(import_module("regaudit.renderers").__all__)
    of_tests = {"assert_documented", "assert_fires", "assert_ok", "assert_silent", "evidence"}
    assert of_tests <= set(regaudit.testing.__all__)
