"""Formulas as MathML, which browsers draw themselves: no script, no font and no network is needed."""

import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)


def convert(tex: str, node: nodes.Element, as_block: bool) -> str:
    """Return a formula as MathML, or its source in a warning."""
    for bracket, side in {r"[(\[]": "l", r"[)\]]": "r"}.items():  # docutils knows \Bigl( and \Bigr), but not \Big(
        tex = re.sub(rf"\\(b|B)ig(g?)(?={bracket})", rf"\\\1ig\2{side}", tex)
    try:
        return tex2mathml(tex, as_block=as_block)
    except (MathError, SyntaxError) as error:
        logger.warning("The formula %r has no MathML: %s", tex, error, location=node)
        return ""


def visit_inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Write a formula inside a sentence."""
    translator.body.append(convert(node.astext(), node, as_block=False))
    raise nodes.SkipNode


def visit_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on its own, which can be scrolled where it is wider than the page."""
    formula = convert(node.astext(), node, as_block=True)
    translator.body.append(f'<div class="formula" tabindex="0" role="group" aria-label="formula">{formula}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the renderer, to be chosen by `html_math_renderer = "mathml"`."""
    app.add_html_math_renderer("mathml", inline_renderers=(visit_inline, None), block_renderers=(visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
