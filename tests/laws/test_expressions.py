"""Expressions over columns: what they mean, and that they run nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.laws.expressions import evaluate

_TABLE = {
    "N": np.array([1e8, 2e8, 4e8]),
    "Training FLOP": np.array([6e18, 2.4e19, 9.6e19]),
    "recipe.weight_decay": np.array([0.1, math.nan, 1.0]),
    "kind": np.array(["mlp", "rnn", "mlp"], dtype=object),
}


def column(name: str) -> np.ndarray:
    if name not in _TABLE:
        raise UnknownNameError("column", name, _TABLE)
    return _TABLE[name]


def test_arithmetic_and_names() -> None:
    np.testing.assert_allclose(evaluate("[Training FLOP]/(6*N)", column), [1e10, 2e10, 4e10])
    np.testing.assert_allclose(evaluate("log(N) - log([N]) + sqrt(4) + exp(0) - 2**3", column), -5)
    np.testing.assert_allclose(evaluate("-recipe.weight_decay", column), [-0.1, math.nan, -1.0])


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(0.5, 1e3))
def test_numbers_are_what_python_says(a: float, b: float, c: float) -> None:
    text = f"({a!r} - {b!r}) * {c!r} / (1 + {c!r}) + sqrt({c!r})"
    assert float(evaluate(text, column)) == pytest.approx((a - b) * c / (1 + c) + math.sqrt(c))


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("N < 3e8", [True, True, False]),
        ("1e8 < N <= 4e8 and not kind == 'rnn'", [False, False, True]),
        ("kind != 'mlp' or N > 3e8", [False, True, True]),
        ("recipe.weight_decay > 0", [True, False, True]),
        ("kind == '[N]'", [False, False, False]),
    ],
)
def test_conditions(condition: str, rows: list[bool]) -> None:
    assert evaluate(condition, column).tolist() == rows


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "N.__class__.__bases__",
        "().__class__",
        "(lambda: 1)()",
        "open('x')",
        "[i for i in N]",
        "N[0]",
        "exp",
        "exp(N, N)",
        "exp(x=N)",
        "N if 1 else 2",
        "f'{N}'",
        "1 +",
        "",
        "kind + 1",
        "kind < 'mlp'",
        "kind == 1",
        "N and N",
        "(N < 1) + 1",
        "-" * 990 + "1",
        "(" * 400 + "1" + ")" * 400,
        "1 " * 1000,
        "1j",
        "N is N",
    ],
)
def test_nothing_else_is_read(text: str) -> None:
    with pytest.raises(GnomonError) as refused:
        evaluate(text, column)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 2


def test_numbers_do_not_grow_without_bound() -> None:
    assert evaluate("9**9**9**9", column) == math.inf


def test_an_unknown_column_lists_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"Training FLOP"):
        evaluate("[training flop] / 6", column)
