"""What the docstring of a plug-in must hold."""

from __future__ import annotations

import doctest
import sys
from typing import Any


def check_definition(kind: type) -> None:
    """The class's docstring has a definition in LaTeX."""
    text = kind.__doc__ or ""
    assert ":math:" in text or ".. math::" in text, "the docstring has no definition in LaTeX (:math: or .. math::)"


def check_example(kind: type) -> None:
    """The class's docstring has an example, and it runs."""
    finder = doctest.DocTestFinder(recurse=False)
    module: Any = sys.modules[kind.__module__]
    examples = [t for t in finder.find(kind, kind.__name__, module=False, globs=dict(vars(module))) if t.examples]
    assert examples, "the docstring has no example"
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    lines: list[str] = []
    for example in examples:
        runner.run(example, out=lines.append)
    assert runner.summarize(verbose=False).failed == 0, "its example fails: " + " ".join("".join(lines).split())
