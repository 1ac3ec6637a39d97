"""A name that is nearly right is answered with the right one, wherever names are taken."""

import pytest
from command_line import run
from paths import MODELS

from regaudit.advice.recipes import RECIPES

MODEL = MODELS / "digits-cnn.keras"


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["inspct"], "inspect"),
        (["explain", "REG1O1"], "REG101"),
        (["explain", "regl0l"], "REG101"),
        (["explain", "large-layer-unregularised"], "large-layer-unregularized"),
        (["check", MODEL, "--select", "REG1O1"], "REG101"),
        (["check", MODEL, "--ignore", "REG4O1"], "REG401"),
        (["check", MODEL, "--preset", "strct"], "strict"),
        (["check", MODEL, "--min-confidence", "hihg"], "high"),
        (["check", MODEL, "--fail-on", "eror"], "error"),
        (["check", MODEL, "--limit", "memory_byte=1"], "memory_bytes"),
        (["inspect", MODEL, "--layer", "hiden"], "hidden"),
        (["inspect", MODEL, "--format", "htm"], "html"),
        (["inspect", MODEL, "--sort", "penality"], "penalty"),
        (["apply", MODEL, "-o", "o.keras", "--recipe", "EfficientNetB11"], "EfficientNetB1"),
        (["apply", MODEL, "-o", "o.keras", "--recipe", "mobilnet"], "MobileNet"),
        (["apply", MODEL, "-o", "o.keras", "--set", "hiden:kernel=l2(1)"], "hidden"),
        (["apply", MODEL, "-o", "o.keras", "--set", "hidden:kernal=l2(1)"], "kernel"),
        (["sweep", MODEL, "--data", "d.npz", "--aim", "adam"], "adamw"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_the_near_name_is_said(arguments, meant, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2
    assert f"did you mean {meant!r}?" in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == []


def test_what_is_near_nothing_is_only_refused():
    assert run("zzzz").output.endswith("Error: No such command 'zzzz'.\n")


def test_each_recipe_that_is_listed_can_be_named():
    listed = run("apply", MODEL, "-o", "o.keras", "--recipe", "x").output
    names = [name for recipe in RECIPES for name in recipe.names]
    told = " ".join(listed.split()).partition("recipes are ")[2].split(", ")
    assert told == list(dict.fromkeys(names))
    for name in ("EfficientNetB1", "efficientnetb2", "MobileNet"):
        result = run("apply", MODEL, "--dry-run", "--recipe", name)
        assert result.exit_code == 0, result.output
