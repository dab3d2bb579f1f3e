"""The directive ``theories-table``: every theory in the registry, with what it predicts, where, and after whom."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from gnomon.theory import Theory, theories

_MARKUP, _ESCAPED = re.compile(r"([|*_$<\\`])"), r"\\\1"
_OWN = "gnomon.theory."


def setup(app: Sphinx) -> dict[str, Any]:
    """Offer the directive ``theories-table``."""
    app.add_directive("theories-table", Table)
    return {"parallel_read_safe": True}


class Table(SphinxDirective):
    """A row a theory of gnomon's own; its name links to the page called as its module or its start."""

    def run(self) -> list[nodes.Node]:
        """See `SphinxDirective.run`."""
        pages = {page.stem for page in Path(self.env.doc2path(self.env.docname)).parent.glob("*.md")}
        place = nodes.container()
        self.state.nested_parse(StringList(list(lines(pages)), "theories"), self.content_offset, place)
        return place.children


def lines(pages: set[str]) -> Iterator[str]:
    """The table in Markdown. ``pages`` are the names of the pages that there are."""
    yield from ("| theory | predicts | domain | source |", "| --- | --- | --- | --- |")
    for kind in theories().values():
        if kind.__module__.startswith(_OWN):
            cells = (kind.title, kind.domain, kind.source)
            title, domain, source = (_MARKUP.sub(_ESCAPED, " ".join(cell.split())) for cell in cells)
            yield f"| {_name(kind, pages)}<br>{title} | {_predicted(kind)} | {domain} | {source} |"


def _name(kind: type[Theory], pages: set[str]) -> str:
    module = kind.__module__.removeprefix(_OWN)
    page = max((page for page in pages if f"{module}_".startswith(f"{page}_")), key=len, default="")
    return f"[`{kind.name}`]({page}.md)" if page else f"`{kind.name}`"


def _predicted(kind: type[Theory]) -> str:
    unit = "" if str(kind.predicts.unit) == "1" else f", in {kind.predicts.unit}"
    symbol = kind.predicts.symbol.replace("|", r"\|")
    return f"{{math}}`{symbol}`, {kind.predicts.name.replace('_', ' ')}{unit}"
