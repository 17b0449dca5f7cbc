"""Settings of the documentation: `make docs`."""

import skgnnrec

project = "skgnnrec"
author = "The skgnnrec developers"
copyright = author  # the name that Sphinx reads
release = version = skgnnrec.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.mathjax", "numpydoc"]
exclude_patterns = ["_build", "README.md"]
autosummary_generate = True
autodoc_default_options = {"members": True, "inherited-members": "BaseEstimator"}
numpydoc_show_class_members = False
autodoc_typehints = "none"  # the docstrings say it in words; spelled out, "array-like" fills the page
default_role = "py:obj"  # names in single backticks are code, and links where there is a page
html_theme = "alabaster"
html_theme_options = {"description": "Recommenders that read."}
# Docstrings that scikit-learn's base classes hand down refer to pages and terms of its own documentation.
suppress_warnings = ["ref.ref", "ref.term"]
