"""Archives as Keras never writes them but accepts them, and archives that are refused."""

import io
import json
import shutil
import zipfile

import h5py
import pytest
from paths import MODELS

import regaudit

MODEL = MODELS / "everything.keras"
DIRECTORY = "model.weights.h5"


def members():
    with zipfile.ZipFile(MODEL) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(file, content, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, raw in content.items():
            archive.writestr(name, raw)
    return file


def rewritten(change, **options):
    """Return the weights with every dataset written again as `change` says."""
    buffer = io.BytesIO()
    with (
        h5py.File(io.BytesIO(members()[DIRECTORY])) as old,
        h5py.File(buffer, "w", **options) as new,
    ):

        def copy(name, item):
            if isinstance(item, h5py.Dataset):
                change(new, name, item[()])
            else:
                new.require_group(name).attrs.update(item.attrs)

        old.visititems(copy)
    return buffer.getvalue()


def plain(file, name, values):
    file[name] = values


def squeezed(file, name, values):
    if values.ndim:
        file.create_dataset(
            name, data=values, chunks=True, compression="gzip", shuffle=True, fletcher32=True
        )
    else:
        file[name] = values


def numbers(report):
    """What an audit found, apart from the dtype in which it is stored."""
    assert report.failure is None, report.failure
    weights = [weight for _, weight in report.model.weights()]
    return [
        (w.path, w.regularizer, w.trainable, report.moments[w.stored_path]) for w in weights
    ] + [report.penalty, report.findings, report.skipped]


EXPECTED = numbers(regaudit.audit(MODEL))


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c,
        lambda c: dict(reversed(c.items())),
        lambda c: {**c, "assets/notes.txt": b"hello"},
        lambda c: {**c, DIRECTORY: rewritten(plain)},
        lambda c: {**c, DIRECTORY: rewritten(squeezed)},
        lambda c: {**c, DIRECTORY: rewritten(plain, libver="latest")},
        lambda c: {
            **c,
            DIRECTORY: rewritten(
                lambda file, name, values: plain(
                    file, name, values.astype(values.dtype.newbyteorder(">"))
                )
            ),
        },
        lambda c: {**c, "config.json": json.dumps(json.loads(c["config.json"])).encode("utf-16")},
        lambda c: {**c, "config.json": b"\xef\xbb\xbf" + c["config.json"]},
        lambda c: {k: v for k, v in c.items() if k != "metadata.json"},
    ],
    ids=[
        "same",
        "reversed",
        "assets",
        "rewritten",
        "compressed",
        "latest",
        "big-endian",
        "utf-16",
        "bom",
        "no-metadata",
    ],
)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_whatever_keras_would_load_is_read_alike(change, compression, tmp_path):
    file = write(tmp_path / "model.keras", change(members()), compression)
    assert numbers(regaudit.audit(file)) == EXPECTED


def test_the_suffix_does_not_matter(tmp_path):
    file = shutil.copy(MODEL, tmp_path / "model.net")
    assert numbers(regaudit.audit(file)) == EXPECTED


def test_the_unzipped_directory_is_read_alike(tmp_path):
    with zipfile.ZipFile(MODEL) as archive:
        archive.extractall(tmp_path / "model")
    assert numbers(regaudit.audit(tmp_path / "model")) == EXPECTED
    (found,) = regaudit.audit_files([str(tmp_path)])
    assert found.file == str(tmp_path / "model")


def test_no_temporary_file_stays(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    file = write(tmp_path / "model.keras", members(), zipfile.ZIP_DEFLATED)
    assert regaudit.audit(file).ok
    assert list(tmp_path.iterdir()) == [file]


def failure(file):
    report = regaudit.audit(file)
    assert report.failure is not None
    assert "\n" not in report.failure.message
    return report.failure.kind, report.failure.message


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path):
    with zipfile.ZipFile(write(tmp_path / "m.keras", members()), "a") as archive:
        archive.writestr("config.json", b"{}")
    assert failure(tmp_path / "m.keras") == (
        "UnsafeFileError",
        "the archive has 'config.json' twice",
    )


def test_a_member_that_inflates_beyond_measure_is_refused(tmp_path):
    content = {**members(), DIRECTORY: bytes(50_000_000)}
    file = write(tmp_path / "m.keras", content, zipfile.ZIP_DEFLATED)
    kind, message = failure(file)
    assert kind == "UnsafeFileError"
    assert "inflates" in message


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (b"{", "UnreadableModelError"),
        (b"[]", "UnreadableModelError"),
        (b"{}", "UnreadableModelError"),
        (b"[" * 200_000, "UnsafeFileError"),
        (b'{"class_name": "Sequential", "config": {"layers": 3}}', "UnreadableModelError"),
        (b'{"class_name": "Dense", "config": null}', "UnreadableModelError"),
        (b'{"class_name": "Sequential", "config": {"layers": []}}', None),
    ],
)
def test_odd_configurations_are_refused_or_reported(config, kind, tmp_path):
    report = regaudit.audit(write(tmp_path / "m.keras", {**members(), "config.json": config}))
    assert (report.failure.kind if report.failure else None) == kind
    if kind is None:  # the weights are there all the same
        assert report.coverage.measured == len(EXPECTED) - 3


def hdf5(tmp_path, build):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        build(file)
    return write(tmp_path / "m.keras", {**members(), DIRECTORY: buffer.getvalue()})


def soft_link(file):
    file["layers/dense/vars/0"] = h5py.SoftLink("/elsewhere")


def external_link(file):
    file["layers/dense"] = h5py.ExternalLink("/etc/passwd", "/")


def external_storage(file):
    file.create_dataset("vars/0", (8,), "u1", external=[("/etc/passwd", 0, 8)])


def virtual(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    file.create_virtual_dataset("vars/0", layout)


def cycle(file):
    file["layers/loop"] = file.create_group("layers/dense")
    file["layers/dense/again"] = file["layers"]


def unstored(file):
    file.create_dataset("vars/0", (1 << 40,), "f4", chunks=(1 << 20,))


def deep(file):
    group = file
    for _ in range(100):
        group = group.create_group("g")


@pytest.mark.parametrize(
    "build", [soft_link, external_link, external_storage, virtual, cycle, unstored, deep]
)
def test_hdf5_that_leads_elsewhere_or_declares_too_much_is_refused(build, tmp_path):
    assert failure(hdf5(tmp_path, build))[0] == "UnsafeFileError"


def test_datasets_that_hold_no_numbers_are_named(tmp_path):
    def build(file):
        file["layers/odd/vars/0"] = "text"
        file["layers/odd/vars/1"] = h5py.Empty("f4")
        file["layers/odd/vars/2"] = [1.0, 2.0]

    report = regaudit.audit(hdf5(tmp_path, build))
    assert report.failure is None
    odd = {skip.path: skip.reason for skip in report.skipped if "odd/vars" in skip.path}
    assert odd == {
        "layers/odd/vars/0": "it does not hold numbers",
        "layers/odd/vars/1": "it holds no values",
    }


def test_a_file_cut_short_anywhere_is_refused_in_one_line(tmp_path):
    whole = MODEL.read_bytes()
    for length in range(0, len(whole), 2_311):
        file = tmp_path / "cut.keras"
        file.write_bytes(whole[:length])
        failure(file)
