"""Archives that lie: nothing of them is written, followed or read beyond the limits."""

import gzip
import io
import json
import re
import tarfile
import time
import zipfile

import pytest
from archives import END, contents, header, member, pax, special, tar, zipped
from command_line import run
from paths import CORPUS, MODELS

import regaudit
from fixtures import hostile
from regaudit import Config
from regaudit.limits import Limits

MODEL = (MODELS / "tutorial-l2.keras").read_bytes()
SAVED = {
    f"m/{name}": raw
    for name, raw in contents(CORPUS / "keras-3.15.1" / "mlp.export").items()
    if name != "fingerprint.pb"
}
LINK, PIPE, DEVICE = tarfile.SYMTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE

MORE = ("--limit", "objects=2000")


def saved(**replaced):
    """Return the members of a SavedModel in an archive, some of them replaced by something."""
    members = [(name, raw) for name, raw in SAVED.items() if name not in replaced]
    return members + [one for more in replaced.values() for one in more]


def of_links(kind, target):
    return tar([(special("m.keras", kind, target), b"")])


def overlapping():
    """Two entries of the list of members that mean the same bytes."""
    raw = bytearray(zipped({"a.keras": MODEL, "b.keras": MODEL}, zipfile.ZIP_STORED))
    second = raw.rindex(b"PK\x01\x02")
    raw[second + 42 : second + 46] = bytes(4)
    return bytes(raw)


def deep(depth):
    return tar({"/".join("d" * depth) + "/m.keras": MODEL})


