"""What the README and the documentation show is so: commands, programs, settings, workflows."""

import re
import sys
from contextlib import nullcontext
from types import ModuleType

import pytest
from doc_pages import FOLLOWED_BY, need_of, pages
from doc_reader import follow
from paths import ROOT

from regaudit.errors import UsageError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Return a working directory; what a page puts into the environment ends with the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    monkeypatch.setitem(sys.modules, "mlflow", Tracking("mlflow"))
    return tmp_path


@pytest.mark.parametrize("page", pages(""))
def test_a_page_can_be_followed(page, here):
    follow(page, here)


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("page", pages("keras"))
@pytest.mark.usefixtures("keras_in_this_process")
def test_a_page_with_keras_can_be_followed(page, here):
    follow(page, here)


def test_every_page_is_followed():
    assert {need_of(page) for page in pages()} <= FOLLOWED_BY.keys()
    for need, file in FOLLOWED_BY.items():
        assert f'pages("{need}")' in (ROOT / file).read_text("utf-8")


class Tracking(ModuleType):
    """What MLflow is to a program that logs numbers: it takes no metric that is no number."""

    def __init__(self, name):
        super().__init__(name)
        self.tags, self.metrics = {}, {}

    def start_run(self):
        return nullcontext()

    def set_tag(self, key, value):
        self.tags[key] = value

    def log_metric(self, key, value):
        assert re.fullmatch(r"[\w/. -]+", key)
        self.metrics[key] = float(value)


@pytest.mark.parametrize(
    "page",
    [
        "```\nwithout a language\n```",
        "```js\n1\n```",
        "~~~console\n$ regaudit --version\n~~~",
        "```console\n$ echo printed\nshown\n```",
        "```console\n$ regaudit explain REG000\n```",
        "```bash\nregaudit check missing.keras\n```",
        "```bash\npip install 'regaudit[nothing]'\n```",
        "```yaml\n- run: regaudit check --nonsense\n```",
        "```yaml\n- uses: OWNER/regaudit@v1\n  with:\n    nonsense: true\n```",
        "```toml\n[tool.regaudit]\nnonsense = 1\n```",
        "```python\nassert False\n```",
        "```python\ndef test_it():\n    assert False\n```",
        "<!-- file: never_run.py -->\n```python\nassert True\n```",
        "```python\nprint(1)\n```\n```text\n2\n```",
    ],
)
def test_what_is_not_so_is_an_error(page, here):
    (here / "page.md").write_text(page, encoding="utf-8")
    with pytest.raises((AssertionError, UsageError)):
        follow(str(here / "page.md"), here)
