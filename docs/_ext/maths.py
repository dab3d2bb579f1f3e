"""Formulas as MathML, by the same reader as the reports: pages need no script and no network to show them."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

from gnomon.report.mathml import mathml

_log = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict[str, Any]:
    """Offer the renderer ``mathml``, to be chosen in ``html_math_renderer``."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    return {"parallel_read_safe": True}


def _inline(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(_typeset(node, display=False))
    raise nodes.SkipNode


def _block(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(f'<div style="overflow: auto hidden">{_typeset(node, display=True)}</div>\n')
    raise nodes.SkipNode


def _typeset(node: nodes.Element, *, display: bool) -> str:
    found = str(mathml(node.astext(), display=display))
    if found.startswith("<code"):
        _log.warning("cannot typeset %r", node.astext(), location=node)
    return found