HOSTILE = {
    # name, content, what is said of it; nothing where it is read
    "link.tar": (of_links(LINK, "/etc/passwd"), "'m.keras' is a link"),
    "hard-link.tar": (of_links(tarfile.LNKTYPE, "../x"), "'m.keras' is a link"),
    "pipe.tar": (of_links(PIPE, ""), "'m.keras' is a device, a pipe"),
    "device.tar": (of_links(DEVICE, ""), "'m.keras' is a device, a pipe"),
    "link-in-model.tar": (
        tar(
            saved(
                **{
                    "m/variables/variables.index": [
                        (special("m/variables/variables.index", LINK, "/etc/passwd"), b"")
                    ]
                }
            )
        ),
        "'m/variables/variables.index' is a link",
    ),
    "link-to-folder.tar": (
        tar([(special("m", LINK, "/tmp"), b""), *SAVED.items()]),
        "'m/saved_model.pb' lies below a file or a link",
    ),
    "up.tar": (tar({"../m.keras": MODEL}), "leads out of the archive"),
    "up-inside.tar": (tar({"a/../../m.keras": MODEL}), "leads out of the archive"),
    "up-windows.tar": (tar({"a\\..\\..\\m.keras": MODEL}), "leads out of the archive"),
    "absolute.tar": (tar({"/tmp/m.keras": MODEL}), "leads out of the archive"),
    "twice.tar": (tar([("m.keras", MODEL), ("m.keras", MODEL)]), "is in the archive twice"),
    "config-twice.tar": (
        tar(
            [
                ("d/config.json", b'{"class_name": "X"}'),
                ("d/config.json", b"{}"),
                ("d/model.weights.h5", b""),
            ]
        ),
        "'d/config.json' is in the archive twice",
    ),
    "case.tar": (tar({"m.keras": MODEL, "M.keras": MODEL}), "differs only in case"),
    "file-and-folder.tar": (tar({"m.keras": MODEL, "m.keras/n.keras": MODEL}), "lies below"),
    "zero.tar": (pax((b"path", b"m\0.keras")) + member(b"x", MODEL) + END, "zero byte in its name"),
    "escape.tar": (tar({"\x1b[2Jm.keras": MODEL}), "characters that are not shown"),
    "not-unicode.tar": (member(b"\xff\xfe.keras", MODEL) + END, "characters that are not shown"),
    "surrogate.tar": (
        pax((b"path", b"\xed\xa0\x80.keras")) + member(b"x", MODEL) + END,
        "characters that are not shown",
    ),
    "long-name.tar": (tar({"x" * 5000 + ".keras": MODEL}), "--limit key_bytes=N"),
    "deep.tar": (deep(100), "--limit group_depth=N"),
    "sparse.tar": (
        header(b"m.keras", b"%011o\0" % 512, b"S") + bytes(512) + END,
        "is a sparse file",
    ),
    "sparse-pax.tar": (
        pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"))
        + member(b"m.keras", MODEL)
        + END,
        "is a sparse file",
    ),
    "size-beyond.tar": (header(b"m.keras", b"77777777777\0") + END, "cut short in the middle of"),
    "size-binary.tar": (
        header(b"m.keras", b"\x80" + b"\x7f" * 11) + END,
        "cut short in the middle",
    ),
    "size-negative.tar": (
        header(b"m.keras", b"\xff" * 12) + END,
        "the size of a member is no number",
    ),
    "size-pax.tar": (
        pax((b"size", b"9" * 19)) + member(b"m.keras", MODEL) + END,
        "cut short in the",
    ),
    "size-pax-odd.tar": (pax((b"size", b"-1")) + member(b"m.keras", MODEL) + END, "is no number"),
    "pax-claims.tar": (
        header(b"p", b"77777777777\0", b"x") + END,
        "a header of 8,589,934,591 bytes",
    ),
    "pax-malformed.tar": (member(b"p", b"99 path=x\n", kind=b"x") + END, "pax header is malformed"),
    "pax-length-zero.tar": (
        member(b"p", b"0 path=x\n", kind=b"x") + END,
        "pax header is malformed",
    ),
    "pax-for-all.tar": (
        pax((b"path", b"m.keras"), kind=b"g") + member(b"x", MODEL) + END,
        "a path for all",
    ),
    "name-claims.tar": (
        header(b"p", b"77777777777\0", b"L") + END,
        "a header of 8,589,934,591 bytes",
    ),
    "checksum.tar": (tar({"a": b""})[:512] + b"x" * 512 + END, "the checksum of a header is wrong"),
    "no-end.tar": (member(b"m.keras", MODEL), "the tar archive is cut short"),
    "two-archives.tar": (
        tar({"a": b""}) + tar({"m.keras": MODEL}),
        "behind the model are of another",
    ),
    "nested.tar": (
        tar({"m.tar.gz": gzip.compress(tar({"m.keras": MODEL}))}),
        "an archive in an archive",
    ),
    "nested.tar.gz.gz": (
        gzip.compress(gzip.compress(tar({"m.keras": MODEL}))),
        "an archive in an archive",
    ),
    "members.tar": (header() * 2_001 + END, "--limit objects=N"),
    "names.tar": (
        b"".join(tar({f"{n:05}/{'x' * 4000}": b""})[:-9728] for n in range(40)) + END,
        None,
    ),
    "bomb.tar.gz": (gzip.compress(bytes(80_000_000)), "--limit inflation=N"),
    "cut.tar.gz": (gzip.compress(tar({"m.keras": MODEL}))[:-20], "damaged or cut short"),
    "garbage.tar.gz": (gzip.compress(tar({"m.keras": MODEL})) + b"garbage", "7 bytes behind"),
    "two.tar.gz": (
        gzip.compress(tar({"m.keras": MODEL})[:700]) + gzip.compress(tar({"m.keras": MODEL})[700:]),
        "",
    ),
    "zeros.tar.gz": (gzip.compress(tar({"m.keras": MODEL})) + bytes(5000), ""),
    "empty.gz": (gzip.compress(b""), "an empty file"),
    "text.txt.gz": (gzip.compress(b"hello"), "a text file, not a saved Keras model"),
    "cut.h5.gz": (
        gzip.compress((CORPUS / "keras-3.15.1" / "mlp.h5").read_bytes())[:3000],
        "damaged or cut short",
    ),
    "up.zip": (zipped({"../m.keras": MODEL}), "leads out of the archive"),
    "link.zip": (
        hostile.archive([(info := zipfile.ZipInfo("m.keras"), b"/etc/passwd")]),
        "'m.keras' is a link",
    ),
    "overlapping.zip": (overlapping(), "overlap"),
    "bomb.zip": (zipped({"m.h5": bytes(30_000_000)}), "--limit inflation=N"),
    "cut.zip": (zipped({"m.keras": MODEL})[:-30], "damaged or cut short"),
    "glued.zip": (b"glued" + zipped({"m.keras": MODEL}), "5 bytes before the model"),
    "no-model.tar": (tar({"notes.txt": b"x"}), "a tar archive without a saved Keras model"),
    "no-model.zip": (zipped({"notes.txt": b"x"}), "a zip archive without a saved Keras model"),
}
info.external_attr = 0o120777 << 16
HOSTILE["link.zip"] = (hostile.archive([(info, b"/etc/passwd")]), "'m.keras' is a link")


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_answered_by_name_and_nothing_is_written(tmp_path, name, monkeypatch):
    content, says = HOSTILE[name]
    (tmp_path / "tmp").mkdir()
    (tmp_path / "in").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path / "in")
    (tmp_path / "in" / name).write_bytes(content)
    start = time.process_time()
    result = run("inspect", "--no-isolate", "--format", "json", *MORE, "--", name)
    assert time.process_time() - start < 5
    reports = json.loads(result.stdout)["reports"]
    said = " ".join(one["failure"]["message"] for one in reports if one["failure"])
    if says:
        assert says in said or says in result.stdout, said
        assert result.exit_code == 3
    else:
        assert (result.exit_code, said) == ((0, "") if says == "" else (3, said))
    assert all(one["file"].startswith(name) for one in reports)
    assert "InternalError" not in result.stdout
    assert list((tmp_path / "tmp").iterdir()) == []
    assert [one.name for one in (tmp_path / "in").iterdir()] == [name]
    assert {one.name for one in tmp_path.iterdir()} == {"in", "tmp"}


