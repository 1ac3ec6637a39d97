"""Files for --data that are no arrays, or claim more than they hold: one line, and exit code 2."""

import io
import os
import zipfile

import numpy as np
import pytest
from command_line import run
from paths import MODELS

from regaudit.live import verify
from regaudit.live.data_file import ARRAYS, DataError, read_arrays

MODEL = str(MODELS / "tutorial-l2.keras")


def member(shape, dtype="<f4", values=b""):
    """Return an array whose header says anything."""
    buffer = io.BytesIO()
    header = {"shape": shape, "fortran_order": False, "descr": dtype}
    np.lib.format.write_array_header_2_0(buffer, header)
    return buffer.getvalue() + values


def archive(file, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(file, "w", compression) as out:
        for name, content in members.items():
            out.writestr(name, content)
    return file


LYING = {
    "huge": {"x.npy": member((10**12, 10**5))},
    "short": {"x.npy": member((4, 4), values=b"\0" * 63)},
    "long": {"x.npy": member((4, 4), values=b"\0" * 65)},
    "negative": {"x.npy": member((-4, -4), values=b"\0" * 64)},
    "endless": {"x.npy": member((10**15, 0))},
    "of no size": {"x.npy": member((10**15,), "|S0")},
    "objects": {"x.npy": member((4,), "|O", b"\x80\x04N." * 4)},
    "pickle": {"x.npy": b"\x80\x04N."},
    "no header": {"x.npy": b"\x93NUMPY\x01\x00\xff\xff"},
    "deep header": {"x.npy": b"\x93NUMPY\x01\x00\x10\x27" + b"(" * 10_000},
    "later version": {"x.npy": b"\x93NUMPY\x09\x00\x10\x00" + b" " * 16},
    "many": {f"x_{number}.npy": b"" for number in range(ARRAYS + 1)},
}


@pytest.mark.parametrize("name", LYING)
def test_headers_that_lie(tmp_path, name):
    file = archive(tmp_path / "d.npz", LYING[name])
    with pytest.raises(DataError, match=r"d\.npz"):
        read_arrays(file)


def test_a_bomb_is_not_unpacked(tmp_path):
    values = bytes(100 << 20)
    bomb = {"x.npy": member((100, 1 << 20), "|i1", values)}
    with pytest.raises(DataError, match=r"declares arrays of 104,857,\d+ bytes"):
        read_arrays(archive(tmp_path / "d.npz", bomb, zipfile.ZIP_DEFLATED))


def test_holes_are_not_stored(tmp_path):
    file = archive(tmp_path / "d.npz", {"x.npy": member((100, 1 << 20), "|i1", bytes(100 << 20))})
    content = file.read_bytes()
    with file.open("r+b") as out:
        out.truncate(0)
        out.write(content[:4096])
        out.seek(len(content) - 4096)
        out.write(content[-4096:])
    if file.stat().st_blocks * 512 > 1 << 20:
        pytest.skip("the file system stores holes")
    with pytest.raises(DataError, match="declares"):
        read_arrays(file)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(tmp_path, save):
    arrays = {"x": np.ones((3, 2)), "y": np.array(["a", "b", "c"]), "_0": np.zeros((0, 2), "i1")}
    save(tmp_path / "d.npz", **arrays)
    found = read_arrays(tmp_path / "d.npz")
    assert {key: value.tolist() for key, value in found.items()} == {
        key: value.tolist() for key, value in arrays.items()
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("command", [["verify"], ["suggest"]])
def test_what_is_no_such_file_is_wrong_usage(tmp_path, command, monkeypatch):
    monkeypatch.setattr(verify, "_ask", lambda _: pytest.fail("Keras was started"))
    os.mkfifo(tmp_path / "pipe")
    np.save(tmp_path / "one.npy", np.ones(3))
    (tmp_path / "text").write_text("1,2,3")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    for place in ("/dev/zero", *tmp_path.iterdir()):
        result = run(*command, MODEL, f"--data={place}")
        assert result.exit_code == 2, result.output
        assert str(place) in "".join(result.output.split())
        assert "cannot be read as an NPZ file" in " ".join(result.output.split())
