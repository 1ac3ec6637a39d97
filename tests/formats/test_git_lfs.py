"""Models that were cloned without Git LFS: the line says so, whichever part is a pointer."""

import shutil
import zipfile

import pytest
from paths import CORPUS, MODELS

import regaudit

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{0:064}\nsize 12345\n"
POINTERS = {
    "lf": POINTER,
    "crlf": POINTER.replace("\n", "\r\n"),
    "another hash": POINTER.replace("sha256", "blake3"),
    "extended": POINTER.replace("oid", f"ext-0-x sha256:{1:064}\noid"),
    "of the first version": POINTER.replace("git-lfs.github.com", "hawser.github.com"),
}
FOLDERS = {
    "saved_model": CORPUS / "tf-2.15" / "mlp.savedmodel",
    "keras-directory": CORPUS / "keras-3.15.1" / "mlp.directory",
}
PARTS = [
    (kind, str(path.relative_to(folder)))
    for kind, folder in FOLDERS.items()
    for path in sorted(folder.rglob("*"))
    if path.is_file() and path.name != "fingerprint.pb"
]


def assert_said(file, name=""):
    failure = regaudit.audit(file).failure
    assert failure is not None
    assert "Git LFS pointer" in failure.message
    assert "`git lfs pull`" in failure.message
    assert name in failure.message


@pytest.mark.parametrize("text", POINTERS.values(), ids=POINTERS)
@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.weights.json"])
def test_a_file(text, name, tmp_path):
    (tmp_path / name).write_text(text, newline="")
    assert_said(tmp_path / name)


@pytest.mark.parametrize(("kind", "part"), PARTS)
def test_one_part_of_a_folder(kind, part, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(FOLDERS[kind], model)
    (model / part).write_text(POINTER)
    assert_said(model, part.rpartition("/")[2])


@pytest.mark.parametrize("kind", FOLDERS)
@pytest.mark.parametrize("text", POINTERS.values(), ids=POINTERS)
def test_all_parts_of_a_folder(kind, text, tmp_path):
    for one, part in PARTS:
        if one == kind:
            (tmp_path / "model" / part).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "model" / part).write_text(text, newline="")
    assert_said(tmp_path / "model")
    (report,) = regaudit.audit_files([str(tmp_path)], isolate=False)
    assert report.file == str(tmp_path / "model")


def test_shards(tmp_path):
    for file in (CORPUS / "keras-3.15.1").glob("mlp*.weights.*"):
        shutil.copy(file, tmp_path)
    shard = tmp_path / "mlp_00001.weights.h5"
    shard.unlink()
    shard.write_text(POINTER)
    assert_said(tmp_path / "mlp.weights.json", shard.name)


@pytest.mark.parametrize("part", ["config.json", "metadata.json", "model.weights.h5"])
def test_a_member_of_an_archive(part, tmp_path):
    with (
        zipfile.ZipFile(MODELS / "tutorial-l2.keras") as old,
        zipfile.ZipFile(tmp_path / "m.keras", "w") as new,
    ):
        for name in old.namelist():
            new.writestr(name, POINTER if name == part else old.read(name))
    assert_said(tmp_path / "m.keras", part)
