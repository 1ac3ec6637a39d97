"""Files of other programs are named by their content, with what to give instead."""

import shutil

import pytest
from paths import FIXTURES

import regaudit
from regaudit.storage.foreign import foreign, foreign_archive

FOLDER = FIXTURES / "foreign"
NAMED = {
    "deploy.prototxt": "the text of a Caffe net",
    "events.out.tfevents": "a log for TensorBoard",
    "frozen.pb": "a frozen graph of TensorFlow",
    "model.gguf": "a GGUF file of llama.cpp",
    "model.joblib": "a Python pickle that names joblib",
    "model.onnx": "an ONNX model, written by tf2onnx",
    "model.pkl": "a Python pickle that names numpy",
    "model.safetensors": "weights in safetensors",
    "model.tflite": "a TensorFlow Lite model",
    "net.caffemodel": "weights of Caffe",
    "torch.pt": "weights of PyTorch",
    "torch_legacy.pth": "weights of PyTorch",
    "weights.npy": "an array of NumPy",
    "weights.npz": "arrays of NumPy (npz)",
}
STARTS = {
    b"\x89PNG\r\n\x1a\n": "a PNG image",
    b"\xff\xd8\xff\xe0\0\x10JFIF": "a JPEG image",
    b"\x1f\x8b\x08\0": "a gzip file: unpack it",
    b"BZh91AY&SY": "a bzip2 file: unpack it",
    bytes(257) + b"ustar\0": "a tar archive: unpack it",
    b"7z\xbc\xaf\x27\x1c\0\x04": "a 7z archive",
    b"PAR1\x15\x04": "a Parquet table",
    b"SQLite format 3\0": "an SQLite database",
    b"<!DOCTYPE html><html>": "an HTML page",
    b'{"architectures": ["BertModel"]}': "the configuration of a transformers model",
    b'{"loss": [1.0]}': "JSON, but not the configuration of a Keras model",
}


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("suffix", ["", ".h5"], ids=["as it is called", "called .h5"])
def test_it_is_named_whatever_it_is_called(name, suffix, tmp_path):
    file = tmp_path / f"{name}{suffix}"
    shutil.copy(FOLDER / name, file)
    failure = regaudit.audit(file).failure
    assert failure.kind == "UnknownFormatError"
    assert failure.message.startswith(NAMED[name])
    if name != "events.out.tfevents":
        assert "model.save()" in failure.message


def test_every_fixture_is_tried():
    assert {file.name for file in FOLDER.iterdir()} == set(NAMED)


@pytest.mark.parametrize("start", STARTS, ids=STARTS.values())
def test_it_is_named_by_how_it_begins(start, tmp_path):
    file = tmp_path / "model.keras"
    file.write_bytes(start)
    assert regaudit.audit(file).failure.message.startswith(STARTS[start])


def test_archives_of_others():
    assert foreign_archive(["META-INF/MANIFEST.MF", "a.class"]).startswith("a Java archive")
    assert foreign_archive(["[Content_Types].xml"]).startswith("a document of Office")
    assert foreign_archive(["config.json", "model.weights.h5"]) is None


@pytest.mark.parametrize("name", NAMED)
def test_every_cut_of_it_is_read_without_a_fault(name):
    content = (FOLDER / name).read_bytes()[:400]
    for at in range(len(content)):
        foreign(content[:at])
        foreign(content[at:])
