"""libhdf5 loads no plug-ins: the kernel is asked which folders it looks into."""

import os
import shutil
import subprocess
import sys

import h5py
import pytest
from paths import FIXTURES

STRACE = shutil.which("strace")
TRACED = (STRACE, "-f", "--seccomp-bpf", "-qq", "-e", "trace=file")
MODEL = FIXTURES / "models" / "tutorial-l2.keras"
FIRST = "import h5py; "
"""As a program does that reads HDF5 files itself, before it audits one."""


@pytest.fixture
def damaged(tmp_path):
    """Return an HDF5 file that cannot be opened: its first checksum is wrong."""
    file = tmp_path / "damaged.weights.h5"
    with h5py.File(file, "w", libver="latest") as hdf5:
        hdf5["layers/dense/vars/0"] = [1.0]
    content = bytearray(file.read_bytes())
    content[44] ^= 0xFF
    file.write_bytes(content)
    return file


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "plug-ins"
    made.mkdir()
    (made / "libevil.so").write_bytes(b"\x7fELF")
    return made


def run(program, *traced, **environment):
    """Run a program in a Python of its own, with some environment variables."""
    return subprocess.run(
        [*traced, sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def traced(program, folder):
    """Run a program that is led to a folder of plug-ins, and note which files it asks for."""
    strace = (STRACE, "-f", "--seccomp-bpf", "-qq", "-e", "trace=file")
    return run(program, *strace, HDF5_PLUGIN_PATH=str(folder))


def audit(*files):
    return f"import regaudit; print(*(regaudit.audit(file).failure for file in {files}))"


@pytest.mark.skipif(not STRACE, reason="strace is not installed")
@pytest.mark.parametrize("before", ["", FIRST])
def test_no_plug_in_is_looked_for(damaged, folder, before):
    filtered = str(FIXTURES / "hostile" / "hdf5-filter-plug-in.keras")
    program = before + audit(str(damaged), filtered)
    done = traced(program, folder)
    assert "damaged or cut short" in done.stdout
    assert f'"{folder}' not in done.stderr
    assert "hdf5/lib/plugin" not in done.stderr


@pytest.mark.skipif(not STRACE, reason="strace is not installed")
def test_h5py_itself_looks_for_them(damaged, folder):
    program = f"import h5py; h5py.File({str(damaged)!r})"
    done = traced(program, folder)
    assert f'"{folder}' in done.stderr


def test_the_environment_names_no_driver():
    both = {"HDF5_DRIVER": "evil", "HDF5_VOL_CONNECTOR": "evil"}
    assert run(audit(str(MODEL)), **both).stdout == "None\n"


def test_the_environment_stays_as_it_is():
    program = "import os, regaudit.formats.legacy_h5; print(os.environ['HDF5_DRIVER'])"
    assert run(program, HDF5_DRIVER="evil").stdout == "evil\n"
