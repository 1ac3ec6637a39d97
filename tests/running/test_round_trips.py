"""A report is the same whatever way it comes: of this process, workers, Dask, cache, results."""

import json
import os

import msgspec
import pytest
from msgspec.structs import fields, replace
from paths import FIXTURES

import regaudit
from regaudit.renderers.interface import renderer
from regaudit.report.document import record
from regaudit.report.read_results import read_results
from regaudit.report.view import View
from regaudit.rules.interface import rules
from regaudit.running import dask_cluster
from regaudit.running.model_search import find_models
from regaudit.running.report_cache import Cache
from regaudit.running.shares import Split
from regaudit.settings.baseline import Baseline
from regaudit.settings.config import Config, read_config

CONFINED = {"hdf5-heap-loop.h5", "hdf5-crash.keras", "zip-lzma-dictionary.keras"}
"""What limits on a process end, which this one does not have."""
SLOW = {"legacy-endless-layers.h5", "json-many-layers.keras"}
MODELS = sorted(map(str, (FIXTURES / "models").glob("*.keras")))
RULES = sorted(map(str, (FIXTURES / "rules").glob("*/*")))
HOSTILE = [
    file
    for path in sorted((FIXTURES / "hostile").iterdir())
    if path.name not in CONFINED | SLOW | {"expected.json"}
    for file in find_models(str(path))
]
CORPUS = [
    str(path)
    for path in sorted((FIXTURES / "corpus").glob("*/*"))
    if path.suffix in {".keras", ".h5", ".savedmodel"} or path.name.endswith(".weights.json")
][::11]
SOME = 6
"""Every which file takes the way over Dask, which costs more."""
FILES = [*RULES, *HOSTILE, *CORPUS]
OVERRIDES = """
[rules.REG301]
severity = "note"
[[override]]
model = "*good*"
train-loss = 0.2
[[override]]
layer = "*dense*"
rules.REG101.severity = "warning"
"""


def ignoring(which, expires):
    """Settings that ignore some of the rules."""
    return "".join(
        f'[[ignore]]\ncode = "{rule.about.code}"\nreason = "fine"\n{expires}\n'
        for number, rule in enumerate(rules())
        if which(number)
    )


def settings(folder):
    """Yield the settings under which reports are made, by name."""
    file = folder / "regaudit.toml"

    def written(text):
        file.write_text(text, "utf-8")
        return read_config(file)

    strict = Config.default(preset="strict", train_loss=0.1, val_loss=0.5)
    yield "detailed", replace(strict, detailed=True)
    held = written(ignoring(lambda number: number % 2, "expires = 9999-12-31"))
    yield "spectra, ignores", held.with_spectra()
    late = written(ignoring(lambda number: not number % 2, "expires = 2020-01-31") + OVERRIDES)
    yield "unread, expired ignores, overrides", replace(late, weights=False)
    found = [regaudit.audit(file) for file in (*MODELS, *RULES[::2])]
    accepted = Baseline(folder / "baseline.json").written(found)
    yield "baseline", replace(written(OVERRIDES), baseline=accepted)


NAMES = ("detailed", "spectra, ignores", "unread, expired ignores, overrides", "baseline")


class Audited:
    """Reports of this process, by settings; each file under one of them, models under all."""

    def __init__(self, folder):
        self.configs = dict(settings(folder))
        self.known = {}

    def __call__(self, name):
        files = [*MODELS, *FILES[NAMES.index(name) :: len(NAMES)]]
        if name not in self.known:
            config = self.configs[name]
            self.known[name] = [regaudit.audit(file, config) for file in files]
        return files, self.configs[name], self.known[name]


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    return Audited(tmp_path_factory.mktemp("settings"))


@pytest.fixture(scope="module")
def dask():
    distributed = pytest.importorskip("distributed")
    dask_config = pytest.importorskip("dask.config")
    options = {"threads_per_worker": 1, "memory_limit": 0, "dashboard_address": "127.0.0.1:0"}
    # Dask holds libraries to one thread, which rounds some spectra otherwise.
    as_here = {"distributed.nanny.pre-spawn-environ": {}}
    with (
        dask_config.set(as_here),
        distributed.LocalCluster(n_workers=1, silence_logs=50, **options) as made,
    ):
        yield made.scheduler_address


