"""Models that carry a text in every place where a name may stand, made of ordinary ones."""

import io
import json
import shutil
import zipfile

import h5py

KEPT = {"class_name", "module", "dtype", "padding", "data_format", "keras_version", "backend"}
SHOWN = {"GlorotUniform", "Zeros", "Ones", "DTypePolicy", "InputLayer"}
"""Classes that nothing depends on."""


def renamed(config, text, *, only_names=False):
    """Give every layer, metric, loss and registered class of a configuration that name.

    Layers are told apart by a number, and stay the ones that others refer to.
    """
    names = {}
    _collect(config, names, text)
    return _with_names(config, names) if only_names else _replaced(config, names, text)


def _with_names(value, names):
    if isinstance(value, list):
        return [_with_names(one, names) for one in value]
    if isinstance(value, dict):
        return {key: _with_names(one, names) for key, one in value.items()}
    return names.get(value, value) if isinstance(value, str) else value


def _collect(value, names, text):
    for one in (
        value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    ):
        _collect(one, names, text)
    if isinstance(value, dict) and isinstance(value.get("config"), dict):
        name = value["config"].get("name")
        if isinstance(name, str):
            names.setdefault(name, f"{len(names)}{text}")


def _replaced(value, names, text):
    if isinstance(value, list):
        return [_replaced(one, names, text) for one in value]
    if isinstance(value, str):
        return names.get(value, value)
    if not isinstance(value, dict):
        return value
    made = {key: _one(key, one, names, text) for key, one in value.items()}
    if value.get("class_name") in SHOWN:
        made |= {"module": text, "registered_name": text}
    if isinstance(value.get("config"), dict) and "class_name" in value:
        made["registered_name"] = text if value.get("registered_name") else None
        made[text] = text
    return made


def _one(key, value, names, text):
    if key in {"metrics", "weighted_metrics", "loss_weights"}:
        return [text, {text: text}]
    if key in {"distribution", "mode", "run_eagerly", "registered_name"} and isinstance(value, str):
        return text
    return value if key in KEPT and isinstance(value, str) else _replaced(value, names, text)


def archive(source, target, text, *, spare=True):
    """Write a `.keras` file like another, with the text in all places.

    Args:
        source: the other.
        target: what is written.
        text: the name of everything.
        spare: add weights of that name, too; some rules then know too little to speak.
    """
    with zipfile.ZipFile(source) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    config = renamed(json.loads(members["config.json"]), text)
    members["config.json"] = json.dumps(config).encode()
    metadata = json.loads(members["metadata.json"]) | {text: text, "date_saved": text}
    members["metadata.json"] = json.dumps(metadata).encode()
    if spare:
        members["model.weights.h5"] = _with_spare(members["model.weights.h5"], text)
    with zipfile.ZipFile(target, "w") as written:
        for one, data in members.items():
            written.writestr(one, data)


def _with_spare(weights, text):
    """Return weights with others that no layer claims."""
    stream = io.BytesIO(weights)
    with h5py.File(stream, "r+") as file:
        name = safe(text)
        file[name] = [1.0]
        file["layers" if "layers" in file else "/"].create_group(f"{name}x")[name] = [1.0]
    return stream.getvalue()


def safe(text):
    """Return the text as a name in a file system or in HDF5 can be."""
    return text.encode("utf-8", "replace").decode().replace("/", "").replace("\0", "")


def legacy(source, target, text):
    """Write an HDF5 file of Keras 2 like another; its layers have the text as their name."""
    target.write_bytes(source.read_bytes())
    with h5py.File(target, "r+") as file:
        names = {}
        config = json.loads(file.attrs["model_config"])
        _collect(config, names, safe(text))
        file.attrs["model_config"] = json.dumps(_replaced(config, names, safe(text)))
        file.attrs["keras_version"] = file.attrs["backend"] = safe(text)
        groups = file["model_weights"]
        for name, new in names.items():
            if name in groups:
                groups.move(name, new)
        groups.attrs["layer_names"] = [new.encode() for old, new in names.items() if new in groups]


def saved_model(source, target, name):
    """Write a SavedModel like another, with this name, of five bytes, in place of `dense`."""
    shutil.copytree(source, target)
    for file in target.glob("*.pb"):
        file.write_bytes(file.read_bytes().replace(b"dense", name.encode()))


def mutated(value, text):
    """Yield copies of a JSON value, each with the text in the place of another string or key."""
    kinds = {}
    for path in _strings(value):
        kinds.setdefault(tuple(one for one in path if not isinstance(one, int)), path)
    for path in kinds.values():
        copy = json.loads(json.dumps(value))
        inner = copy
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = text
        yield copy
        if isinstance(inner, dict):
            inner[text] = inner.pop(path[-1])
            yield copy


def _strings(value, path=()):
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _strings(one, (*path, key))
