"""What the name of a file may be: `-` for standard streams, never empty, once as an output."""

import json

import pytest
from command_line import run
from paths import MODELS

MODEL = MODELS / "regularized-cnn.keras"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", MODEL, "--format", "json", "-o", "-"),
        ("check", MODEL, "--output", "json:-"),
        ("check", MODEL, "--output", "json:-", "-o", "table.txt"),
        ("check", MODEL, "--output", "json:/dev/stdout"),
        ("report", MODEL, "--json", "-"),
        ("report", MODEL, "--json", "-", "--html", "page.html"),
        ("report", MODEL, "--output", "json:-"),
        ("report", MODEL, "--format", "json", "-o", "-"),
        ("suggest", MODEL, "--format", "json", "-o", "-"),
        ("diff", MODEL, MODEL, "--format", "json", "-o", "-"),
        ("diff", MODEL, MODEL, "--output", "json:-"),
    ],
)
def test_a_dash_is_standard_output(arguments, tmp_path):
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)
    assert not (tmp_path / "-").exists()


def test_a_file_may_still_be_called_so(tmp_path):
    assert run("check", MODEL, "--format", "json", "-o", "./-").exit_code == 0
    assert json.loads((tmp_path / "-").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", MODEL, "--format", "csv", "--output", "json:-"), "csv and json would both be"),
        (("check", MODEL, "--output", "json:-", "--output", "csv:-"), "json and csv would both be"),
        (("report", MODEL, "--html", "-", "--json", "-"), "html and json would both be printed"),
        (("report", MODEL, "--html", "-", "--format", "json"), "html and json would both be"),
        (("diff", MODEL, MODEL, "--format", "json", "--output", "html:-"), "json and html would"),
        (("check", MODEL, "--output", "parquet:-"), "parquet is a binary format"),
        (("diff", MODEL, MODEL, "-o", "out.parquet"), "diff writes no parquet"),
        (("apply", MODEL, "-o", "-", "--remove", "*"), "a model is not printed"),
        (("report", MODEL, "--html", "a", "--json", "./a"), "a is written twice"),
        (("check", MODEL, "-o", "link", "--output", "json:file"), "is written twice"),
        (("check", MODEL, "--output", "json:folder/../file", "-o", "file"), "is written twice"),
    ],
)
def test_no_output_goes_where_another_goes_or_cannot(arguments, said, tmp_path):
    (tmp_path / "link").symlink_to("file")
    before = sorted(tmp_path.iterdir())
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert (result.stdout, sorted(tmp_path.iterdir())) == ("", before)


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", ""),
        ("inspect", MODEL, ""),
        ("diff", "", MODEL),
        ("verify", ""),
        ("suggest", ""),
        ("apply", "", "--dry-run", "--remove", "*"),
        ("apply", MODEL, "-o", "", "--remove", "*"),
        ("apply", MODEL, "--dry-run", "--from", ""),
        ("check", MODEL, "-o", ""),
        ("check", MODEL, "--config", ""),
        ("check", MODEL, "--baseline", ""),
        ("report", MODEL, "--html", ""),
        ("report", "--from", "", "--html", "page.html"),
        ("baseline", "write", ""),
    ],
)
def test_an_empty_name_is_not_the_current_folder(arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert "the name is empty" in result.stderr


@pytest.mark.parametrize("given", ["mdoel.keras", "./mdoel.keras", "modell.*"])
def test_a_name_that_leads_to_nothing_gets_the_nearest(given, tmp_path):
    (tmp_path / "model.keras").touch()
    result = run("check", given)
    assert result.exit_code == 3
    assert "; did you mean 'model.keras'?" in result.stdout


def test_so_does_a_pattern(tmp_path):
    (tmp_path / "a.keras").touch()
    assert "; did you mean '*.keras'?" in run("check", "*.kera").stdout


@pytest.mark.parametrize("given", ["modles/a.keras", "modles/*.keras", "modles/deep/**/*.h5"])
def test_so_does_a_folder_on_the_way(given, tmp_path):
    (tmp_path / "models").mkdir()
    result = run("check", given)
    assert result.exit_code == 3
    assert "; did you mean 'models'?" in result.stdout
