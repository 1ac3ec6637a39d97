"""What is declared of custom classes, in every command: `[tool.regaudit.layers]` and `--role`."""

import json
import zipfile
from pathlib import Path

import pytest
from command_line import run
from paths import FIXTURES

FOLDER = FIXTURES / "custom_classes" / "keras-3"
MODEL = FOLDER / "m.keras"
ROLES = ("--role", "MyDense=Dense", "--role", "MyLSTM=LSTM")
READ = {"dense": "Dense", "lstm": "LSTM"}
SETTINGS = '[layers]\nMyDense = "Dense"\n"team>MyLSTM" = "LSTM"\n'


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def classes(text):
    """Return what the declared layers read as, by model and path."""
    return [
        {one["path"]: one["class_name"] for one in report["layers"] if "custom_class" in one}
        for report in json.loads(text)["reports"]
    ]


@pytest.fixture(params=["command line", "settings"])
def roles(request, tmp_path):
    """The options of a command, with the same said in settings or by them."""
    if request.param == "command line":
        return ROLES
    (tmp_path / "regaudit.toml").write_text(SETTINGS, "utf-8")
    return ()


@pytest.mark.parametrize(
    "way",
    [("--no-isolate",), ("--jobs", "2"), ("--no-isolate", "--cache=kept")],
    ids=" ".join,
)
def test_every_way_to_audit_knows_them(way, roles):
    for _ in range(2 if "--cache=kept" in way else 1):
        result = run("check", MODEL, FOLDER / "m.h5", *way, *roles, "--format", "json")
        assert classes(result.stdout) == [READ, READ], result.stderr


@pytest.mark.parametrize("command", ["inspect", "report"])
def test_so_does_every_command_that_prints_reports(command, roles):
    result = run(command, MODEL, *roles, "--format", "json")
    assert classes(result.stdout) == [READ], result.stderr


def test_dask_knows_them(roles):
    pytest.importorskip("distributed")
    result = run("check", MODEL, "--dask", "local", "--jobs", "1", *roles, "--format", "json")
    assert classes(result.stdout) == [READ], result.stderr


def test_no_report_of_other_declarations_is_served():
    said = []
    for options in ((), ROLES, ("--role", "MyDense=Dense"), ROLES, ()):
        result = run("check", MODEL, "--cache=kept", *options, "--format", "json")
        said += classes(result.stdout)
    assert said == [{}, READ, {"dense": "Dense"}, READ, {}]
    assert len(list(Path("kept").rglob("*.msgpack"))) == 3


def test_a_page_says_what_is_read_as_what(roles):
    assert run("report", MODEL, "--html", "page.html", *roles).exit_code == 0
    page = Path("page.html").read_text("utf-8")
    assert "team&gt;MyDense is read as Dense, as declared" in page


def test_differences_are_those_of_what_is_declared(roles, tmp_path):
    other = tmp_path / "other.keras"
    run("apply", MODEL, "-o", other, "--set", "dense:kernel=l2(0.5)", "--isolated")
    result = run("diff", MODEL, other, *roles, "--format", "json")
    (changed,) = json.loads(result.stdout)["regularizers"]
    assert (changed["path"], changed["old"]["status"]) == ("dense/kernel", "in force")
    penalties = json.loads(result.stdout)["penalty"]
    assert penalties["new"] > 10 * penalties["old"]


def test_a_baseline_holds_what_is_found_by_them(roles):
    assert run("baseline", "write", MODEL, *roles).exit_code == 0
    entries = Path(".regaudit-baseline.json").read_text("utf-8")
    assert "lstm/lstm_cell/kernel" in entries
    again = ("check", MODEL, "--baseline", ".regaudit-baseline.json", "--fail-on", "note")
    assert run(*again, *roles).exit_code == 0


def chosen(roles):
    """Write a model whose own dense layers have a strength that others can take."""
    own = (option for name in ("dense", "out") for option in ("--set", f"{name}:kernel=l2(0.002)"))
    options = ("-o", "chosen.keras", *own, "--remove", "lstm", *roles)
    assert run("apply", MODEL, *options).exit_code == 0


def test_advice_is_for_the_class_of_the_file(roles):
    chosen(roles)
    code = run("suggest", "chosen.keras", *roles, "--format", "code").stdout
    assert "MyLSTM(..., kernel_regularizer=keras.regularizers.L2(" in code
    assert (
        "lstm"
        not in run("suggest", "chosen.keras", "--isolated", "--format", "code").stdout.lower()
    )


