"""Names in backticks link to their pages in the API reference."""

import re

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import make_refnode
from sphinx.util.typing import ExtensionMetadata

KINDS = ("class", "function", "exception")
PARAMETERS = {"novelty"}  # names of functions that are mostly names of parameters in the text


def public_names(env: BuildEnvironment) -> dict[str, tuple[str, str, str]]:
    """Return the page, the anchor and the full name of each class and function, by all ends of its name."""
    found: dict[str, tuple[str, str, str]] = {}
    for name, _, kind, page, anchor, _ in sorted(
        env.domains["py"].get_objects(), key=lambda entry: entry[0].count(".")
    ):
        parts = name.split(".")
        if kind in KINDS and parts[0] == "skgnnrec":
            for start in range(len(parts)):
                found.setdefault(".".join(parts[start:]), (page, anchor, name))
    return found


class LinkNames(SphinxPostTransform):
    """Replace a literal such as `RidgeRecommender` or `save` by a link, unless it is a link or in a heading."""

    default_priority = 20

    def run(self, **_: object) -> None:
        """Change the literals of a page."""
        names = public_names(self.env)
        for literal in list(self.document.findall(nodes.literal)):
            inside = literal.parent
            while inside is not None and not isinstance(inside, (nodes.reference, pending_xref, nodes.title)):
                inside = inside.parent
            name = re.sub(r"\(\)$", "", literal.astext())
            if inside is None and name in names.keys() - PARAMETERS and names[name][0] != self.env.docname:
                page, anchor, full = names[name]
                copy = literal.deepcopy()
                literal.replace_self(make_refnode(self.app.builder, self.env.docname, page, anchor, copy, full))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the transform."""
    app.add_post_transform(LinkNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