def same(found, expected):
    """Equal, the types of all values too, and a NaN to a NaN; spectra but for rounding.

    The library that takes singular values rounds their last bits by how many threads it has.
    """
    for one, other in zip(found, expected, strict=True):
        assert repr(replace(one, spectra=None)) == repr(replace(other, spectra=None))
        assert (one.spectra is None) == (other.spectra is None)
        assert list(one.spectra or ()) == list(other.spectra or ())
        for mine, theirs in zip(spectra(one), spectra(other), strict=True):
            for value, expected_value in zip(mine, theirs, strict=True):
                assert type(value) is type(expected_value)
                if isinstance(value, float):
                    assert value == pytest.approx(expected_value, rel=1e-9, abs=1e-12, nan_ok=True)
                else:
                    assert value == expected_value


def spectra(report):
    """Return the fields of the spectra, one list each."""
    return [
        [getattr(spectrum, field.name) for field in fields(spectrum)]
        for spectrum in (report.spectra or {}).values()
    ]


@pytest.mark.parametrize("name", NAMES)
def test_workers(audited, name):
    files, config, expected = audited(name)
    same(regaudit.audit_files(files[::2], config, isolate=True), expected[::2])


@pytest.mark.parametrize("name", NAMES)
def test_a_cache(audited, name, tmp_path):
    files, config, expected = audited(name)
    cache = Cache(tmp_path / "cache", config)
    for file, report in zip(files, expected, strict=True):
        same([cache.through(file, lambda report=report: report)] * 2, [report] * 2)
        same([cache.through(file, lambda report=report: report)], [report])
    assert cache.hits >= len(MODELS)
    assert not cache.trouble


@pytest.mark.filterwarnings("ignore")  # Dask's own
@pytest.mark.skipif(os.name == "nt", reason="slow to start")
@pytest.mark.parametrize("name", NAMES)
def test_dask(audited, name, dask, monkeypatch):
    """Some in shares, as very large files are."""
    monkeypatch.setattr(dask_cluster, "SPLIT", Split(above=50_000, share=20_000))
    files, config, expected = audited(name)
    same(regaudit.audit_files(files[::SOME], config, dask=dask), expected[::SOME])


HUGE = ("strength-huge-integer.keras", "json-huge-optimizer.keras")
"""Files with whole numbers of which a record says null: few readers of JSON take them."""


def kept(report):
    """Return what of a report its record keeps, as plain data: NaN and infinities are null."""
    model = report.model and replace(
        report.model,
        layers=tuple(map(kept_layer, report.model.layers)),
        loss_weights=None,
        nodes=(),
        outputs=(),
    )
    known = replace(
        report,
        model=model,
        moments={
            path: replace(moments, threshold=0.0, dead=b"", histogram=None, unit_norms=())
            for path, moments in report.moments.items()
        },
        findings=tuple(
            replace(finding, items=tuple(replace(item, rank=0.0) for item in finding.items))
            for finding in report.findings
        ),
        suppressed=tuple(
            replace(one, item=replace(one.item, rank=0.0), ignore=kept_ignore(one.ignore))
            for one in report.suppressed
        ),
        sha256=None,
        spectra=report.spectra or None,  # {} where there is no weight
    )
    return msgspec.json.decode(msgspec.json.encode(known))


def kept_layer(layer):
    weights = [
        replace(weight, regularizer_key=None, units=None, loads_from=None)
        for weight in layer.weights
    ]
    return replace(layer, config={}, known=True, weights=tuple(weights), node="")


def kept_ignore(ignore):
    return ignore and replace(ignore, model="*", layer="*", expires=None)


@pytest.mark.parametrize("name", NAMES)
def test_results(audited, name, tmp_path):
    """As far as the schema "regaudit/1" goes, and as far as every format shows it."""
    _, _, expected = audited(name)
    file = tmp_path / "results.jsonl"
    file.write_text(renderer("jsonl").render(expected, [], View()), "utf-8")
    found = list(read_results(file))
    for one, other in zip(found, expected, strict=True):
        assert json.dumps(record(one)) == json.dumps(record(other))
        if not other.file.endswith(HUGE):
            assert kept(one) == kept(other), other.file
    # Formats for people also show a strength that is not finite, of which a record says null.
    pairs = [pair for pair in zip(found, expected, strict=True) if is_finite(pair[1])]
    for format_ in ("csv", "github", "jsonl", "junit", "markdown", "sarif", "terminal"):
        texts = [
            renderer(format_).render(reports, [], View()) for reports in zip(*pairs, strict=True)
        ]
        assert texts[0] == texts[1], format_


def is_finite(report):
    plain = msgspec.to_builtins(report)
    return "nan" not in repr(plain) and "inf" not in repr(plain)