def test_what_is_suggested_can_be_applied(roles):
    chosen(roles)
    edits = json.loads(run("suggest", "chosen.keras", *roles, "--format", "json").stdout)["edits"]
    assert "lstm" in {edit["layer"] for edit in edits}
    result = run("apply", "chosen.keras", "-o", "out.keras", "--suggested", *roles)
    assert result.exit_code == 0, result.output
    assert "penalty" in result.stdout
    assert classes(run("check", "out.keras", *roles, "--format", "json").stdout) == [READ]


def test_an_edit_counts_what_is_declared_to_act(roles):
    declared = run("apply", MODEL, "--dry-run", "--set", "dense:kernel=l2(0.5)", *roles)
    alone = run("apply", MODEL, "--dry-run", "--set", "dense:kernel=l2(0.5)", "--isolated")
    assert "The training loss will be 3.5" in declared.stdout
    assert "The training loss" not in alone.stdout


def test_a_class_takes_no_key_that_it_lacks(tmp_path):
    """Keras would hand the key to code that does not take it, and fail."""
    model = tmp_path / "lacking.keras"
    with zipfile.ZipFile(MODEL) as old, zipfile.ZipFile(model, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"kernel_regularizer", b"own_penalty"))
    declared = ("--role", "MyDense=Dense")
    (found,) = classes(run("check", model, *declared, "--format", "json").stdout)
    assert found == {"dense": "Dense"}
    result = run("apply", model, "--dry-run", "--set", "dense:kernel=l2(0.5)", *declared)
    assert result.exit_code == 3
    said = "dense is a custom layer whose configuration has no kernel_regularizer"
    assert said in " ".join(result.stderr.split())
    suggested = json.loads(run("suggest", model, *declared, "--format", "json").stdout)
    assert "dense" not in {edit["layer"] for edit in suggested["edits"]}


@pytest.mark.parametrize(
    "command", [("check",), ("suggest",), ("apply", "--dry-run", "--to-adamw")]
)
def test_a_declaration_of_no_layer_is_said(command):
    command, *options = command
    declared = ("--role", "MyDens=Dense", "--role", "Dense=Embedding", "--role", "MyDense=Dense")
    said = run(command, MODEL, *options, *declared).stderr.splitlines()
    first, second = (line for line in said if line.startswith("no layer is of the custom class"))
    assert first.endswith(" 'MyDens', which is declared; did you mean 'MyDense'?")
    assert second.endswith(" 'Dense', which is one of Keras's own: only custom ones are declared")


def test_so_it_is_where_classes_have_no_names():
    export = FIXTURES / "corpus" / "keras-3.15.1" / "mlp.export"
    result = run("check", export, "--role", "MyDense=Dense", "--format", "json")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "the model does not name the classes of layers: what is declared of them cannot be used"
    ]
    (report,) = json.loads(result.stdout)["reports"]
    assert any("cannot be used" in skip["reason"] for skip in report["coverage"]["skipped"])
    both = run("check", export, MODEL, "--role", "MyDense=Dense")
    assert both.stderr.splitlines()[0].startswith("1 of the models do not name the classes")


def test_wrong_settings_are_wrong_usage_for_them_too(tmp_path):
    (tmp_path / "regaudit.toml").write_text('[layers]\nMyDense = "Dens"\n', "utf-8")
    for command in (("suggest",), ("verify",), ("apply", "--dry-run", "--remove", "*")):
        result = run(command[0], MODEL, *command[1:])
        assert result.exit_code == 2
        assert "did you mean 'Dense'" in result.stderr


def test_what_is_stored_in_parts_is_printed_as_the_class(tmp_path):
    printed = run("inspect", "--roles", MODEL, "--isolated").stdout
    assert '"team>MyLSTM" = "LSTM"' in printed
    (tmp_path / "regaudit.toml").write_text(printed.replace("tool.regaudit.", ""), "utf-8")
    (found,) = classes(run("check", MODEL, "--format", "json").stdout)
    assert found["lstm"] == "LSTM"


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("keras_in_this_process")
def test_real_keras_lacks_a_class_whatever_it_is_declared_as():
    result = run("verify", MODEL, *ROLES)
    assert result.exit_code == 3
    missing = " ".join(result.stderr.split()).partition("custom objects are missing: ")[2]
    assert "team>MyDense, " in missing.partition(";")[0]
