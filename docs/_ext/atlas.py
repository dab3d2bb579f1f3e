"""The atlas: one page a family of estimators, with an entry for each quantity, made from the catalogue."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from gnomon.estimators import Estimator, estimators
from gnomon.measurement import Quantity
from gnomon.report.numbers import superscripts

_OWN = "gnomon.estimators."
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>$|#])")


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before Sphinx looks for its sources."""
    app.connect("builder-inited", lambda app: write(Path(app.srcdir) / "atlas"))
    return {"parallel_read_safe": True}


def write(folder: Path) -> None:
    """Write the pages of all of gnomon's own families to ``folder``; pages of families that are gone are removed."""
    families: dict[str, list[type[Estimator]]] = {}
    for estimator in estimators().values():
        if estimator.__module__.startswith(_OWN):
            families.setdefault(estimator.__module__.removeprefix(_OWN).split(".")[0], []).append(estimator)
    families = dict(sorted(families.items()))
    pages = {"index.md": _index(families)}
    pages |= {f"{family}.md": _family(family, members) for family, members in families.items()}
    folder.mkdir(exist_ok=True)
    for stale in set(folder.glob("*.md")) - {folder / name for name in pages}:
        stale.unlink()
    for name, text in pages.items():
        page = folder / name
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def _quantities(members: list[type[Estimator]]) -> dict[str, Quantity]:
    return dict(sorted((q.name, q) for e in members for q in e.quantities))


def _index(families: dict[str, list[type[Estimator]]]) -> str:
    total = sum(len(_quantities(members)) for members in families.values())
    lines = [
        "# Atlas of quantities",
        "",
        f"Everything that gnomon measures: {total} quantities. This page is made from the catalogue that",
        "`gnomon quantities` prints, so it cannot differ from the code.",
        "",
        "```{toctree}",
        ":hidden:",
        *families,
        "```",
    ]
    for family, members in families.items():
        lines += ["", f"## {family}", "", inspect.cleandoc(_docstring_of_family(family)).split("\n")[0], ""]
        for quantity in _quantities(members).values():
            lines.append(f"- [{quantity.name}](#{_anchor(quantity)}): {{math}}`{quantity.symbol}`, {_unit(quantity)}")
    return "\n".join(lines) + "\n"


def _family(family: str, members: list[type[Estimator]]) -> str:
    lines = [f"# {family}", "", _docstring_of_family(family)]
    for quantity in _quantities(members).values():
        lines += ["", *_entry(quantity, [e for e in members if quantity in e.quantities])]
    lines += ["", "## Estimators", ""]
    for estimator in members:
        target = f"{estimator.__module__}.{estimator.__qualname__}"
        lines += ["```{eval-rst}", f".. autoclass:: {target}", "   :no-members:", "```", ""]
    return "\n".join(lines)


def _entry(quantity: Quantity, measured_by: list[type[Estimator]]) -> Iterator[str]:
    yield f"({_anchor(quantity)})="
    yield f"## {quantity.name}"
    yield ""
    yield f"{{math}}`{quantity.symbol}`, {_unit(quantity)}, {_place(quantity)}."
    yield ""
    yield from ("```{math}", quantity.definition, "```", "")
    if quantity.convention:
        yield from ("Convention", f": {_text(quantity.convention)}", "")
    yield from ("Source", f": {_text(quantity.source)}", "")
    if quantity.invariances:
        yield from ("Unchanged by", f": {_text(', '.join(quantity.invariances).replace('_', ' '))}", "")
    if (quantity.lowest, quantity.highest) != (float("-inf"), float("inf")):
        yield from ("Range", f": {quantity.lowest:g} to {quantity.highest:g}".replace("inf", "∞"), "")
    yield "Measured by"
    for estimator in measured_by:
        target = f"{estimator.__module__}.{estimator.__qualname__}"
        yield f": {{py:class}}`{estimator.name} <{target}>`{_certified(estimator, quantity)}"
    yield ""


def _certified(estimator: type[Estimator], quantity: Quantity) -> str:
    known = [a.name for a in estimator.known_answers() if a.quantity == quantity.name]
    return f"; known answers: {_text('; '.join(known))}" if known else ""


def _place(quantity: Quantity) -> str:
    where = f"one a {' and '.join(d.replace('_', ' ') for d in quantity.dims)}" if quantity.dims else "one a subject"
    return f"{where}; axes {', '.join(quantity.axes)}" if quantity.axes else where


def _unit(quantity: Quantity) -> str:
    return "dimensionless" if str(quantity.unit) == "1" else f"in {superscripts(str(quantity.unit))}"


def _anchor(quantity: Quantity) -> str:
    return f"quantity-{quantity.name.replace('_', '-')}"


def _text(text: str) -> str:
    """``text`` with nothing in it that Markdown would read as markup."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def _docstring_of_family(family: str) -> str:
    module = __import__(f"{_OWN}{family}", fromlist=["_"])
    return inspect.cleandoc(module.__doc__ or "")
