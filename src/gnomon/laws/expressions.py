"""Small expressions over columns, read without running any code of the reader's."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError

Column = NDArray[Any]
"""One value a row: float64, bool (of a condition), or text (object)."""

_LONGEST = 1000
_BRACKETS = re.compile(r"""("[^"]*"|'[^']*')|\[([^\[\]]+)\]""")
_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARED: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: Mapping[str, Callable[[Any], Any]] = {"log": np.log, "exp": np.exp, "sqrt": np.sqrt}
_MEND = (
    "write columns (a name with spaces in [brackets]), numbers, text in quotes, + - * / **, comparisons, "
    "and, or, not, log(), exp(), sqrt()"
)


def evaluate(text: str, column: Callable[[str], Column]) -> Column:
    """The value of the expression ``text`` in every row; ``column`` finds a column by its name.

    Columns are named as they stand (``loss``, ``recipe.weight_decay``) or in brackets (``[Training FLOP]``). Numbers
    are float64: what is undefined (a logarithm of a negative number, say) is NaN, and no comparison with NaN holds but
    ``!=``.

    Raises
    ------
    GnomonError : when it is no such expression.
    UnknownNameError : from ``column``.

    >>> table = {"D": np.array([10.0, 20.0]), "Model Size": np.array([1.0, 2.0])}
    >>> evaluate("6 * [Model Size] * D", table.__getitem__)
    array([ 60., 240.])
    >>> evaluate("10 < D and [Model Size] < 3", table.__getitem__)
    array([False,  True])
    """
    bracketed: list[str] = []

    def placeholder(match: re.Match[str]) -> str:
        if match[1] is not None:  # quoted text stays as it is
            return match[1]
        bracketed.append(match[2].strip())
        return f"_bracketed_{len(bracketed) - 1}_"

    plain = _BRACKETS.sub(placeholder, text)
    if len(text) > _LONGEST:
        raise GnomonError(f"an expression of {len(text)} characters is too long", mend=f"at most {_LONGEST}")
    names = {f"_bracketed_{i}_": name for i, name in enumerate(bracketed)}
    try:
        tree = ast.parse(plain.strip(), mode="eval").body
        with np.errstate(all="ignore"):
            return np.asarray(_Reader(text, names, column).read(tree))
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        raise _unreadable(text) from None


def _unreadable(text: str, why: str = "") -> GnomonError:
    return GnomonError(f"cannot read the expression {text!r}{why}", mend=_MEND)


class _Reader:
    def __init__(self, text: str, names: Mapping[str, str], column: Callable[[str], Column]) -> None:
        self._text = text
        self._names = names
        self._column = column

    def read(self, node: ast.expr) -> Any:
        """The value of ``node``, of one of the few kinds that there are."""
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
            return node.value if isinstance(node.value, str) else np.float64(node.value)
        if isinstance(node, ast.Name | ast.Attribute):
            return self._column(self._name(node))
        if isinstance(node, ast.UnaryOp):
            return self._unary(node)
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            return _BINARY[type(node.op)](self._number(node.left), self._number(node.right))
        if isinstance(node, ast.Compare):
            return self._comparison(node)
        if isinstance(node, ast.BoolOp):
            values = [self._truth(value) for value in node.values]
            return (np.logical_and if isinstance(node.op, ast.And) else np.logical_or).reduce(values)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
            function = _FUNCTIONS.get(node.func.id)
            if function is not None and not node.keywords:
                return function(self._number(node.args[0]))
        raise _unreadable(self._text)

    def _name(self, node: ast.expr) -> str:
        """The name of a column: dots are part of it."""
        if isinstance(node, ast.Name):
            return self._names.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            return f"{self._name(node.value)}.{node.attr}"
        raise _unreadable(self._text)

    def _unary(self, node: ast.UnaryOp) -> Any:
        if isinstance(node.op, ast.Not):
            return np.logical_not(self._truth(node.operand))
        if isinstance(node.op, ast.USub):
            return -self._number(node.operand)
        raise _unreadable(self._text)

    def _comparison(self, node: ast.Compare) -> Any:
        values = [self.read(one) for one in (node.left, *node.comparators)]
        held = []
        for sign, left, right in zip(node.ops, values, values[1:], strict=False):
            compare = _COMPARED.get(type(sign))
            textual = [isinstance(v, str) or np.asarray(v).dtype == object for v in (left, right)]
            if compare is None or np.bool_ in (np.asarray(left).dtype, np.asarray(right).dtype):
                raise _unreadable(self._text)
            if any(textual) and (not all(textual) or not isinstance(sign, ast.Eq | ast.NotEq)):
                raise _unreadable(self._text, ": text is equal or not to text, and no more")
            held.append(compare(left, right))
        return np.logical_and.reduce(held)

    def _number(self, node: ast.expr) -> Any:
        value = self.read(node)
        if np.asarray(value).dtype != np.float64:
            raise _unreadable(self._text, ": it calculates with what is no number")
        return value

    def _truth(self, node: ast.expr) -> Any:
        value = self.read(node)
        if np.asarray(value).dtype != np.bool_:
            raise _unreadable(self._text, ": and, or, not stand between comparisons")
        return value