def test_a_folder_of_them_reports_the_good_ones(tmp_path):
    for name, (content, _) in HOSTILE.items():
        if len(content) < 1_000_000:
            (tmp_path / name).write_bytes(content)
    (tmp_path / "good.tgz").write_bytes(gzip.compress(tar({"m.keras": MODEL})))
    result = run("check", "--no-isolate", "--format", "json", tmp_path)
    assert result.exit_code == 3
    reports = {one["file"]: one for one in json.loads(result.stdout)["reports"]}
    assert reports[f"{tmp_path}/good.tgz/m.keras"]["failure"] is None


def test_limits_hold_for_archives_too(tmp_path):
    (tmp_path / "m.tar.gz").write_bytes(gzip.compress(tar({"m.keras": MODEL, "n": b"x" * 9})))
    for limits, name in (
        (Limits(objects=1), "objects"),
        (Limits(spooled_bytes=1000), "spooled_bytes"),
        (Limits(key_bytes=6), "key_bytes"),
        (Limits(index_bytes=6), "index_bytes"),
        (Limits(inflation=1, unstored_bytes=1), "inflation"),
    ):
        config = Config.default().allowing([f"{name}={getattr(limits, name)}"])
        if name == "inflation":
            config = config.allowing(["unstored_bytes=1"])
        report = regaudit.audit(tmp_path / "m.tar.gz", config)
        assert f"--limit {name}=N" in report.failure.message


def test_names_of_members_reach_no_output_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ("<script>alert(1)</script>.keras", "a b;c.keras", "=1+1.keras", "::error::x.keras")
    (tmp_path / "m.tar").write_bytes(tar(dict.fromkeys(names, MODEL)))
    for form in ("terminal", "markdown", "html", "csv", "sarif", "junit", "github", "json"):
        result = run("check", "--no-isolate", "--format", form, "m.tar")
        assert result.exit_code == 0, result.stdout
        if form in {"html", "markdown", "junit"}:
            assert "<script>alert" not in result.stdout
        assert not re.search("^::error::", result.stdout, re.MULTILINE)
        assert form != "csv" or not re.search(r"(^|,)\"?=", result.stdout, re.MULTILINE)


def test_very_many_members_are_refused_by_a_worker(tmp_path):
    raw = io.BytesIO()
    with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1) as stream:
        for number in range(20_001):
            stream.write(header(b"%032x.keras" % (number * 2**64 // 7)))
    (tmp_path / "m.tar.gz").write_bytes(raw.getvalue())
    result = run("inspect", "--isolate", "--limit", "objects=20000", tmp_path / "m.tar.gz")
    assert result.exit_code == 3
    assert "--limit" in result.stdout
