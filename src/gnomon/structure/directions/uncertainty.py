"""How far a found direction may be from the one that endless examples would give."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gnomon.errors import GnomonError
from gnomon.measurement import Uncertainty
from gnomon.randomness import Rng
from gnomon.structure.directions.mean_difference import MeanDifference
from gnomon.structure.directions.method import Method
from gnomon.structure.directions.uncertainty_halves import Halves, halves
from gnomon.structure.directions.uncertainty_noise import Noise
from gnomon.structure.directions.uncertainty_slope import slope_noise
from gnomon.structure.examples import Examples

_SPLITS = 24


@dataclass(frozen=True, kw_only=True, eq=False)
class Angle:
    r"""The angle θ between the direction found and the population's, with an interval.

    Parameters
    ----------
    cosine : estimate of cos θ.
    low, high : of the interval for cos θ. Where the examples do not exclude that all of the direction is noise, it is
        symmetric about zero: not even the sign is known.
    level : of the interval.
    noise : what it was made from.
    halves : the same method on halves of the examples.
    """

    cosine: float
    low: float
    high: float
    level: float
    noise: Noise
    halves: Halves

    @property
    def known(self) -> bool:
        """Whether there is a direction at all: the interval excludes zero."""
        return self.low > 0

    @property
    def uncertainty(self) -> Uncertainty:
        """The interval, over ``data``."""
        return Uncertainty.interval(self.low, self.high, level=self.level, covers={"data"})

    def examples_needed(self, cosine: float, n: int) -> float:
        r"""How many examples would give that cosine, if n gave this one: :math:`\tan^2\theta \propto 1/n`."""
        if not 0 < cosine < 1:
            raise GnomonError(f"no number of examples gives the cosine {cosine}", mend="ask for one between 0 and 1")
        if not self.cosine > 0:
            return math.inf
        return n * (1 / self.cosine**2 - 1) / (1 / cosine**2 - 1)


def angle(method: Method, examples: Examples, *, rng: Rng, level: float = 0.95, splits: int = _SPLITS) -> Angle:
    r"""The angle of the leading direction that ``method`` finds in ``examples`` to its limit for :math:`n \to \infty`.

    The direction found is :math:`\hat w = \delta + \varepsilon` at unit length, δ along the population's direction w.
    Exactly, :math:`\sin^2\theta = |\varepsilon_\perp|^2 / |\delta + \varepsilon|^2`, where :math:`\varepsilon_\perp` is
    the noise across w. The noise is estimated, in closed form for the mean difference (`slope_noise`), from halves of
    the examples for every other method (`halves`); its squared length is a quadratic form with ν degrees of freedom,
    and the estimate has :math:`m \nu`, m being the number of independent clusters it is made from. So

    .. math:: \frac{\sin^2\theta}{\widehat{\sin^2\theta}} \sim F(\nu, m\nu)

    gives the interval. Resampling the examples and taking the angles to what was found does not: in many dimensions the
    resampled directions are as far from the found one as that is from the truth, whatever the truth, and a bootstrap
    has the noise twice.

    What is not covered: a method whose expected direction at n examples is not that of its limit, as one that learns
    suddenly, or a penalty that still turns the direction. The table in the documentation says how well each does.

    Raises
    ------
    GnomonError : when a class has fewer than two clusters, or the method does not apply to half of the examples.

    Cost: ``2 splits`` fits to half of the examples, and one to all of them.

    Source: Box, Annals of Mathematical Statistics 25 (1954) 290 (quadratic forms by their degrees of freedom);
    McCarthy, Review of the International Statistical Institute 37 (1969) 239 (half-samples); El Karoui & Purdom,
    Journal of Machine Learning Research 19 (2018) 5, arXiv:1608.00696 (the bootstrap fails in high dimension).

    >>> import torch
    >>> g = torch.Generator().manual_seed(0)
    >>> y = torch.tensor([1.0, -1.0] * 32, dtype=torch.float64)
    >>> x = 0.2 * torch.randn(64, 256, generator=g, dtype=torch.float64) + torch.outer(y, torch.eye(256)[0].double())
    >>> found = angle(MeanDifference(), Examples(inputs=x, labels=y), rng=Rng(0))
    >>> round(found.cosine, 2), round(found.low, 2), round(found.high, 2)
    (0.93, 0.92, 0.94)
    """
    if not 0 < level < 1:
        raise GnomonError(f"level {level} is not between 0 and 1")
    half = halves(method, examples, splits=splits, rng=rng)
    noise = slope_noise(examples, level=level) if isinstance(method, MeanDifference) else half.noise
    least, most = noise.interval(level)
    high = math.sqrt(max(0.0, 1 - least))
    return Angle(
        cosine=math.sqrt(max(0.0, 1 - noise.share)),
        low=math.sqrt(1 - most) if most < 1 else -high,
        high=high,
        level=level,
        noise=noise,
        halves=half,
    )
