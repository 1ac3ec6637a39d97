"""How Sphinx makes the documentation: `sphinx-build -W --keep-going -n docs docs/_build`."""

import sys
from pathlib import Path
from typing import Any, get_type_hints

from docutils.nodes import Element
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.napoleon import GoogleDocstring

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # before the imports below, which E402 would have in front

from generated import commands, public_models, rule_pages, schema, settings  # noqa: E402

import regaudit  # noqa: E402
from regaudit.settings import baseline, config  # noqa: E402
from regaudit.sweeping import outcome  # noqa: E402
from regaudit.version import VERSION  # noqa: E402

# Names that these modules import for type checkers alone, and autodoc looks for.
config.Baseline = baseline.Baseline  # type: ignore[attr-defined]
outcome.Path = Path  # type: ignore[attr-defined]

project = "regaudit"
author = "the authors of regaudit"
project_copyright = author
version = release = VERSION

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["_build", "changes", "generated"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!regaudit\b).*")]  # names of Python, Keras and NumPy
toc_object_entries = (
    False  # each of hundreds of names in the contents of every page takes half of the build
)
smartquotes = False  # -- is the beginning of an option
default_role = "code"  # docstrings have one backtick on either side of code

myst_heading_anchors = 3
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]

autodoc_default_options = {"members": True, "undoc-members": True, "member-order": "bysource"}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
python_use_unqualified_type_names = True
autodoc_preserve_defaults = True

html_theme = "furo"
html_title = "regaudit"
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["regaudit.css"]
html_js_files = ["regaudit.js"]

copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True  # of a session, the commands; of a program, all


def setup(app: Sphinx) -> dict[str, Any]:
    """Make the pages that are not written by hand before Sphinx looks for its sources."""
    app.connect("builder-inited", _generate)
    app.connect("autodoc-process-docstring", _sections)
    app.connect("missing-reference", _public_name)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _generate(_app: Sphinx) -> None:
    rule_pages.write(HERE / "rules")
    commands.write(HERE / "reference" / "commands")
    settings.write(HERE / "reference")
    schema.write(HERE / "reference")
    public_models.write(HERE / "explanation")
    # From here on facts show their types, and no longer what they are checked for.
    regaudit.Facts.__annotations__ = get_type_hints(regaudit.Facts)


def _sections(
    _app: Sphinx, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]
) -> None:
    """Read `Args:`, `Returns:` and `Raises:`; Napoleon itself takes "Weights: ..." for a type."""
    lines[:] = GoogleDocstring(lines, what="method").lines()


def _public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: Element
) -> Element | None:
    """Find `regaudit.report.report.Report` where it is documented, as `regaudit.Report`."""
    name = str(node.get("reftarget", "")).rpartition(".")[2]
    if node.get("refdomain") != "py" or name not in regaudit.__all__:
        return None
    target = f"regaudit.{name}"
    return env.domains.python_domain.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], target, node, content
    )
