"""The models that are measured: architectures of `keras.applications`, random weights.

`python -m benchmarks.models NAME FILE` builds one. A process of its own does it, so that the
process that measures stays small.
"""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

NAMES = ("ResNet50", "VGG16")
"""What there is, by its name in `keras.applications`."""


def stored(name: str, cache: Path) -> Path:
    """Return the file of a model, built if the cache does not hold it for this Keras."""
    file = cache / f"{name.lower()}-keras-{version('keras')}.keras"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f"partial-{file.name}")
        subprocess.run([sys.executable, "-m", "benchmarks.models", name, partial], check=True)
        partial.replace(file)
    return file


def build(name: str, file: Path) -> None:
    """Build a model, compile it for classification, and save it."""
    import keras  # noqa: PLC0415  it is needed here alone and takes seconds

    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(weights=None)
    model.compile(optimizer="adam", loss="categorical_crossentropy")
    model.save(file)


if __name__ == "__main__":
    build(sys.argv[1], Path(sys.argv[2]))
