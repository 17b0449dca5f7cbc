"""Settings of the documentation: `make docs`."""

import sys
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

import skgnnrec

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "skgnnrec"
author = "The skgnnrec developers"
copyright = author  # Sphinx reads this name
release = version = skgnnrec.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
    "sphinx_design",
    "mathml",
    "names",
    "pictures",
]
exclude_patterns = ["_build", "README.md", "deployment"]
templates_path = ["_templates"]
default_role = "py:obj"  # names in single backticks are code, and links if they have a page
suppress_warnings = [
    # Docstrings inherited from scikit-learn refer to pages and terms of its own documentation.
    "ref.ref",
    "ref.term",
    "config.cache",  # the settings of sphinx-gallery contain functions
]

autosummary_generate = True
autodoc_default_options = {"members": True, "inherited-members": "BaseEstimator"}
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"  # the types are part of the docstrings
numpydoc_show_class_members = False

myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath", "colon_fence"]

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"[\\/](scenarios|techniques)[\\/]",  # the others need servers, or have a command of their own
    "within_subsection_order": "ExampleTitleSortKey",
    "backreferences_dir": "api/backreferences",
    "doc_module": ("skgnnrec",),
    "default_thumb_file": str(Path(__file__).parent / "_static" / "logo.png"),
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,  # a table that needs scripts from the network
    "plot_gallery": "True",
}

html_theme = "pydata_sphinx_theme"
html_title = f"skgnnrec {version}"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.png"
html_context = {"default_mode": "auto"}
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "skgnnrec"},
    "navbar_start": ["navbar-logo", "navbar-version"],
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "navigation_depth": 3,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
WITHOUT_PAGES_BELOW = ("index", "get_started", "how_it_works", "coming_from", "faq", "contributing", "changelog")
html_sidebars = {page: [] for page in WITHOUT_PAGES_BELOW}


def remove_mail_links(app: Sphinx, document: nodes.document) -> None:
    """Replace links to mail addresses by their text: docutils takes names such as NDCG@10 for addresses."""
    for link in list(document.findall(nodes.reference)):
        if link.get("refuri", "").startswith("mailto:"):
            link.replace_self(link.children)


def remove_list_role(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Remove the role of lists of references: their entries have no role of items, so that readers count no items."""
    context["body"] = context.get("body", "").replace('<div role="list" class="citation-list">', "<div>")


def setup(app: Sphinx) -> None:
    """Register the changes of pages."""
    app.connect("doctree-read", remove_mail_links)
    app.connect("html-page-context", remove_list_role)
