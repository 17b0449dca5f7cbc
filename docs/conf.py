"""Settings of the documentation: `make docs`."""

from docutils import nodes
from sphinx.application import Sphinx

import skgnnrec

project = "skgnnrec"
author = "The skgnnrec developers"
copyright = author  # Sphinx reads this name
release = version = skgnnrec.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.mathjax", "numpydoc"]
exclude_patterns = ["_build", "README.md"]
autosummary_generate = True
autodoc_default_options = {"members": True, "inherited-members": "BaseEstimator"}
numpydoc_show_class_members = False
autodoc_typehints = "none"  # the types are part of the docstrings
default_role = "py:obj"  # names in single backticks are code, and links if they have a page
myst_heading_anchors = 3
html_theme = "alabaster"
html_theme_options = {
    "description": "Recommender systems with item texts",
    "page_width": "1340px",  # the default of 940px is too narrow for code of 120 characters
    "body_max_width": "none",
}
html_static_path = ["_static"]
html_css_files = ["code.css"]
# Docstrings inherited from scikit-learn refer to pages and terms of its own documentation.
suppress_warnings = ["ref.ref", "ref.term"]


def remove_mail_links(app: Sphinx, document: nodes.document) -> None:
    """Replace links to mail addresses by their text: docutils takes names such as NDCG@10 for addresses."""
    for link in list(document.findall(nodes.reference)):
        if link.get("refuri", "").startswith("mailto:"):
            link.replace_self(link.children)


def setup(app: Sphinx) -> None:
    """Register the function that removes mail links."""
    app.connect("doctree-read", remove_mail_links)
