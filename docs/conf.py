"""How Sphinx builds the site: sphinx-build -W -b html docs build/docs."""

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

import hingemetrics

project = "hingemetrics"
release = version = hingemetrics.__version__

extensions = [
    "myst_parser",
    "numpydoc",  # not napoleon: its footnotes are lost inside a Markdown page
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # MathJax within the site: formulas need no network
]
myst_heading_anchors = 3
default_role = "py:obj"  # single backquotes in a docstring name something of Python
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
numpydoc_show_class_members = False  # autodoc shows them

html_theme = "furo"
html_title = f"hingemetrics {release}"
html_show_copyright = False
html_show_sourcelink = False


def setup(app: Sphinx) -> None:
    """Register what is special about this site."""
    app.connect("doctree-read", _number_citations)


def _number_citations(app: Sphinx, doctree: nodes.document) -> None:
    """Show numpydoc's unique labels, as [R42d8-1], as [1]: in Markdown it does not itself."""
    for reference in doctree.findall(addnodes.pending_xref):
        if reference["refdomain"] == "citation":
            number = reference.astext().rpartition("-")[2]
            reference.replace(reference[0], nodes.inline("", f"[{number}"))
