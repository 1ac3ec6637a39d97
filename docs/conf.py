"""How Sphinx makes the documentation: `sphinx-build -W --keep-going -n docs docs/_build`."""

import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from generated import rule_pages  # noqa: E402 - it lies beside this file

from regaudit.version import VERSION  # noqa: E402

project = "regaudit"
author = "the authors of regaudit"
project_copyright = author
version = release = VERSION

extensions = ["myst_parser", "sphinx_copybutton"]
exclude_patterns = ["_build", "changes", "generated"]
nitpicky = True

myst_heading_anchors = 3
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]

html_theme = "furo"
html_title = "regaudit"
html_show_copyright = False

copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True  # of a session, the commands; of a program, all


def setup(app: Sphinx) -> dict[str, Any]:
    """Make the pages that are not written by hand before Sphinx looks for its sources."""
    app.connect("builder-inited", lambda _: rule_pages.write(HERE / "rules"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
