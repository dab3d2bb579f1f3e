"""A ladder: one measurement of networks that differ in the compute that trained them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, catalogue

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One network of a ladder.

    Parameters
    ----------
    compute : effective compute of its training, in FLOP.
    value : what was measured of it.
    trials : for a share, of how many (effective, independent) trials it is one; ``None`` for another number.
    error : standard error of the value, for what is no share of trials.

    Raises GnomonError for a compute that is not positive, a share outside [0, 1], or where neither trials nor an error
    is known: a number without one cannot be weighed.
    """

    compute: float
    value: float
    trials: float | None = None
    error: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.compute < np.inf:
            raise GnomonError(f"a rung of {self.compute:g} FLOP", mend="give its effective compute, above 0")
        if self.trials is None and (self.error is None or not 0 < self.error < np.inf):
            raise GnomonError(f"the error of {self.value:g} is not known", mend="give its trials or its error")
        if self.trials is not None and not (self.trials > 0 and 0 <= self.value <= 1):
            raise GnomonError(f"{self.value:g} is no share of {self.trials:g} trials", mend="give both as measured")
        if not np.isfinite(self.value):
            raise GnomonError(f"a rung of value {self.value}", mend="leave it out")

    @classmethod
    def of(cls, compute: float, m: Measurement) -> Rung | None:
        """The rung that ``m`` measured; ``None`` where it was refused, is no one number, or its error is not known.

        A share of trials is what lies in [0, 1] by definition and says its effective number of samples. Of any other
        interval the standard error is taken that its width would have were it normal.
        """
        u = m.uncertainty
        if not isinstance(m.value, float) or not np.isfinite(m.value):
            return None
        share = m.quantity in catalogue and _bounds(m.quantity) == (0.0, 1.0)
        if share and u.effective_samples and u.kind == "interval":
            return cls(compute=compute, value=m.value, trials=u.effective_samples)
        if u.level is None or u.kind in ("exact", "unknown"):
            return None
        error = float(u.half_width) / float(ndtri(0.5 + u.level / 2))
        return cls(compute=compute, value=m.value, error=error) if 0 < error < np.inf else None


def _bounds(quantity: str) -> tuple[float, float]:
    known = catalogue[quantity]
    return known.lowest, known.highest


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """Rungs by rising compute, all of one measurement, all shares of trials or none.

    Parameters
    ----------
    apart : whether the rungs were trained apart. Checkpoints of one run were not: what is forecast then is the course
        of that run, and the interval does not cover its seed.

    Raises GnomonError without any rung, or where only some are shares.
    """

    rungs: tuple[Rung, ...]
    apart: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "rungs", tuple(sorted(self.rungs, key=lambda rung: rung.compute)))
        if not self.rungs:
            raise GnomonError("the ladder has no rungs", mend="give measurements of several networks")
        if len({rung.trials is None for rung in self.rungs}) > 1:
            raise GnomonError("some rungs are shares of trials, and others are not", mend="measure all alike")

    @classmethod
    def of(cls, rows: Sequence[tuple[float, Measurement]], *, apart: bool = True) -> Ladder:
        """The ladder of measurements with the compute of each network; those that were refused are left out."""
        rungs = [rung for compute, m in rows if (rung := Rung.of(compute, m)) is not None]
        return cls(rungs=tuple(rungs), apart=apart)

    @property
    def shares(self) -> bool:
        """Whether its values are shares of trials."""
        return self.rungs[0].trials is not None

    @property
    def x(self) -> Array:
        """Natural logarithm of compute, shape ``(rungs,)``."""
        return np.log([rung.compute for rung in self.rungs])

    @property
    def y(self) -> Array:
        """What was measured, shape ``(rungs,)``."""
        return np.array([rung.value for rung in self.rungs])

    @property
    def weights(self) -> Array:
        """Trials, or the inverse of the squared error; shape ``(rungs,)``."""
        return np.array([r.trials if r.error is None or r.trials is not None else r.error**-2 for r in self.rungs])
