"""Spectra of whole models: what is told of which weight, within which time, and how it is shown."""

import csv
import io
import json

import numpy as np
import pytest
from command_line import run
from jsonschema import Draft202012Validator
from msgspec.structs import replace
from page_values import Page, audited, dense
from paths import MODELS
from report_schema import SCHEMA, closed

import regaudit
from regaudit.limits import Limits, allowing
from regaudit.measures import singular_values, spectra
from regaudit.measures.moments import measure
from regaudit.measures.spectrum import Spectrum
from regaudit.model import Model
from regaudit.renderers.interface import renderer
from regaudit.report.view import View
from regaudit.settings.config import Config
from regaudit.tensors.tensor import ArrayTensor, StoredTensor


def model_of(*kernels):
    """Return a model of dense layers with these kernels, their moments, and their values."""
    layers = [dense(f"d{number}", values=values)[0] for number, values in enumerate(kernels)]
    paths = [layer.weights[0].stored_path for layer in layers]
    tensors = {path: ArrayTensor(np.asarray(k)) for path, k in zip(paths, kernels, strict=True)}
    work = [(tensors[layer.weights[0].stored_path], layer.weights[0].units) for layer in layers]
    moments = dict(zip(paths, measure(work), strict=True))
    return Model("m", "Sequential", tuple(layers)), moments, tensors


def test_what_has_no_spectrum_is_told():
    random = np.random.default_rng(0).normal(size=(4, 3))
    bad, infinite = random.copy(), random.copy()
    bad[0, 0] = np.nan
    infinite[:2, 0] = np.inf
    found = spectra.spectra(*model_of(random, bad, infinite, np.zeros((0, 3)), np.zeros((4, 3))))
    assert set(found.found) == {"layers/d0/vars/0", "layers/d4/vars/0"}
    assert [(skip.path, skip.reason) for skip in found.skipped] == [
        ("d1/kernel", "no spectrum: 1 of its values is not finite"),
        ("d2/kernel", "no spectrum: 2 of its values are not finite"),
        ("d3/kernel", "no spectrum: it is empty"),
    ]
    zeros = found.found["layers/d4/vars/0"]
    assert (zeros.shape, zeros.spectral_norm, zeros.stable_rank) == ((4, 3), 0.0, None)


def test_what_is_not_done_in_time_is_told():
    """The cheapest come first; here the time is over from the start."""
    random = np.random.default_rng(0).normal(size=(40, 30))
    with allowing(Limits(spectral_seconds=-1)):
        found = spectra.spectra(*model_of(random, random[:2]))
    assert not found.found
    reason = "no spectrum: it takes over -1 s; --limit spectral_seconds=N allows more"
    assert [tuple(skip) for skip in found.skipped] == [
        ("d0/kernel", reason),
        ("d1/kernel", reason),
    ]


def test_what_is_too_large_for_all_figures_is_told(monkeypatch):
    for module in (singular_values, spectra):
        monkeypatch.setattr(module, "GRAM_SIDE", 20)
    found = spectra.spectra(*model_of(np.random.default_rng(0).normal(size=(40, 30))))
    assert found.found["layers/d0/vars/0"].stable_rank > 1
    (skip,) = found.skipped
    assert skip.reason.startswith("only the norm and the stable rank of its spectrum")


def test_a_file_that_is_cut_short_meanwhile_is_told(tmp_path):
    model, moments, _ = model_of(np.ones((4, 3)))
    file = tmp_path / "weights"
    file.write_bytes(b"1234")
    stored = StoredTensor(file, 0, (4, 3), np.dtype(np.float32))
    found = spectra.spectra(model, moments, {"layers/d0/vars/0": stored})
    assert "cut short" in found.skipped[0].reason


@pytest.mark.parametrize("name", ["everything", "digits-cnn", "regularized-cnn"])
def test_each_kernel_of_a_model_has_one(name):
    report = regaudit.audit(MODELS / f"{name}.keras", Config.default(spectral=True))
    kernels = [w for _, w in report.model.weights() if w.units and len(w.shape) > 1]
    assert kernels
    assert set(report.spectra) == {weight.stored_path for weight in kernels}
    assert not report.skipped
    for weight in kernels:
        found, moments = report.spectra[weight.stored_path], report.moments[weight.stored_path]
        assert np.prod(found.shape) == weight.size
        norm = found.spectral_norm * np.sqrt(found.stable_rank)
        assert norm == pytest.approx(moments.l2_norm, rel=1e-9)


