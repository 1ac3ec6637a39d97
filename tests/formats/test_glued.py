"""Files that are a model and something else: refused in one line, never read in part in silence."""

import io
import tarfile
import zipfile

import h5py
import numpy as np
import pytest
from paths import CORPUS, MODELS

import regaudit

ARCHIVE = (MODELS / "tutorial-l2.keras").read_bytes()
HDF5 = (CORPUS / "keras-3.15.1" / "mlp.h5").read_bytes()
WEIGHTS = (CORPUS / "keras-3.15.1" / "built_by_call.weights.h5").read_bytes()
JUNK = b"junk"
BLOCK = bytes(512)


def tar(*contents):
    """Return a tar of files."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as packed:
        for number, content in enumerate(contents):
            member = tarfile.TarInfo(f"{number}.keras")
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return raw.getvalue()


def repacked(change=lambda _name, raw: raw, comment=b"", **how):
    """Return the archive packed anew."""
    raw = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(ARCHIVE)) as old, zipfile.ZipFile(raw, "w") as new:
        for name in old.namelist():
            with new.open(name, "w", **how) as member:
                member.write(change(name, old.read(name)))
        new.comment = comment
    return raw.getvalue()


def in_place(raw, before):
    """Return an archive behind other bytes whose offsets count them, as `zip -A` mends it."""
    whole = io.BytesIO(before)
    whole.seek(len(before))
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(whole, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return whole.getvalue()


GLUED = {
    "junk, archive": JUNK + ARCHIVE,
    "junk, archive that counts it": in_place(ARCHIVE, JUNK),
    "archive, junk": ARCHIVE + JUNK,
    "archive, zeros": ARCHIVE + BLOCK,
    "archive, archive": ARCHIVE + ARCHIVE,
    "archive, archive that counts it": in_place(ARCHIVE, ARCHIVE),
    "archive, archive as its comment": repacked(comment=ARCHIVE[:60_000] + ARCHIVE[-1000:]),
    "tar of an archive": tar(ARCHIVE),
    "tar of two archives": tar(ARCHIVE, ARCHIVE),
    "tar of HDF5": tar(HDF5),
    "tar of HDF5, archive": tar(HDF5, ARCHIVE),
    "HDF5, archive": HDF5 + ARCHIVE,
    "archive, HDF5": ARCHIVE + HDF5,
    "archive, HDF5 where it is looked for": ARCHIVE + bytes(-len(ARCHIVE) % 512) + HDF5,
    "HDF5, HDF5": HDF5 + HDF5,
    "HDF5, junk": HDF5 + JUNK,
    "block, HDF5": BLOCK + HDF5,
    "weights, junk": WEIGHTS + JUNK,
    "junk behind a member": repacked(lambda name, raw: raw + JUNK * name.endswith(".h5")),
    "block before a member": repacked(lambda name, raw: BLOCK * name.endswith(".h5") + raw),
}


@pytest.mark.parametrize("content", GLUED.values(), ids=GLUED)
@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_it_is_refused_in_one_line(content, name, tmp_path):
    (tmp_path / name).write_bytes(content)
    failure = regaudit.audit(tmp_path / name).failure
    assert failure is not None
    assert "\n" not in failure.message
    assert "bug" not in failure.message


def test_the_line_says_how_much_lies_where(tmp_path):
    file = tmp_path / "m.keras"
    for content, place in ((JUNK + ARCHIVE, "before"), (ARCHIVE + JUNK, "behind")):
        file.write_bytes(content)
        failure = regaudit.audit(file).failure
        assert failure.kind == "UnsafeFileError"
        assert failure.message.startswith(f"4 bytes {place} the model")


WHOLE = {
    "with a comment": repacked(comment=b"by hand"),
    "zip64": repacked(force_zip64=True),
}


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
def test_archives_of_other_forms_are_whole(content, tmp_path):
    (tmp_path / "m.keras").write_bytes(content)
    assert regaudit.audit(tmp_path / "m.keras").failure is None


@pytest.mark.parametrize("how", [{"userblock_size": 1024}, {"libver": "latest"}], ids=str)
def test_hdf5_of_other_forms_is_whole(how, tmp_path):
    with h5py.File(tmp_path / "m.weights.h5", "w", **how) as hdf5:
        hdf5["layers/dense/vars/0"] = np.ones((2, 3), np.float32)
    report = regaudit.audit(tmp_path / "m.weights.h5")
    assert report.failure is None
    assert report.coverage.measured == 1
