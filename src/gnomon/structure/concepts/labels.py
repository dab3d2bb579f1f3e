"""Labels as they stand in files: two values, one of which has the concept, or grades."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.structure.examples import Kind

_KNOWN = (("1", "0"), ("1", "-1"), ("true", "false"), ("yes", "no"))
_NEGATIONS = ("not ", "not_", "not-", "non ", "non_", "non-", "no ", "no_", "no-", "un", "in")


def read_labels(
    values: Sequence[Any], places: Sequence[str], *, kind: Kind | None, present: str | None
) -> tuple[NDArray[np.float64], Kind]:
    """``values`` as +1 and -1, or as grades, and which of the two they are.

    ``present`` names the value that has the concept; every other value then lacks it. Without it, two values must be
    1 and 0, 1 and -1, true and false, yes and no, or a name and its negation (``Toxic`` and ``Not Toxic``), in
    whatever letter case; three or more different numbers are grades.

    Raises
    ------
    GnomonError : naming the place of a label that is missing or, for grades, no finite number; when all are one; and
        when it cannot be told which of two or more values has the concept.

    >>> read_labels(["Toxic", "Not Toxic"], ["line 2", "line 3"], kind=None, present=None)
    (array([ 1., -1.]), 'binary')
    """
    names = [_name(value, place) for value, place in zip(values, places, strict=True)]
    distinct = list(dict.fromkeys(names))
    if len(distinct) < 2:
        raise GnomonError(
            f"{places[0]} and all others have the label {distinct[0]!r}",
            mend="give examples with and without the concept",
        )
    if present is None and kind != "paired" and (kind == "graded" or (kind is None and _graded(distinct))):
        return np.array([_number(name, place) for name, place in zip(names, places, strict=True)]), "graded"
    if kind == "graded":
        raise GnomonError("grades have no value that is the concept", mend="leave out --present or --kind graded")
    chosen = _present(distinct) if present is None else _name(present, "--present")
    if chosen not in distinct:
        raise GnomonError(f"no label is {present!r}", mend=f"the labels are {_some(distinct)}")
    return np.where([name == chosen for name in names], 1.0, -1.0), kind or "binary"


def _name(value: Any, place: str) -> str:
    """A label as text in lower case; numbers that are whole without their fraction."""
    if isinstance(value, bool):
        return str(value).lower()
    text = "" if value is None else str(value).strip().lower()
    if not text:
        raise GnomonError(f"{place} has no label", mend="give each text one")
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else repr(number)


def _graded(distinct: Sequence[str]) -> bool:
    try:
        return len([float(name) for name in distinct]) > 2
    except ValueError:
        return False


def _number(name: str, place: str) -> float:
    try:
        number = float(name)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise GnomonError(
            f"{place}: grade {name!r} is no finite number", mend="give numbers, or leave out --kind graded"
        )
    return number


def _present(distinct: Sequence[str]) -> str:
    if len(distinct) == 2:
        for first, second in (distinct, reversed(distinct)):
            if (first, second) in _KNOWN or second in {f"{negation}{first}" for negation in _NEGATIONS}:
                return first
    raise GnomonError(
        f"cannot tell which of the labels {_some(distinct)} is the concept", mend="say which: --present NAME"
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:6])) + (", …" if len(names) > 6 else "")