def test_figures_are_the_same_whatever_the_number_of_threads(monkeypatch):
    """To the digits that are printed; both the shared and the threaded way are taken."""
    random = np.random.default_rng(0)
    model = model_of(*(random.normal(size=shape) for shape in [(300, 90), (70, 200), (60, 40)]))
    monkeypatch.setattr(spectra, "LARGE_SIDE", 64)
    found = []
    monkeypatch.setattr(spectra, "processors", lambda: 2)
    for most in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", most)
        found.append(spectra.spectra(*model).found)
    one, two = found
    assert set(one) == set(two)
    for path, spectrum in one.items():
        for name in ("spectral_norm", "stable_rank", "effective_rank", "condition", "alpha"):
            expected = getattr(spectrum, name) or 0
            assert (getattr(two[path], name) or 0) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("sides", "processors", "expected"),
    [
        ([30, 20, 40], 4, [(4, 1)]),
        ([30, 100], 4, [(4, 1), (1, 4)]),
        ([100, 90], 16, [(2, 8)]),
        ([100, 90, 80], 3, [(2, 1)]),
        ([100, 90], 1, [(1, 1)]),
        ([], 4, []),
    ],
)
def test_processors_are_shared_by_the_size_of_the_matrices(
    sides, processors, expected, monkeypatch
):
    """Threads that each take a matrix, and threads of BLAS for each of these."""
    shared = []

    def at_once(_answer, jobs, threads, blas):
        if jobs:
            shared.append((threads, blas))
        return [(job, "not done") for job in jobs]

    monkeypatch.setattr(spectra, "LARGE_SIDE", 64)
    monkeypatch.setattr(spectra, "processors", lambda: processors)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(spectra, "_at_once", at_once)
    spectra.spectra(*model_of(*(np.ones((side, side)) for side in sides)))
    assert shared == expected


def test_no_one_pays_who_does_not_ask():
    report = regaudit.audit(MODELS / "digits-cnn.keras")
    assert report.spectra is None
    assert Config.default().limits == Limits()
    asked = Config.default(spectral=True).limits
    assert asked.memory_bytes > Limits().memory_bytes
    assert asked.wall_seconds > Limits().wall_seconds + asked.spectral_seconds
    assert asked.cpu_seconds > Limits().cpu_seconds + 2 * asked.spectral_seconds


# What is shown


def invoked(*arguments):
    result = run(*arguments, str(MODELS / "digits-cnn.keras"))
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("options", [[], ["--isolate"]])
def test_json_has_it_by_the_schema_where_it_is_asked_for(options):
    content = json.loads(invoked("inspect", "--format", "json", "--spectral", *options))
    Draft202012Validator(closed(SCHEMA)).validate(content)
    layers = content["reports"][0]["layers"]
    weights = {weight["path"]: weight for layer in layers for weight in layer["weights"]}
    assert weights["hidden/bias"]["spectrum"] is None
    kernel = weights["hidden/kernel"]["spectrum"]
    assert kernel["shape"] == [384, 288]
    assert kernel["spectral_norm"] ** 2 * kernel["stable_rank"] == pytest.approx(
        weights["hidden/kernel"]["l2_norm"] ** 2
    )
    assert "spectrum" not in json.dumps(json.loads(invoked("inspect", "--format", "json")))


def test_csv_has_it_in_columns_of_its_own():
    plain = list(csv.DictReader(io.StringIO(invoked("inspect", "--format", "csv"))))
    asked = list(csv.DictReader(io.StringIO(invoked("inspect", "--format", "csv", "--spectral"))))
    figures = set(asked[0]) - set(plain[0])
    assert {"spectral_norm", "stable_rank", "effective_rank", "condition", "alpha"} <= figures
    for row, before in zip(asked, plain, strict=True):
        assert before.items() <= row.items()
        assert bool(row["stable_rank"]) == (row["role"] == "kernel")


def test_the_terminal_has_a_table_that_fits():
    text = invoked("inspect", "--spectral")
    assert max(map(len, text.splitlines())) <= 80
    assert "hidden/kernel  384x288" in text
    assert "Spectra" not in invoked("inspect")
    assert "Spectra" not in invoked("inspect", "--spectral", "--layer", "flatten")


def test_long_paths_leave_out_the_matrix_and_then_are_shortened():
    found = Spectrum((25_088, 4_096), 1.839e-05, 1e-12, 2082.0, 4008.0, None, 50_000.0, 15.93, 292)
    for name, fits in (("block5_conv3", True), ("encoder/" * 9 + "dense", False)):
        report = audited(dense(name))
        report = replace(report, spectra={f"layers/{name}/vars/0": found})
        text = renderer("terminal").render([report], [], View())
        table = text[text.index("weight  ") :].splitlines()[:3]
        assert max(map(len, table)) <= 80
        assert "25088x4096" not in table[2]
        assert (f"{name}/kernel" in table[2]) == fits
        wide = renderer("terminal").render([report], [], View(wide=True))
        assert f"{name}/kernel  25088x4096" in wide


def test_a_condition_that_is_not_told_is_a_bound():
    found = Spectrum((60, 50), 54.77, 1e-12, 1.0, 1.0, None, 50_000.0)
    report = audited(dense("flat"))
    report = replace(report, spectra={"layers/flat/vars/0": found})
    for format_ in ("terminal", "markdown", "html"):
        assert "over 50,000" in renderer(format_).render([report], [], View())


def test_markdown_and_the_page_have_a_table(tmp_path):
    assert "| hidden/kernel | 384x288" in invoked("inspect", "--format", "markdown", "--spectral")
    page = tmp_path / "out.html"
    invoked("report", "--html", str(page), "--spectral")
    text = page.read_text("utf-8")
    assert "Spectra of the kernels" in Page(text).words
    assert {"#m1w1", "#m1w3"} <= set(Page(text).attributes("href"))
    invoked("report", "--html", str(page))
    assert "Spectra of the kernels" not in page.read_text("utf-8")
