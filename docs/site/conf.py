"""Sphinx's settings for `./dev docs`, which calls it with the repository's root as the folder of sources: guides are
built from the Markdown files as they lie, so that their links are the ones that a reader of the repository follows."""

import html
import importlib
import pathlib
import re
import sys

from sphinx.errors import SphinxError
from sphinx.util import logging

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

project = "clconv"
version = release = re.search(r"project\(clconv VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
copyright = "clconv's authors, Apache-2.0"

root_doc = "docs/site/index"
include_patterns = ["README.md", "CONTRIBUTING.md", "docs/*.md", "docs/site/*.md"]
exclude_patterns = ["build*"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

# Headings have the anchors that GitHub gives them; a link to one that is not there is a warning, thus an error.
myst_heading_anchors = 4
nitpicky = True
# Names in signatures that are no documented objects.
nitpick_ignore_regex = [("py:.*", r"(?!clconv\.).*"), ("py:.*", r"clconv\._.*")]

# Docstrings are read from the sources. The extension is not built for it, PyTorch not needed.
autodoc_mock_imports = ["clconv._core", "torch"]
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "undoc-members": True}
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"clconv {release}"
html_extra_path = ["index.html"]  # at the top: leads to root_doc
html_show_sphinx = False
html_copy_source = False


# What Sphinx does not look for by itself. A warning fails `./dev docs`.

_log = logging.getLogger(__name__)


def _has_docstring(app, what, name, obj, options, lines):
    """Attributes may go without."""
    if what in ("module", "class", "exception", "function", "method", "property") and not any(lines):
        _log.warning("%s has no docstring", name)


def _is_complete(app, environment):
    """Every public name of the package stands on the page of its API."""
    known = {name for name, *_ in environment.domains["py"].get_objects()}
    public = importlib.import_module("clconv").__all__
    if len(public) < 30:
        _log.warning("clconv.__all__ was not read")
    for name in public:
        if f"clconv.{name}" not in known:
            _log.warning("clconv.%s is missing in docs/site/python_api.md", name)


def _links_lead_somewhere(app, exception):
    """Links in HTML, such as those to the C reference, which Doxygen has written before."""
    if exception is not None:
        return
    page = pathlib.Path(app.outdir) / (root_doc + ".html")
    links = [html.unescape(l) for l in re.findall(r'<a [^>]*href="([^"#]+)', page.read_text()) if "://" not in l]
    dead = [link for link in links if not (page.parent / link).exists()]
    if dead or not any("/c/" in link for link in links):
        raise SphinxError(f"{page}: there is no {', '.join(dead) or 'link to the C reference'}")


def setup(app):
    app.connect("autodoc-process-docstring", _has_docstring)
    app.connect("env-updated", _is_complete)
    app.connect("build-finished", _links_lead_somewhere)
