"""Models in archives and compressed files: found, named, audited as those in a folder are."""

import bz2
import gzip
import json
import lzma
import shutil
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from archives import PACKED, contents, tar, zipped
from command_line import run
from loopback import serving
from msgspec.structs import replace
from paths import CORPUS, FIXTURES, MODELS

import regaudit
from regaudit import Config, audit_files
from regaudit.report.document import record
from regaudit.running.model_search import find_models, search
from regaudit.storage import container, spool
from regaudit.storage.search import LINK

NEWEST = CORPUS / "keras-3.15.1"
MLFLOW = FIXTURES / "mlflow"


@pytest.fixture
def mixed(tmp_path):
    """A folder with a model of each form, and other things."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    shutil.copy(MODELS / "tutorial-l2.keras", folder)
    shutil.copy(NEWEST / "mlp.h5", folder)
    shutil.copy(NEWEST / "mlp.weights.json", folder)
    for shard in NEWEST.glob("mlp_0000?.weights.h5"):
        shutil.copy(shard, folder)
    shutil.copytree(NEWEST / "mlp.directory", folder / "unzipped")
    shutil.copytree(NEWEST / "mlp.export", folder / "1")
    (folder / "code").mkdir()
    (folder / "code" / "inference.py").write_text("raise SystemExit")
    (folder / "._mlp.h5").write_text("a resource fork of macOS")
    return folder


FOUND = {"1", "mlp.h5", "mlp.weights.json", "tutorial-l2.keras", "unzipped"}


def packed(folder, ending):
    """Return the bytes of an archive of a folder."""
    if ending == "zip":
        return zipped(contents(folder))
    if ending == "stored.zip":
        return zipped(contents(folder), zipfile.ZIP_STORED)
    return PACKED[ending](tar(contents(folder)))


def told(report, name):
    """Return all that a report says, but where the model lies."""
    return {**record(replace(report, file=name)), "file": ""}


@pytest.mark.parametrize("ending", [*PACKED, "zip", "stored.zip"])
def test_reports_are_those_of_the_folder(mixed, ending):
    archive = mixed.parent / f"models.{ending}"
    archive.write_bytes(packed(mixed, ending))
    names = {name: f"{archive}/{name}" for name in sorted(FOUND)}
    assert list(find_models(str(archive))) == [*names.values()]
    plain = {Path(one.file).name: one for one in audit_files([str(mixed)], isolate=False)}
    assert set(plain) == FOUND
    for report in audit_files([str(archive)], isolate=False):
        name = report.file.removeprefix(f"{archive}/")
        assert report.failure is None
        assert told(report, "") == told(plain[name], ""), name


def test_a_member_is_named_and_found_again(mixed, monkeypatch):
    monkeypatch.chdir(mixed.parent)
    Path("m.tar.gz").write_bytes(packed(mixed, "tar.gz"))
    for nested in (True, False):
        (name,) = find_models("m.tar.gz/1", nested=nested)
        assert name == "m.tar.gz/1"
    report = regaudit.audit("m.tar.gz/1")
    assert (report.file, report.format) == ("m.tar.gz/1", "saved_model")
    report = regaudit.audit("m.tar.gz/mlp.h")
    assert report.failure.message == "a tar archive without 'mlp.h'; did you mean 'mlp.h5'?"
    report = regaudit.audit("m.tar.gz")
    assert "a tar archive with 5 models: name one of them, such as m.tar.gz/1" in str(
        report.failure
    )
    result = run("inspect", "--no-isolate", "m.tar.gz/nothing/*.keras")
    assert result.exit_code == 3
    assert "a tar archive without" in result.stdout


def test_an_archive_that_is_a_model_has_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("model.tar.gz").write_bytes(packed(NEWEST / "mlp.export", "tar.gz"))
    assert list(find_models("model.tar.gz")) == ["model.tar.gz"]
    assert regaudit.audit("model.tar.gz").format == "saved_model"
    assert list(find_models(".")) == ["model.tar.gz"]


@pytest.mark.parametrize(
    ("ending", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)]
)
def test_one_compressed_file_has_its_name(tmp_path, ending, pack):
    for model in (NEWEST / "mlp.h5", MODELS / "tutorial-l2.keras"):
        file = tmp_path / f"{model.name}.{ending}"
        file.write_bytes(pack(model.read_bytes()))
        (report,) = audit_files([str(file)])
        assert report.file == str(file)
        assert told(report, "") == told(regaudit.audit(model), "")
    assert len(search(str(tmp_path)).models) == 2


def test_a_keras_archive_that_was_zipped_again(tmp_path):
    """By its folder, or as it is."""
    (tmp_path / "a.zip").write_bytes(
        zipped({f"m/{k}": v for k, v in contents(NEWEST / "mlp.directory").items()})
    )
    (tmp_path / "b.zip").write_bytes(zipped({"m.keras": (NEWEST / "mlp.keras").read_bytes()}))
    (tmp_path / "c.zip").write_bytes((NEWEST / "mlp.keras").read_bytes())
    reports = list(audit_files([str(tmp_path)], isolate=False))
    assert [one.file.removeprefix(f"{tmp_path}/") for one in reports] == [
        "a.zip/m",
        "b.zip/m.keras",
        "c.zip",
    ]
    assert [one.penalty for one in reports] == [regaudit.audit(NEWEST / "mlp.keras").penalty] * 3


def test_an_archive_is_unpacked_once(mixed, monkeypatch):
    unpacked = Counter()
    make = spool.Spool.__init__

    def counted(self, pieces):
        unpacked["all"] += 1
        make(self, pieces)

    monkeypatch.setattr(spool.Spool, "__init__", counted)
    archive = mixed.parent / "m.tar.gz"
    archive.write_bytes(packed(mixed, "tar.gz"))
    assert len(list(audit_files([str(archive)], isolate=False))) == len(FOUND)
    assert unpacked == {"all": 1}
    archive.write_bytes(packed(NEWEST / "mlp.export", "tar.gz"))
    assert regaudit.audit(archive).failure is None  # what it holds now
    assert unpacked == {"all": 2}


def test_every_command_takes_or_refuses_it(mixed, monkeypatch):
    monkeypatch.chdir(mixed.parent)
    Path("m.tar.gz").write_bytes(packed(mixed, "tar.gz"))
    Path("other.tgz").write_bytes(
        gzip.compress(tar({"x/mlp.h5": (NEWEST / "mlp.h5").read_bytes()}))
    )
    result = run("check", "m.tar.gz", "--format", "jsonl")  # in workers
    assert {json.loads(line)["file"] for line in result.stdout.splitlines()} == {
        f"m.tar.gz/{name}" for name in FOUND
    }
    result = run("diff", "--no-isolate", "other.tgz", "m.tar.gz/mlp.h5")
    assert "Nothing differs." in result.stdout
    assert run("suggest", "m.tar.gz/mlp.h5").exit_code == 0
    assert run("suggest", "m.tar.gz").exit_code == 2
    for name in ("m.tar.gz/tutorial-l2.keras", "other.tgz"):
        result = run("apply", "--set", "*:kernel=l2(1e-4)", "-o", "out.keras", name)
        assert result.exit_code == 3
        assert "is only read: unpack it, and name what comes out" in result.stderr
        assert not Path("out.keras").exists()
        assert run("verify", name).exit_code == 3
    result = run("report", "--no-isolate", "--format", "json", "-o", "m.tar.gz", "m.tar.gz/1")
    assert result.exit_code == 2
    assert "m.tar.gz is one of the models to audit" in result.stderr


def test_a_baseline_and_an_ignore_know_it_by_its_name(mixed, monkeypatch):
    monkeypatch.chdir(mixed.parent)
    model = {"v/digits.keras": (MODELS / "digits-cnn.keras").read_bytes()}
    Path("m.tar.gz").write_bytes(gzip.compress(tar(model)))
    run("baseline", "write", "--baseline", "b.json", "m.tar.gz")
    (entry,) = {one["model"] for one in json.loads(Path("b.json").read_text())["findings"]}
    assert entry == "m.tar.gz/v/digits.keras"
    monkeypatch.chdir(mixed)
    assert run("check", "--baseline", "../b.json", "../m.tar.gz").exit_code == 0
    assert run("check", "../m.tar.gz").exit_code == 1
    Path("regaudit.toml").write_text(
        '[[ignore]]\ncode = "REG101"\nmodel = "*/m.tar.gz/*"\nreason = "old"\n'
    )
    assert run("check", "../m.tar.gz").exit_code == 0


def test_its_reports_are_kept(mixed):
    archive, folder = mixed.parent / "m.tgz", mixed.parent / "cache"
    archive.write_bytes(packed(mixed, "tgz"))
    first = run("inspect", "--no-isolate", "--format", "json", f"--cache={folder}", archive)
    assert len(list(folder.rglob("*.msgpack"))) == len(FOUND)
    again = run("inspect", "--no-isolate", "--format", "json", f"--cache={folder}", archive)
    assert again.stdout == first.stdout
    archive.write_bytes(packed(NEWEST / "mlp.export", "tgz"))
    assert (
        len(
            json.loads(run("inspect", "--format", "json", f"--cache={folder}", archive).stdout)[
                "reports"
            ]
        )
        == 1
    )


@pytest.mark.stores
@pytest.mark.parametrize("ending", ["tar.gz", "tar", "zip", "stored.zip"])
def test_it_is_read_from_a_server(mixed, tmp_path, ending):
    pytest.importorskip("aiohttp")
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / f"m.{ending}").write_bytes(packed(mixed, ending))
    plain = {Path(one.file).name: one for one in audit_files([str(mixed)], isolate=False)}
    with serving(tmp_path / "served") as url:
        reports = list(audit_files([f"{url}/m.{ending}?token=secret"], isolate=False))
        assert [one.file for one in reports] == [
            f"{url}/m.{ending}/{name}" for name in sorted(FOUND)
        ]
        for report in reports:
            name = report.file.rpartition("/")[2]
            assert told(report, "") == told(plain[name], ""), name


@pytest.mark.parametrize("form", ["keras", "h5", "tf"])
@pytest.mark.parametrize("as_archive", [False, True])
def test_a_folder_of_mlflow_is_one_model(tmp_path, form, as_archive):
    target = shutil.copytree(MLFLOW / form, tmp_path / "model")
    pickled = target / "data" / "custom_objects.cloudpickle"
    pickled.write_bytes(b"cos\nsystem\n(S'touch unpickled'\ntR.")
    if as_archive:
        target = tmp_path / "model.tar.gz"
        target.write_bytes(packed(tmp_path / "model", "tar.gz"))
    expected = json.loads((MLFLOW / f"{form}.expected.json").read_text())
    (report,) = audit_files([str(target)], isolate=False)
    assert report.penalty == pytest.approx(expected["penalty"], rel=1e-6)
    assert report.model.parameters == expected["parameters"]
    assert not Path("unpickled").exists()


def test_archives_in_an_archive_and_links_to_archives_are_said(tmp_path):
    inner = gzip.compress(tar({"m.h5": b""}))
    members = {
        "m.keras": (MODELS / "tutorial-l2.keras").read_bytes(),
        "a.tgz": inner,
        "b.zip": inner,
    }
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "m.tar").write_bytes(tar(members))
    (tmp_path / "other.tar").write_bytes(tar({}))
    (tmp_path / "folder" / "link.tar").symlink_to(tmp_path / "other.tar")
    found = search(str(tmp_path / "folder"))
    assert found.models == [f"{tmp_path}/folder/m.tar/m.keras"]
    assert {
        one.file.removeprefix(f"{tmp_path}/folder/"): one.failure.message for one in found.refused
    } == {
        "m.tar/a.tgz": "an archive in an archive, which is not looked into: take it out and audit "
        "it by itself (1 more of them)",
        "link.tar": LINK,
    }


def test_what_is_no_container_is_what_it_was(tmp_path):
    """An archive of arrays, and files in a folder that is called like an archive."""
    (tmp_path / "x.npz").write_bytes(zipped({"a.npy": b"\x93NUMPY"}))
    assert list(find_models(str(tmp_path / "x.npz"))) == [str(tmp_path / "x.npz")]
    shutil.copytree(NEWEST / "mlp.export", tmp_path / "folder.zip" / "m")
    assert list(find_models(str(tmp_path))) == [str(tmp_path / "folder.zip" / "m")]
    assert Config.default().limits.spooled_bytes > 0
    assert container.opened(NEWEST / "mlp.keras") is None
