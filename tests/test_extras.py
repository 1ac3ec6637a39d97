"""What messages say to install is what the package names, however regaudit was installed."""

import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError

import pytest
from paths import ROOT

from regaudit import extras
from regaudit.extras import pip_install

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


@pytest.fixture(autouse=True)
def afresh():
    extras._packages.cache_clear()
    yield
    extras._packages.cache_clear()


@pytest.mark.parametrize("extra", sorted({*EXTRAS} - {"dev"}))
def test_a_checkout_that_is_not_installed(extra, monkeypatch):
    def none(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.requires", none)
    assert pip_install(extra) == "pip install " + " ".join(f"'{one}'" for one in EXTRAS[extra])


@pytest.mark.parametrize("quote", ["'", '"'])
def test_an_installed_one_says_what_its_metadata_say(quote, monkeypatch):
    listed = [
        "click>=8.2",
        f"distributed>=2030; extra == {quote}dask{quote}",
        f"other; sys_platform == 'linux' and extra == {quote}dask{quote}",
        f"s3fs[more]; extra == {quote}stores{quote}",
    ]
    monkeypatch.setattr("importlib.metadata.requires", lambda _: listed)
    assert pip_install("dask") == "pip install 'distributed>=2030' other"
    assert pip_install("stores") == "pip install 's3fs[more]'"


def test_a_command_in_a_bare_python_says_it(tmp_path):
    """Of a checkout in PYTHONPATH."""
    hide = "import sys; sys.modules['pyarrow'] = None; sys.path.insert(0, sys.argv.pop(1))\n"
    program = f"{hide}from regaudit.cli import main; main()"
    model = ROOT / "fixtures" / "models" / "tutorial-l2.keras"
    command = [sys.executable, "-c", program, str(ROOT), "report", str(model)]
    command += ["--output", f"parquet:{tmp_path / 'out.parquet'}"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert f"pip install '{EXTRAS['parquet'][0]}'" in ended.stderr
