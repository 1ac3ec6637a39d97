"""`regaudit inspect` of a TensorFlow checkpoint against HDF5 of the same values.

    python -m benchmarks.checkpoint

Both files are made here, of ten dense layers, and deleted again. Whole processes, in turn; both
answers have to be the same.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from statistics import median

import h5py

from benchmarks.chains import make
from benchmarks.growth import of_bytes
from benchmarks.inspect import Totals
from benchmarks.processes import Run, alternate, worst
from fixtures.hostile import HEADER, entry, table  # type: ignore[attr-defined] # not the folder

_COPIED = 1 << 20
"""Values copied at once."""


def as_checkpoint(file: Path, prefix: Path) -> None:
    """Write the weights of an HDF5 file as a checkpoint of TensorFlow 1, which has names alone."""
    entries, offset = [], 0
    with (
        h5py.File(file) as hdf5,
        prefix.with_name(f"{prefix.name}.data-00000-of-00001").open("wb") as data,
    ):

        def copy(name: str, found: object) -> None:
            nonlocal offset
            if not isinstance(found, h5py.Dataset):
                return
            flat = found[()].reshape(-1)
            for at in range(0, flat.size, _COPIED):
                data.write(flat[at : at + _COPIED].tobytes())
            key = name.removeprefix("model_weights/").removesuffix(":0")
            entries.append((key.encode(), entry(found.shape, flat.nbytes, offset=offset)))
            offset += flat.nbytes

        hdf5.visititems(copy)
    prefix.with_name(f"{prefix.name}.index").write_bytes(table(HEADER, *sorted(entries)))


def answer(done: Run) -> Totals:
    """Return what a run found in all weights."""
    [report] = json.loads(done.output)["reports"]
    return Totals.of([weight for layer in report["layers"] for weight in layer["weights"]])


def main() -> None:
    """Measure both, and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checkpoint", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each (5)")
    parser.add_argument("--bytes", type=int, default=1_000, metavar="MB")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="regaudit-checkpoint-") as folder:
        file, prefix = Path(folder, "model.h5"), Path(folder, "cp.ckpt")
        make(of_bytes(options.bytes), file, values=True)
        as_checkpoint(file, prefix)
        command = [sys.executable, "-m", "regaudit", "inspect", "--format", "json"]
        sides = {"HDF5": [*command, str(file)], "checkpoint": [*command, str(prefix)]}
        measured = alternate(sides, {}, options.runs)
        one, other = (answer(runs[0]) for runs in measured.values())
        if not one.agrees(other):
            raise SystemExit(f"the answers differ: {one} and {other}")
    print(f"| {options.bytes:,} MB | wall | CPU | peak USS |\n| --- | ---: | ---: | ---: |")
    medians = []
    for name, runs in measured.items():
        wall = median(done.seconds for done in runs)
        cpu = median(done.cpu_seconds for done in runs)
        private = worst([done.peak_private for done in runs])
        medians.append((wall, cpu, private))
        print(f"| {name} | {wall:.2f} s | {cpu:.2f} s | {private / 1e6:,.0f} MB |")
    ratios = " | ".join(f"{new / old:.2f}" for old, new in zip(*medians, strict=True))
    print(f"| **ratio** | {ratios} |")


if __name__ == "__main__":
    main()
