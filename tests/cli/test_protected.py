"""No output replaces a model, a part of one, or a file that the run reads."""

import os
import shutil

import pytest
from click.testing import CliRunner
from paths import FIXTURES

from regaudit.cli import main
from regaudit.cli.targets import FORMATS
from regaudit.renderers.interface import renderer

SHARDS = FIXTURES / "corpus" / "keras-3.15.1"
SET = ("--set", "*:kernel=l2(1e-4)")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mlp.weights.json", "mlp_00000.weights.h5", "mlp_00001.weights.h5"):
        shutil.copy(SHARDS / name, tmp_path)
    shutil.copytree(FIXTURES / "corpus" / "tf-2.15" / "mlp.savedmodel", "sm")
    shutil.copytree(FIXTURES / "apply" / "regularized.directory", "kd")
    shutil.copy(FIXTURES / "models" / "tutorial-l2.keras", "m.keras")
    shutil.copy("m.keras", "other.keras")
    (tmp_path / "link.html").symlink_to("other.keras")
    os.link("sm/variables/variables.index", "hard.html")
    shutil.copy("sm/variables/variables.index", "ckpt.index")
    shutil.copy("sm/saved_model.pb", "graph.html")
    shutil.copy("kd/config.json", "architecture.html")
    shutil.copy("kd/metadata.json", "metadata.html")
    shutil.copy("mlp.weights.json", "list.html")
    tmp_path.joinpath("pointer.html").write_text("version https://git-lfs.github.com/spec/v1\n")
    (tmp_path / "inner.html").symlink_to("sm/assets/new.txt")
    (tmp_path / "above").symlink_to("sm")
    os.link("mlp_00000.weights.h5", "shard.html")
    os.link("kd/config.json", "kd.json.before-apply")
    (tmp_path / "settings.toml").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("inspect mlp.weights.json -o mlp_00000.weights.h5", "a part of the model"),
        ("inspect m.keras -o mlp_00001.weights.h5", "a part of the model"),
        ("inspect sm/saved_model.pb -o sm/variables/variables.index", "a part of the model"),
        ("inspect m.keras -o sm/variables/variables.index", "a part of the model"),
        ("inspect sm -o sm/new.html", "a part of the model"),
        ("inspect sm -o hard.html", "binary"),
        ("check m.keras -o kd/metadata.json", "a part of the model"),
        ("check m.keras -o kd/../kd/model.weights.h5", "a part of the model"),
        ("check m.keras -o ./m.keras", "one of the models"),
        ("check m.keras -o link.html", "a model"),
        ("report m.keras --html other.keras", "a model"),
        ("report m.keras --html a.html --json ./a.html", "written twice"),
        ("check m.keras --config settings.toml -o settings.toml", "files that are read"),
        ("check m.keras --cache=kept -o kept/a.html", "in the cache"),
        ("suggest m.keras -o other.keras", "a model"),
        ("check m.keras -o sm/assets/a/x.json", "a part of the model"),
        ("check m.keras -o sm/a/b/c/d/e/f/g/h/i/j/k/x.json", "a part of the model"),
        ("check m.keras -o above/new.json", "a part of the model"),
        ("check m.keras --output json:inner.html", "a part of the model"),
        ("check m.keras -o kd/new.html", "a part of the model"),
        ("check m.keras -o mlp_00007.weights.h5", "a part of the model"),
        ("check m.keras -o new.keras", "a model by its name"),
        ("check m.keras -o ckpt.index", "by its name"),
        ("check m.keras -o ckpt.data-00000-of-00001", "a part of the model"),
        ("check m.keras -o checkpoint", "by its name"),
        ("check m.keras -o hard.html", "binary"),
        ("inspect m.keras -o shard.html", "binary"),
        ("report m.keras --html graph.html", "binary"),
        ("report m.keras --json architecture.html", "in JSON"),
        ("report m.keras --markdown metadata.html", "in JSON"),
        ("diff m.keras other.keras -o list.html", "in JSON"),
        ("suggest m.keras -o pointer.html", "LFS pointer"),
        ("suggest m.keras -o sm/assets/a.py", "a part of the model"),
        ("check m.keras -o kd.json.before-apply", "restores a model"),
        ("check m.keras --cache=sm/kept", "a part of the model"),
        ("check m.keras --cache=sm", "a part of the model"),
        ("diff m.keras other.keras -o other.keras", "one of the models"),
        ("baseline write m.keras --baseline m.keras --force", "one of the models"),
        ("baseline write m.keras --baseline other.keras --force", "a model"),
        ("baseline write m.keras --baseline settings.toml --force", "not a baseline"),
        ("apply m.keras -o sm/variables/variables.index --force", "a part of the model"),
        ("apply m.keras -o mlp_00000.weights.h5 --force", "a part of the model"),
        ("baseline write m.keras --baseline sm/assets/b.json", "a part of the model"),
        ("apply m.keras -o sm/assets/x.keras", "a part of the model"),
        ("apply kd -o sm/assets/kd", "a part of the model"),
        ("apply m.keras -o ckpt.index --force", "by its name"),
        ("apply m.keras -o kd.json.before-apply --force", "restores a model"),
        ("apply m.keras -o x.h5", "suffix"),
        ("apply kd -o x.keras", "suffix"),
    ],
)
def test_it_is_refused_before_anything_is_read(command, said, folder):
    def content():
        return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    before = content()
    done = CliRunner().invoke(
        main, [*command.split(), *(SET if command.startswith("apply") else ())]
    )
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert content() == before


