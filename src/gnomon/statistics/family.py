"""Families: what is tested together is declared before, so that nobody tests until something is found."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnomon.errors import GnomonError
from gnomon.statistics.adjusted import benjamini_hochberg, benjamini_yekutieli, hochberg, holm


@dataclass(frozen=True)
class Family:
    """Tests, or intervals, that are read together.

    Parameters
    ----------
    name : of the family.
    members : names of what is in it. Whatever is asked of the family has to be about all of these and no others; a
        test that could not be made enters with the p-value 1.

    Raises GnomonError when it is empty, names a member twice, or is asked about other members than were declared.

    >>> family = Family("topics", ("law", "medicine", "chess"))
    >>> family.holm({"law": 0.01, "medicine": 0.04, "chess": 0.03})
    {'law': 0.03, 'medicine': 0.06, 'chess': 0.06}
    >>> family.simultaneous(0.94)
    0.98
    """

    name: str
    members: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.members or len(set(self.members)) < len(self.members):
            raise GnomonError(f"family {self.name!r} is empty or names a member twice", mend="name each once")

    def check(self, members: Collection[str]) -> None:
        """Raises GnomonError when ``members`` are not those that were declared."""
        others = sorted(set(members) - set(self.members))
        lacking = sorted(set(self.members) - set(members))
        if others or lacking:
            told = f"not declared: {', '.join(others) or 'none'}; missing: {', '.join(lacking) or 'none'}"
            raise GnomonError(f"family {self.name!r} was declared otherwise ({told})", mend="test all that it has")

    def holm(self, p_values: Mapping[str, float]) -> dict[str, float]:
        """`gnomon.statistics.holm` of all members."""
        return self._adjusted(holm, p_values)

    def hochberg(self, p_values: Mapping[str, float]) -> dict[str, float]:
        """`gnomon.statistics.hochberg` of all members; says for which dependence it holds."""
        return self._adjusted(hochberg, p_values)

    def benjamini_hochberg(self, p_values: Mapping[str, float]) -> dict[str, float]:
        """`gnomon.statistics.benjamini_hochberg` of all members; says for which dependence it holds."""
        return self._adjusted(benjamini_hochberg, p_values)

    def benjamini_yekutieli(self, p_values: Mapping[str, float]) -> dict[str, float]:
        """`gnomon.statistics.benjamini_yekutieli` of all members."""
        return self._adjusted(benjamini_yekutieli, p_values)

    def simultaneous(self, level: float, *, independent: bool = False) -> float:
        r"""The level of each member's interval at which all m hold at once with probability ``level``.

        It is :math:`1 - (1 - \mathrm{level}) / m` (Bonferroni), whatever the dependence, and
        :math:`\mathrm{level}^{1/m}` for independent ones (Šidák), which is little less.

        Source: Šidák, Journal of the American Statistical Association 62 (1967) 626.
        """
        count = len(self.members)
        return float(level ** (1 / count)) if independent else 1 - (1 - level) / count

    def selected(self, chosen: Collection[str], level: float) -> float:
        r"""The level of the intervals of the R ``chosen`` members, :math:`1 - (1 - \mathrm{level}) R / m`.

        Of the intervals that are then shown at most a share of ``1 - level`` is expected to miss (the false coverage
        rate), though data chose them. This holds for independent members, and for any dependence and any way to choose
        with intervals that invert e-values, as `gnomon.statistics.betting_interval` does.

        Sources: Benjamini & Yekutieli, Journal of the American Statistical Association 100 (2005) 71; Xu, Wang &
        Ramdas, arXiv:2203.12572. Raises GnomonError when none is chosen, or one that was not declared.
        """
        if not chosen or not set(chosen) <= set(self.members):
            raise GnomonError(f"chosen are not some of family {self.name!r}", mend="choose among its members")
        return 1 - (1 - level) * len(set(chosen)) / len(self.members)

    def _adjusted(
        self, adjust: Callable[[ArrayLike], NDArray[np.float64]], p_values: Mapping[str, float]
    ) -> dict[str, float]:
        self.check(p_values)
        found = adjust([p_values[member] for member in self.members])
        return dict(zip(self.members, found.tolist(), strict=True))
