"""Archives and compressed files as folders: the same members as the standard library finds."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pytest
from archives import PACKED, contents, special, tar, zipped
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import CORPUS

from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.limits import Limits, allowing
from regaudit.storage import container
from regaudit.storage.compression import unpacked
from regaudit.storage.container_marks import is_tar
from regaudit.storage.tar_members import tar_members

FILES = {
    "./1/saved_model.pb": b"graph",
    "1/variables/variables.index": bytes(range(256)) * 5,
    "a" * 90 + "/" + "b" * 90 + "/" + "c" * 200: b"long",
    "empty": b"",
    "Modèle/数字.keras": b"\0" * 512,
}
NAMES = st.lists(
    st.text("abé/._ ", min_size=1, max_size=120)
    .map(lambda text: "/".join(part for part in text.split("/") if part.strip("."))[:150])
    .filter(lambda name: name.strip("/. ")),
    unique_by=str.casefold,
    max_size=6,
)


def listed(raw):
    return list(tar_members(io.BytesIO(raw), len(raw)))


@pytest.mark.parametrize("layout", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@settings(max_examples=40, deadline=None)
@given(names=NAMES, sizes=st.lists(st.integers(0, 1500), min_size=6, max_size=6))
def test_a_tar_holds_what_the_standard_library_finds(layout, names, sizes):
    members = {name: bytes(size) for name, size in zip(names, sizes, strict=False)}
    try:
        raw = tar(members, layout)
    except ValueError:  # too long for the oldest layout
        return
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        expected = [(one.name, one.offset_data, one.size, "") for one in archive]
    assert [tuple(one) for one in listed(raw)] == expected
    assert is_tar(raw) == bool(names)


@pytest.mark.parametrize("ending", PACKED)
def test_members_are_read_as_they_were_put_in(tmp_path, ending):
    (tmp_path / "file").write_bytes(PACKED[ending](tar(FILES)))
    found = container.opened(tmp_path / "file")
    assert {name.removeprefix("./"): raw for name, raw in FILES.items()} == {
        name: found.at(name).read_bytes() for name in found.names
    }


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_so_they_are_in_a_zip(tmp_path, method):
    members = {name.removeprefix("./"): raw for name, raw in FILES.items()}
    (tmp_path / "file").write_bytes(zipped(members, method))
    found = container.opened(tmp_path / "file")
    assert members == {name: found.at(name).read_bytes() for name in found.names}


def test_a_member_answers_as_a_path_does(tmp_path):
    (tmp_path / "file").write_bytes(tar(FILES))
    root = container.opened(tmp_path / "file").at("")
    folder = root / "1"
    assert folder.is_dir()
    assert not folder.is_file()
    assert folder.exists()
    assert folder.names() == ["saved_model.pb", "variables"]
    assert (folder / "variables" / "variables.index").stat().st_size == 1280
    assert (folder / "variables").parent.path == "1"
    assert not (folder / "nothing").exists()
    with pytest.raises(FileNotFoundError):
        (folder / "nothing").stat()
    for name in ("..", "a/b", "", "."):
        with pytest.raises(UnsafeFileError):
            folder / name
    with (folder / "variables" / "variables.index").open("rb", buffering=0) as stream:
        assert stream.seek(255) == 255
        assert stream.read(2) == b"\xff\x00"


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
class TestCompression:
    def test_streams_behind_each_other_and_zeros_at_the_end(self, pack):
        raw = pack(b"one") + pack(b"") + bytes(700) + pack(b"two" * 100_000) + bytes(3)
        assert b"".join(unpacked(io.BytesIO(raw), len(raw))) == b"one" + b"two" * 100_000

    def test_what_is_cut_short_or_changed_is_said(self, pack):
        whole = pack(bytes(range(256)) * 300)
        for raw in (whole[:-1], whole[: len(whole) // 2], whole[:-9] + b"x" + whole[-8:]):
            with pytest.raises(UnreadableModelError, match="damaged or cut short"):
                list(unpacked(io.BytesIO(raw), len(raw)))

    def test_nothing_else_stands_behind_it(self, pack):
        raw = pack(b"one") + b"\0\0garbage"
        with pytest.raises(UnsafeFileError, match="7 bytes behind"):
            list(unpacked(io.BytesIO(raw), len(raw)))

    def test_a_bomb_is_refused_before_it_is_large(self, pack):
        raw, sizes = pack(bytes(30_000_000)), []
        pieces = (sizes.append(len(piece)) for piece in unpacked(io.BytesIO(raw), len(raw)))
        with pytest.raises(UnsafeFileError, match="--limit inflation=N"):
            list(pieces)
        assert sum(sizes) <= max(Limits().unstored_bytes, 200 * len(raw))
        with allowing(Limits(spooled_bytes=1000)), pytest.raises(UnsafeFileError, match="spooled"):
            list(unpacked(io.BytesIO(raw), 1 << 30))


def test_a_dictionary_that_takes_too_much_memory_is_refused():
    raw = lzma.compress(b"x", preset=9)
    with allowing(Limits(memory_bytes=64 << 20)), pytest.raises(UnsafeFileError, match="memory"):
        list(unpacked(io.BytesIO(raw), len(raw)))


def test_what_is_unpacked_is_nowhere_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    (tmp_path / "file").write_bytes(
        gzip.compress(tar(contents(CORPUS / "keras-3.15.1/mlp.export")))
    )
    found = container.opened(tmp_path / "file")
    assert found.at("saved_model.pb").stat().st_size > 0
    assert list((tmp_path / "tmp").iterdir()) == []


def test_no_room_for_it_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    (tmp_path / "file").write_bytes(gzip.compress(tar(FILES)))
    with pytest.raises(
        UnreadableModelError, match=r"No such file .*; set TMPDIR to another folder"
    ):
        container.opened(tmp_path / "file")


def test_links_are_members_that_are_not_read(tmp_path):
    links = [(special("a.keras", tarfile.SYMTYPE, "/etc/passwd"), b"")]
    (tmp_path / "file").write_bytes(tar(links))
    place = container.opened(tmp_path / "file").at("a.keras")
    assert place.is_file()
    with pytest.raises(UnsafeFileError, match="is a link"):
        place.open("rb")
