"""A file measured in shares makes the report that it makes as a whole."""

import os
import shutil
import zipfile
from pathlib import Path

import h5py
import large
import pytest
from msgspec.structs import replace
from paths import FIXTURES, MODELS

from regaudit import audit
from regaudit.measures import partial_sums
from regaudit.report.messages import from_bytes, to_bytes
from regaudit.report.report import Report
from regaudit.running.shares import Share, Split, audit_or_count, audit_shares, measure_share
from regaudit.running.workers import Plan, Workers
from regaudit.settings.config import Config

GOOD = MODELS / "everything.keras"
VARIED = [
    "models/everything.keras",
    "corpus/keras-3.0.5/names.weights.h5",
    "corpus/keras-3.10.0/mlp.weights.json",
    "corpus/keras-3.13.2/quant_gptq4.keras",
    "corpus/keras-3.13.2/quant_odd_int4.h5",
    "corpus/keras-3.15.1/cnn.h5",
    "corpus/keras-3.15.1/dtype_mixed.keras",
    "corpus/tf-2.15/mlp.savedmodel",
    "hostile/hdf5-nan.keras",
]
STORED = {
    "plain": {},
    "bfloat16": {"dtype": "bfloat16"},
    "chunked": {"chunks": (700, 800), "compression": "gzip", "compression_opts": 1},
}
CONFIG = replace(Config.default(), detailed=True)


def in_shares(file, count, config=CONFIG):
    """Audit a file in so many shares, or in fewer where it has fewer parts."""
    size = audit_or_count(file, config, Split(0, 1))
    assert isinstance(size, int)
    count = min(count, size)
    shares = [measure_share(file, config, number, count) for number in range(count)]
    assert all(isinstance(share, Share) for share in shares)
    return audit_shares(file, config, [from_bytes(Share, to_bytes(one)) for one in shares])


def same(found, whole):
    assert repr(found) == repr(whole)  # where a NaN equals a NaN


@pytest.mark.parametrize("count", [2, pytest.param(3, marks=pytest.mark.slow), 1_000])
@pytest.mark.parametrize("name", VARIED)
def test_any_file_in_shares_is_as_whole(name, count, monkeypatch):
    monkeypatch.setattr(partial_sums, "PART", 89)
    file = str(FIXTURES / name)
    same(in_shares(file, count), audit(file, CONFIG))


@pytest.mark.parametrize("storage", STORED)
def test_a_weight_of_several_parts_in_shares_is_as_whole(storage, tmp_path):
    file = str(large.write(tmp_path / "model.keras", **STORED[storage]))
    for config in (Config.default(), CONFIG):
        whole = audit(file, config)
        kernel, bias = whole.moments.values()
        assert (kernel.units, kernel.dead_units, bias.nonfinite) == (large.UNITS, 2, 1)
        for count in (2, 3, 4):
            same(in_shares(file, count, config), whole)


def test_a_weight_that_cannot_be_read_is_skipped_alike(tmp_path):
    file = large.write(tmp_path / "model.keras", **STORED["chunked"])
    with zipfile.ZipFile(file) as archive:
        content = {name: bytearray(archive.read(name)) for name in archive.namelist()}
    inner = tmp_path / "weights"
    inner.write_bytes(content["model.weights.h5"])
    with h5py.File(inner) as weights:
        kernel = weights["layers/dense/vars/0"].id
        at = kernel.get_chunk_info(kernel.get_num_chunks() // 2).byte_offset
    content["model.weights.h5"][at : at + 40] = bytes(40)
    with zipfile.ZipFile(file, "w") as archive:
        for name, raw in content.items():
            archive.writestr(name, bytes(raw))
    whole = audit(str(file), CONFIG)
    assert [skip.path for skip in whole.skipped] == ["dense/kernel"]
    for count in (2, 3, 4):
        same(in_shares(str(file), count), whole)


def test_spectra_and_penalties_are_as_whole():
    config = Config.default(spectral=True)
    file = str(MODELS / "digits-cnn.keras")
    whole = audit(file, config)
    assert whole.spectra
    same(in_shares(file, 3, config), whole)


def test_what_is_small_or_costly_to_split_is_audited_whole(tmp_path):
    packed = str(large.write(tmp_path / "packed.keras", packing=zipfile.ZIP_DEFLATED))
    for file, config, above in [
        (packed, CONFIG, 0),
        (str(GOOD), CONFIG, 1 << 20),
        (str(GOOD), replace(CONFIG, weights=False), 0),
        (str(FIXTURES / "hostile" / "other-text.keras"), CONFIG, 0),
    ]:
        same(audit_or_count(file, config, Split(above, 1_000)), audit(file, config))
    plain = str(large.write(tmp_path / "plain.keras"))
    assert audit_or_count(plain, CONFIG, Split(1 << 20, 10 << 20)) == 3
    wide = CONFIG.allowing([f"memory_bytes={64 * (2 * large.UNITS + large.ROWS)}"])
    assert audit_or_count(plain, wide, Split(1 << 20, 10 << 20)) == 2


def test_a_file_that_changed_between_its_shares_fails_in_one_line(tmp_path):
    file = shutil.copy(GOOD, tmp_path / "model.keras")
    with Workers(CONFIG) as pool:
        shares = [pool.measure(str(file), 0, 2)]
        status = Path(file).stat()
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        shares.append(pool.measure(str(file), 1, 2))
        report = pool.merge(str(file), shares, None)
        assert report.failure.message.startswith("it changed while it was read")
        shares[0] = pool.measure(str(file), 0, 2)
        same(pool.merge(str(file), shares, None), audit(str(file), CONFIG))
        shutil.copy(MODELS / "custom.keras", file)
        assert pool.merge(str(file), shares, None).failure == report.failure


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such timers")
def test_a_share_that_hangs_is_its_files_failure():
    file = str(FIXTURES / "hostile" / "hdf5-heap-loop.h5")
    with Workers(Config.default().allowing(["cpu_seconds=1"])) as pool:
        failed = pool.measure(file, 0, 2)
        assert isinstance(failed, Report)
        assert "processor time" in failed.failure.message
        sound = pool.measure(str(GOOD), 0, 2)
        assert isinstance(sound, Share)
        assert pool.merge(file, [sound, failed], None) == failed


def test_no_worker_can_ask_for_any_number_of_shares(monkeypatch):
    with Workers(CONFIG) as pool:
        monkeypatch.setattr(Workers, "_ask", lambda *_: 1 << 60)
        assert pool.audit_or_plan(str(GOOD), Split(0, 1)) == Plan(10_000, None)
