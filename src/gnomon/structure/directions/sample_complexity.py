"""How many examples a direction needs: the law of its angle, checked on parts of the examples at hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from gnomon.errors import GnomonError, InsufficientEvidenceError
from gnomon.randomness import Rng
from gnomon.structure.directions.folds import assign_folds
from gnomon.structure.directions.method import Method
from gnomon.structure.examples import Examples

_PARTS = (4, 8, 16)
_FITS = 16  # for every size: 4 splits into quarters, 2 into eighths, 1 into sixteenths
PART_FITS = _FITS * len(_PARTS)  # at most: what is too small is left out
_EXPONENTS = (0.6, 1.5)  # of tan² in 1/n, within which the law is taken to hold
_LEAST = 0.1  # cosine of two parts below which its logarithm is noise
_TARGETS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99, 0.995, 0.999)
_MOST = 1e9  # examples beyond which a forecast means "not by more of the same"


@dataclass(frozen=True, kw_only=True, eq=False)
class LearningCurve:
    r"""The cosine of a direction to that of endless examples, as their number grows: :math:`\tan^2\theta(n) = c/n`.

    Errors of an estimate that is a mean, or a smooth function of means, have a variance of order 1/n, and their part
    across the direction is its tangent. So one angle gives all; parts of the examples show whether it is so.

    Parameters
    ----------
    examples : n.
    cosine, low, high : at n, with the ends of its interval.
    sizes, parts : numbers of examples, and the mean cosine between directions found in disjoint parts of that size,
        which is :math:`\cos^2\theta` there: their errors are independent.
    """

    examples: int
    cosine: float
    low: float
    high: float
    sizes: tuple[float, ...] = ()
    parts: tuple[float, ...] = ()

    @property
    def exponent(self) -> float | None:
        r"""That of :math:`\tan^2\theta` in 1/n as the parts have it, 1 by the law; ``None`` where it cannot be told."""
        seen = [
            (math.log(m), math.log(1 / c - 1)) for m, c in zip(self.sizes, self.parts, strict=True) if _LEAST < c < 1
        ]
        if len(seen) < 2:
            return None
        x, y = np.array(seen).T
        return -float(np.polyfit(x, y, 1)[0])

    @property
    def unfit(self) -> str:
        """Why nothing is forecast; empty where the law holds."""
        if not self.low > 0:
            return "the direction is not told from a random one"
        exponent = self.exponent
        if exponent is not None and not _EXPONENTS[0] <= exponent <= _EXPONENTS[1]:
            return f"in parts of the examples tan² of the angle falls as n^-{exponent:.2g}, not as 1/n"
        return ""

    def at(self, examples: float) -> tuple[float, float, float]:
        """Cosine and the ends of its interval for so many examples."""
        scale = self.examples / examples
        value, low, high = (_cosine(_tangent(c) * scale) for c in (self.cosine, self.low, self.high))
        return value, low, high

    def needed(self, cosine: float) -> tuple[float, float, float]:
        """Examples in all for a cosine, and the ends of its interval; infinite where that of the angle is open.

        The interval is that of the angle at hand, carried along the law: it allows for this angle being by chance above
        or below that of other examples, and so holds the constant of the law somewhat more often than its level.

        Raises GnomonError for a cosine outside (0, 1), InsufficientEvidenceError where the law does not hold.
        """
        if not 0 < cosine < 1:
            raise GnomonError(f"a cosine of {cosine:g} is not between 0 and 1")
        if self.unfit:
            raise InsufficientEvidenceError(
                f"no forecast of the examples needed: {self.unfit}", mend="give more examples"
            )
        unit = self.examples / _tangent(cosine)
        # a higher cosine now means fewer examples
        value, low, high = (unit * _tangent(c) for c in (self.cosine, self.high, self.low))
        return value, low, high

    @property
    def target(self) -> float | None:
        """The next round cosine above the interval; ``None`` above 0.999."""
        return next((one for one in _TARGETS if one > self.high), None)

    def sentence(self) -> str:
        """For a reader: what n examples give, and how many more the next round cosine takes."""
        half = (self.high - self.low) / 2
        digits = min(6, max(2, -math.floor(math.log10(max(half, 1e-12)) + 1e-9)))
        value, low, high = (f"{x:.{digits}f}" for x in (self.cosine, self.low, self.high))
        here = f"n = {self.examples:,} gives cosine {value} [{low}, {high}]"
        if self.target is None:
            return here
        if self.unfit:
            return f"{here}; no forecast: {self.unfit}"
        more = [n - self.examples for n in self.needed(self.target)]
        if not more[2] < _MOST:
            return f"{here}; at least {_round(more[1])} more for {self.target:g}"
        return f"{here}; {_round(more[0])} [{_round(more[1])}, {_round(more[2])}] more for {self.target:g}"


def parts(
    method: Method, examples: Examples, *, rng: Rng, splits: Sequence[int] = _PARTS
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Sizes, and the mean cosine between directions found in disjoint parts of that size; largest first.

    Splits that leave fewer than two clusters of a class in a part are left out. Cost: 16 fits for each size.
    """
    sizes, cosines = [], []
    for count in splits:
        found = []
        for again in range(max(1, _FITS // count)):
            inner = rng.child(count, again)
            try:
                part = assign_folds(examples, folds=count, rng=inner)
            except InsufficientEvidenceError:
                continue
            if part.max() + 1 < count:
                continue
            chosen = [examples.take(np.flatnonzero(part == p)) for p in range(count)]
            try:
                smaller = method.for_share(1 / count)
                directions = [smaller.subspace(c, rank=1, rng=inner.child(p)).direction for p, c in enumerate(chosen)]
            except GnomonError:  # a part may be too small for the method
                continue
            found += [float(a @ b) for a, b in combinations(directions, 2)]
        if found:
            sizes.append(len(examples) / count)
            cosines.append(float(np.mean(found)))
    return tuple(sizes), tuple(cosines)


def _tangent(cosine: float) -> float:
    """Its square."""
    return math.inf if cosine <= 0 else max(1 / cosine**2 - 1, 0.0)


def _cosine(tangent: float) -> float:
    return 0.0 if math.isinf(tangent) else (1 + tangent) ** -0.5


def _round(examples: float) -> str:
    """To two digits: a forecast has no more."""
    if not examples < _MOST:
        return "∞"
    scale = 10 ** max(0, math.floor(math.log10(max(examples, 1))) - 1)
    return f"{math.ceil(examples / scale) * scale:,}"
