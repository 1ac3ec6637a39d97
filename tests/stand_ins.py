"""Stand-ins for a model, for data sets of Keras and torch: what is read of them, without them."""

import sys
from types import SimpleNamespace

import numpy as np


class Model:
    """What a model tells of itself: a dict of shapes stands for a dict of inputs or outputs."""

    def __init__(self, inputs, outputs, dtype="float32"):
        self.inputs, self.input = ends(inputs, "in", dtype)
        self.outputs, self.output = ends(outputs, "out", "float32")
        self.output_names = [tensor.name for tensor in self.outputs]


class Unnamed:
    """A model with a `call` of its own, of 2 values a sample."""

    def __call__(self, x, training):
        assert training is False
        assert np.ndim(x) == 2
        return np.asarray(x) @ np.ones((3, 2))


def ends(shapes, prefix, dtype):
    keyed = isinstance(shapes, dict)
    named = (
        shapes.items() if keyed else [(f"{prefix}_{n}", shape) for n, shape in enumerate(shapes)]
    )
    tensors = {name: SimpleNamespace(name=name, shape=shape, dtype=dtype) for name, shape in named}
    flat = [tensors[name] for name in sorted(tensors)]
    return flat, (tensors if keyed else flat if len(flat) > 1 else flat[0])


def in_module(name, class_name, **body):
    """Make a class as if another module had it."""
    return type(class_name, (), {"__module__": name, **body})


class Tensor:
    """A tensor of torch, as far as it becomes an array."""

    def __init__(self, values):
        self.values, self.shape = values, values.shape

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return self.values


LOADER = in_module("torch.utils.data.dataloader", "DataLoader")
SEQUENCE = in_module("keras.src.trainers.data_adapters.py_dataset_adapter", "PyDataset")


class Loader(LOADER):
    """A DataLoader over batches."""

    def __init__(self, *batches, sampler=None):
        self.batches, self.sampler = batches, sampler

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        return iter(self.batches)


class Batches(SEQUENCE):
    """A PyDataset of batches."""

    def __init__(self, *batches):
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, number):
        batch = self.batches[number]
        return batch() if callable(batch) else batch


def module(folder, name, text):
    """Write a module, and forget one of that name that was imported."""
    (folder / f"{name}.py").write_text(text)
    sys.modules.pop(name, None)
