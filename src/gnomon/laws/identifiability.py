"""Which parameters the data do not determine, and why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gnomon.laws.form import Array, Form
from gnomon.laws.table import Table

_SINGULAR = 1e-7  # relative singular value of the scaled Jacobian below which a direction has no effect
_TAKES_PART = 0.05  # share of a parameter that lies in such directions
_LOST = 1e-5  # of the scatter: a smaller effect of an e-fold is none
_SAME = 1e-4  # of the scatter: values that differ less are the same function


def unidentified(
    form: Form,
    table: Table,
    *,
    theta: Array,
    confounded: NDArray[np.bool_],
    low: Array,
    high: Array,
    scatter: float,
    rivals: Sequence[Array] = (),
) -> tuple[str, ...]:
    """A sentence for each set of parameters that the table does not determine; none when all are determined.

    Three things are looked at: parameters that are `confounded`, sides on which the profile likelihood does not close,
    and distant optima that are as likely.

    Parameters
    ----------
    theta : the optimum, shape ``(p,)``.
    confounded : see there.
    low, high : ends of the profile intervals in coordinates, shape ``(p,)``; infinite where open.
    scatter : size of the residuals, in the unit of the values.
    rivals : other optima, whose likelihood is within that of the intervals.
    """
    names = np.array(list(form.parameters))
    told = confounded.copy()
    sentences = []
    if told.any():
        sentences.append(
            f"{_list(list(names[told]))}: {lack(table, len(names)) or 'the data fix only a combination of them'}"
        )
    clauses: dict[str, list[str]] = {}
    for k in np.flatnonzero(~told & ~(np.isfinite(low) & np.isfinite(high))):
        way = "upwards" if np.isfinite(low[k]) else "downwards" if np.isfinite(high[k]) else "either way"
        clause = form.open_when.get(str(names[k]), f"the data set no bound {way}")
        clauses.setdefault(clause, []).append(str(names[k]))
        told[k] = True
    sentences += [f"{_list(found)}: {clause}" for clause, found in clauses.items()]
    for rival in rivals:
        with np.errstate(all="ignore"):
            apart = np.abs(form.value(table.x, rival) - form.value(table.x, theta)).max()
        if apart <= _SAME * scatter:
            continue  # the same function under other names, such as breaks that changed places
        elsewhere = ((rival < low) | (rival > high)) & ~told
        if elsewhere.any():
            places = (f"{name} = {value:.3g}" for name, value in zip(names, form.natural(rival), strict=True))
            at = " and ".join(place for place, take in zip(places, elsewhere, strict=True) if take)
            sentences.append(f"{_list(list(names[elsewhere]))}: another optimum is nearly as likely, at {at}")
            break
    return tuple(sentences)


def confounded(form: Form, x: Array, theta: Array, *, scatter: float = 0.0) -> NDArray[np.bool_]:
    """Which parameters have a part in a direction of θ along which no value changes, by the rank of the Jacobian.

    Positive parameters whose effect is lost in residuals of size ``scatter`` are left to their profiles.
    """
    with np.errstate(all="ignore"):
        jacobian = form.jacobian(x, theta)
        size = np.sqrt((jacobian**2).mean(0))
        lost = np.where(form.positives, _LOST * scatter, 0.0)
        seen = np.isfinite(size) & (size > np.maximum(1e-12 * np.abs(form.value(x, theta)).max(), lost))
    part = np.zeros(len(theta))
    # a parameter that ran off to where it has no effect is told by its profile
    _, values, vectors = np.linalg.svd(jacobian[:, seen] / size[seen])
    values = np.append(values, np.zeros(len(vectors) - len(values)))
    part[seen] = (vectors[values <= _SINGULAR * values.max(initial=0.0)] ** 2).sum(0)
    return part > _TAKES_PART


def lack(table: Table, parameters: int) -> str:
    """What the inputs of the table lack to tell so many parameters apart, whatever was measured; empty if nothing."""
    for name, column in zip(table.columns, table.x.T, strict=True):
        if len(np.unique(column)) == 1:
            return f"only one value of {name}"
    places = len(np.unique(table.x, axis=0))
    return f"only {places} different values of {', '.join(table.columns)}" if places < parameters else ""


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
