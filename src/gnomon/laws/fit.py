"""What a fit found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gnomon.laws.form import Form
from gnomon.laws.table import Table

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Noise:
    r"""How measurements scatter around a law.

    Parameters
    ----------
    kind : density of the residuals: ``normal`` (squared loss), or ``laplace`` with its cusp rounded at ``delta``
        (Huber's loss; robust).
    scale : residuals are of the values, ``linear``, or of their logarithms, ``log`` (all values are positive).
    delta : where Huber's loss turns from square to linear, in units of the residual; 0 for ``normal``.
    spread : standard deviation of a normal, mean absolute deviation of a Laplace.
    """

    kind: Literal["normal", "laplace"]
    scale: Literal["linear", "log"]
    delta: float
    spread: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A parameter: its value, and intervals by two methods.

    ``low`` and ``high`` are the ends of the interval that is stated (`Fit` says by which method); infinite where the
    data do not bound the parameter.
    """

    value: float
    low: float
    high: float
    bootstrap: tuple[float, float] | None
    profile: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    r"""A form fitted to a table.

    Parameters
    ----------
    form, table : what was fitted to what.
    noise : the noise, its spread estimated.
    theta : coordinates of the optimum, shape ``(p,)``.
    draws : those of the bootstrap, shape ``(draws, p)``; over groups where the table has them.
    parameters : the named parameters.
    level : of the intervals.
    objective : the loss that was minimised (mean over rows).
    log_likelihood : of the values themselves, whatever the scale of the noise; forms and noises can be compared by it.
    aic, bic : :math:`2k - 2\ell` and :math:`k \log n - 2\ell`, k counting the spread.
    heldout : mean continuous ranked probability score on the rows held out, each forecast by a fit to the others;
        ``None`` before a comparison.
    unidentified : why parameters are not determined by the data, a sentence each; empty when all are.
    stated : by which method ``low`` and ``high`` of the parameters are; open where the profile is.
    """

    form: Form
    table: Table
    noise: Noise
    theta: Array
    draws: Array
    parameters: Mapping[str, Estimate]
    level: float
    objective: float
    log_likelihood: float
    aic: float
    bic: float
    heldout: float | None = None
    unidentified: tuple[str, ...] = ()
    stated: Literal["bootstrap", "profile"] = "bootstrap"

    @property
    def identifiable(self) -> bool:
        """Whether the data determine every parameter."""
        return not self.unidentified