def test_results_and_the_summary_of_a_step(folder, monkeypatch):
    def run(command):
        return CliRunner().invoke(main, command.split())

    assert run("check m.keras --format jsonl -o r.jsonl").exit_code in {0, 1}
    for file in ("m.keras", "r.jsonl", "mlp_00000.weights.h5"):
        assert run(f"report --from r.jsonl --html {file}").exit_code == 2
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "other.keras")
    assert run("check m.keras --format github").exit_code == 2
    assert (folder / "m.keras").read_bytes() == (folder / "other.keras").read_bytes()


@pytest.mark.usefixtures("folder")
def test_older_reports_are_replaced_in_every_format():
    formats = set(FORMATS) - ({"parquet"} if renderer("parquet").missing() else set())
    into = [f"--output={format_}:out.{format_}" for format_ in sorted(formats)]
    for _ in range(2):
        done = CliRunner().invoke(main, ["inspect", "m.keras", "--color", "always", *into])
        assert done.exit_code == 0, done.output
        suggested = ["suggest", "m.keras", "--format", "json", "-o", "s.json"]
        assert CliRunner().invoke(main, suggested).exit_code == 0


@pytest.mark.parametrize("target", ["..", "../out", "."])
def test_a_link_in_a_folder_that_is_searched_protects_nothing(target, folder):
    for name in ("repo", "out"):
        (folder / name).mkdir()
    shutil.copy("m.keras", "repo")
    (folder / "repo" / "up").symlink_to(target)
    for file in (folder / "b.json", folder / "out" / "b.json", folder / "repo" / "b.json"):
        done = CliRunner().invoke(main, ["baseline", "write", "repo", "--baseline", str(file)])
        assert done.exit_code == 0, done.output
        assert file.exists()


@pytest.mark.parametrize("target", ["../out", ".."])
def test_a_link_in_a_model_protects_what_is_a_part_of_it(target, folder):
    (folder / "out").mkdir()
    (folder / "sm" / "more").symlink_to(target)
    done = CliRunner().invoke(main, ["baseline", "write", ".", "--baseline", "out/b.json"])
    assert (done.exit_code == 2) is (target == "../out"), done.output
    for also in ("sm/b.json", "kd/b.json"):
        done = CliRunner().invoke(main, ["baseline", "write", ".", "--baseline", also])
        assert "a part of the model" in done.output


def test_what_may_be_written(folder):
    def run(command):
        return CliRunner().invoke(main, command.split())

    for _ in range(2):
        assert run("inspect m.keras sm kd -o a.html --output json:sm.json").exit_code == 0
    assert run("baseline write m.keras --baseline b.json").exit_code == 0
    assert run("baseline write m.keras --baseline b.json --force").exit_code == 0
    assert run("check m.keras --output json:/dev/null --output csv:/dev/null").exit_code in {0, 1}
    assert folder.joinpath("a.html").exists()
