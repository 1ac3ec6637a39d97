"""Sparse files: what is not stored is not read for as long as it claims to be."""

import shutil
import struct

import h5py
import pytest
from command_line import run
from paths import CORPUS, MODELS

import regaudit
from regaudit.limits import Limits
from regaudit.settings.config import Config
from regaudit.storage.size import size_on_disk

HUGE = 1 << 30
GOOD = MODELS / "tutorial-l2.keras"


def archive(folder, hole=HUGE):
    """A hole between the members and their list, as programs that align them leave one."""
    file, whole = folder / "m.keras", bytearray(GOOD.read_bytes())
    (start,) = struct.unpack_from("<I", whole, len(whole) - 6)
    struct.pack_into("<I", whole, len(whole) - 6, start + hole)
    with file.open("wb") as out:
        out.write(whole[:start])
        out.seek(start + hole)
        out.write(whole[start:])
    return file


def hdf5(folder):
    """A dataset in one piece that has room in the file, but was never written."""
    file = folder / "m.weights.h5"
    with h5py.File(file, "w") as out:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        space = h5py.h5s.create_simple((HUGE // 4,))
        group = out.create_group("layers/dense/vars")
        h5py.h5d.create(group.id, b"0", h5py.h5t.IEEE_F32LE, space, properties)
    return file


def chunked(folder):
    """A dataset none of whose chunks exists."""
    file = folder / "m.weights.h5"
    with h5py.File(file, "w") as out:
        out.create_dataset("layers/dense/vars/0", (HUGE // 4,), "f4", chunks=(1 << 16,))
    return file


def saved_model(folder):
    made = folder / "saved"
    shutil.copytree(CORPUS / "tf-2.15" / "mlp.savedmodel", made)
    with next(made.glob("variables/variables.data-*")).open("r+b") as out:
        out.truncate(HUGE)
    return made


@pytest.mark.parametrize("make", [archive, hdf5, chunked, saved_model])
def test_it_is_refused_by_the_name_of_a_limit(tmp_path, make):
    file = make(tmp_path)
    if size_on_disk(file, stored=True) > 1 << 24:
        pytest.skip("the file system stores holes")
    failure = regaudit.audit(file).failure
    assert failure.kind == "UnsafeFileError"
    assert failure.message.endswith("; --limit inflation=N allows more")
    result = run("inspect", str(file), color=False)
    assert result.exit_code == 3
    assert "inflation=N" in result.output


def test_a_few_holes_are_no_fault(tmp_path):
    """Zeros of a model may be holes, and a file system may count late what was just written."""
    assert regaudit.audit(archive(tmp_path, 1 << 23)).failure is None


def test_the_limit_can_be_raised(tmp_path):
    allowing = Config(Config.default().rules, limits=Limits(inflation=1 << 40))
    assert regaudit.audit(archive(tmp_path), allowing).failure is None
