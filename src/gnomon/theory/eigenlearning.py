r"""Learning curves of kernel ridge regression from the kernel's spectrum: the eigenlearning equations.

For :math:`k(x, x') = \sum_i \lambda_i e_i(x) e_i(x')`, a target :math:`f = \sum_i v_i e_i`, n examples with noise
:math:`\sigma^2` and the ridge δ, :math:`\hat f(x) = k(x, X)(K + \delta I)^{-1} y`,

.. math::
    n = \sum_i \mathcal{L}_i + \frac{\delta}{\kappa}, \qquad
    \mathcal{L}_i = \frac{\lambda_i}{\lambda_i + \kappa}, \qquad
    \mathcal{E}_0 = \frac{n}{n - \sum_i \mathcal{L}_i^2},

.. math::
    E_\mathrm{test} = \mathcal{E}_0 \Bigl(\sum_i (1 - \mathcal{L}_i)^2 v_i^2 + \sigma^2\Bigr), \qquad
    E_\mathrm{train} = \Bigl(\frac{\delta}{n\kappa}\Bigr)^2 E_\mathrm{test}.

Source: Simon, Dickens, Karkada & DeWeese, TMLR (2023), arXiv:2110.03922; Bordelon, Canatar & Pehlevan,
arXiv:2002.02561; Canatar, Bordelon & Pehlevan, Nature Communications 12 (2021) 2914, arXiv:2006.13198.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnomon.errors import GnomonError
from gnomon.theory.hypercube import hypercube_spectrum
from gnomon.theory.registry import register
from gnomon.theory.ridge_equivalent import risk, solve
from gnomon.theory.ridge_spectra import PopulationSpectrum
from gnomon.theory.ridge_theory import EquivalentRisk

Array = NDArray[np.float64]

SOURCE = "Simon, Dickens, Karkada & DeWeese, arXiv:2110.03922; Canatar, Bordelon & Pehlevan, arXiv:2006.13198"
_FITTED = 1e-12


@dataclass(frozen=True, kw_only=True)
class LearningCurve:
    r"""What regression on n examples comes to; each of shape ``(m,)``, but for the learnabilities.

    Parameters
    ----------
    samples : n.
    kappa : κ; eigenvalues far above it are learned.
    learnability : :math:`\mathcal{L}_i` of each eigenvalue, ``(m, p)``: the share of the coefficient :math:`v_i` that
        the prediction has, on average. Counted with multiplicity, and with δ/κ, they sum to n: what one mode gains
        others lose.
    overfitting : :math:`\mathcal{E}_0 \ge 1`, what noise of variance 1 becomes in the test error.
    test_error : :math:`\mathbb{E}\,(y - \hat f(x))^2` on new inputs, noise included, summed over outputs.
    train_error : the same, mean over the training examples.
    """

    samples: Array
    kappa: Array
    learnability: Array
    overfitting: Array
    test_error: Array
    train_error: Array


def learning_curve(
    spectrum: PopulationSpectrum, samples: ArrayLike, *, penalty: ArrayLike = 0.0, noise: float = 0.0
) -> LearningCurve:
    r"""The learning curve of kernel ridge regression; see the module.

    Parameters
    ----------
    spectrum : of the kernel and the target; its tail acts as a ridge, and unlearned power as noise.
    samples, penalty : n and δ, broadcast against each other.
    noise : :math:`\sigma^2`, summed over outputs.

    Raises
    ------
    GnomonError : on numbers below 1, or a negative ridge or noise.

    Cost: 60 p operations for each n.

    >>> flat = PopulationSpectrum(np.ones(100), np.full(100, 0.01))
    >>> curve = learning_curve(flat, [25, 50])
    >>> curve.learnability.mean(axis=1), curve.test_error  # without preferences n of 100 modes are learned
    (array([0.25, 0.5 ]), array([0.75, 0.5 ]))
    """
    found = solve(spectrum, samples, penalty)
    n, delta = np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (samples, penalty)))
    with np.errstate(divide="ignore"):
        overfitting = n / np.maximum(n - found.squared, 0.0)
    test_error = risk(spectrum, n, penalty=delta, noise=noise).total + noise
    share = 1 - found.degrees / n  # δ/(nκ), and what is left of it without a ridge
    with np.errstate(invalid="ignore"):
        train_error = np.where(share > _FITTED, share**2 * test_error, 0.0)
    return LearningCurve(
        samples=n,
        kappa=found.kappa,
        learnability=spectrum.eigenvalues / (spectrum.eigenvalues + found.kappa[:, None]),
        overfitting=overfitting,
        test_error=test_error,
        train_error=train_error,
    )


@register
@dataclass(frozen=True, kw_only=True, eq=False)
class KernelRidge(EquivalentRisk):
    r"""Excess risk of kernel ridge regression from the kernel's spectrum.

    .. math::
        R = \mathcal{E}_0 \Bigl(\sum_i (1 - \mathcal{L}_i)^2 v_i^2 + \sigma^2\Bigr) - \sigma^2, \qquad
        \mathcal{L}_i = \frac{\lambda_i}{\lambda_i + \kappa}, \qquad
        n = \sum_i \mathcal{L}_i + \frac{\delta}{\kappa},

    for test inputs drawn as the training inputs are. It takes the eigenfunctions at an input for independent numbers.
    On M equally likely points this is wrong by a relative O(n/M): examples repeat, and test inputs that were trained on
    are known. The theory refuses where n is more than an eighth of M, and states 2n/M below. Regressions on hypercubes
    have 1.07 to 1.22 times the risk foretold at n/M = 1/8, and 15 times and more as n nears M.

    Parameters
    ----------
    eigenvalues, power, tail, unlearned : as `PopulationSpectrum`; build one with `of`.
    multiplicity : how many modes share each eigenvalue.
    support : M, how many points there are to draw inputs from; ``None`` for a continuum.
    samples, penalty, noise : n, δ and :math:`\sigma^2`.

    >>> cube, = KernelRidge.examples()["inside"]
    >>> cube.support, cube.samples, round(cube.value(), 3)
    (4096, 200, 0.023)
    """

    name: ClassVar[str] = "kernel_ridge"
    title: ClassVar[str] = "Kernel ridge regression from its spectrum"
    domain: ClassVar[str] = (
        "independent inputs, of which fewer are drawn than an eighth of all there are; 16 examples or more; and so far "
        "from an interpolation peak that twice what one example more or less changes is at most a quarter of the risk"
    )
    source: ClassVar[str] = SOURCE

    eigenvalues: Array
    power: Array
    multiplicity: Array
    tail: float = 0.0
    unlearned: float = 0.0
    support: int | None = None

    @classmethod
    def of(
        cls,
        spectrum: PopulationSpectrum,
        *,
        samples: int,
        penalty: float = 0.0,
        noise: float = 0.0,
    ) -> Self:
        """From a spectrum, such as `gnomon.theory.hypercube.hypercube_spectrum` makes, and its support."""
        return cls(
            eigenvalues=spectrum.eigenvalues,
            power=spectrum.power,
            multiplicity=spectrum.counts,
            tail=spectrum.tail,
            unlearned=spectrum.unlearned,
            samples=samples,
            penalty=penalty,
            noise=noise,
            support=spectrum.support,
        )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.support is not None and self.support < 1:
            raise GnomonError(f"inputs are drawn from {self.support} points", mend="give their number, or None")

    def spectrum(self) -> PopulationSpectrum:
        """That which is given."""
        return PopulationSpectrum(self.eigenvalues, self.power, self.tail, self.unlearned, self.multiplicity)

    def systematic(self) -> float:
        """That of `EquivalentRisk`, and 2n/M of the risk."""
        return super().systematic() + 2 * self._crowding * self.value()

    def outside(self) -> tuple[str, ...]:
        """Also where the points that inputs are drawn from run out."""
        reasons = super().outside()
        if self._crowding > 0.125:
            reasons += (
                f"{self.samples} examples from {self.support} points repeat them, and what is memorised of these "
                "passes for generalisation",
            )
        return reasons

    @classmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """A product of two of 12 signs from 200 examples, and of 10 signs from nearly all corners."""
        return {"inside": [cls._example(12, 200)], "outside": [cls._example(10, 900)]}

    @classmethod
    def _example(cls, bits: int, samples: int) -> Self:
        power = np.zeros(bits + 1)
        power[2] = 1.0
        spectrum = hypercube_spectrum(lambda cosine: np.exp(cosine - 1), power)
        return cls.of(spectrum, samples=samples, penalty=1e-3)

    @property
    def _crowding(self) -> float:
        return 0.0 if self.support is None else self.samples / self.support
