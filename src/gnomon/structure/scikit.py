"""Recursive feature machines with the interface of scikit-learn; needs the extra ``scikit-learn``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.kernel_machine import KernelMachine, Solver
from gnomon.structure.kernels import ExponentialPower, Kernel, Polynomial
from gnomon.structure.marginal_likelihood import most_likely
from gnomon.structure.recursive_feature_machine import RecursiveFeatureMachine
from gnomon.structure.tuning import Tuning

T = TypeVar("T")
Candidates = float | Sequence[float]

_LIKELIHOOD_ROWS = 1000
_FEWEST = 10  # examples below which none can be spared for validation


@dataclass(frozen=True, eq=False)
class _Units:
    """Inputs about their mean in units of the root mean squared distance between examples, targets about their mean."""

    origin: Tensor
    distance: float
    level: Tensor

    @classmethod
    def of(cls, inputs: Tensor, targets: Tensor) -> _Units:
        origin = inputs.mean(dim=0)
        distance = float((2 * (inputs - origin).to(torch.float64).square().sum(dim=1).mean()).sqrt())
        return cls(origin, distance if distance > 0 else 1.0, targets.mean(dim=0))

    def inputs(self, raw: Tensor) -> Tensor:
        return (raw - self.origin) / self.distance


class _RecursiveFeatures(BaseEstimator):  # type: ignore[misc]
    def __init__(
        self,
        kernel: Literal["generalised", "laplace", "gaussian", "quadratic"] = "generalised",
        *,
        bandwidth: Candidates = (0.6, 1.2, 2.4),
        exponent: Candidates = (1.0, 1.7),
        ridge: Candidates = (1e-4, 1e-3, 1e-2, 1e-1),
        power: Candidates = (1.0, 3.0),
        rounds: int = 5,
        tuning: Literal["validation", "likelihood"] = "validation",
        validation_share: float = 0.2,
        centred: bool = False,
        sample: int | None = None,
        solver: Solver = "auto",
        device: str | None = None,
        random_state: Any = 0,
    ) -> None:
        self.kernel = kernel
        self.bandwidth = bandwidth
        self.exponent = exponent
        self.ridge = ridge
        self.power = power
        self.rounds = rounds
        self.tuning = tuning
        self.validation_share = validation_share
        self.centred = centred
        self.sample = sample
        self.solver = solver
        self.device = device
        self.random_state = random_state

    def _fit(self, inputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Fit to ``targets``, ``(n, outputs)``."""
        rng = Rng(int(check_random_state(self.random_state).randint(2**31)))
        x = self._tensor(inputs)
        y = self._tensor(targets).to(x.dtype)
        self._units = _Units.of(x, y)
        x, y = self._units.inputs(x), y - self._units.level
        self.recipe_, self._machine = self._chosen(x, y, rng)
        self.metric_ = self._machine.metric.to("cpu", torch.float64).numpy()
        self.agop_ = self._machine.agop(x, centred=self.centred).cpu().numpy() / self._units.distance**2

    def _chosen(self, x: Tensor, y: Tensor, rng: Rng) -> tuple[RecursiveFeatureMachine, KernelMachine]:
        kernels, ridges, powers = self._kernels(), _several(self.ridge), _several(self.power)
        recipe = RecursiveFeatureMachine(
            kernel=_middle(kernels),
            ridge=_middle(ridges),
            power=powers[0],
            rounds=self.rounds if bool((y != 0).any()) and bool((x != 0).any()) else 0,
            centred=self.centred,
            sample=self.sample,
            solver=self.solver,
        )
        if self.tuning not in ("validation", "likelihood"):
            raise GnomonError(f"unknown tuning {self.tuning!r}", mend="validation or likelihood")
        if recipe.rounds and len(x) >= _FEWEST and self.tuning == "validation":
            found = Tuning(
                kernels=kernels, ridges=ridges, powers=powers, rounds=self.rounds, share=self.validation_share
            ).run(x, y, recipe, rng=rng)
            return found.recipe, found.machine
        if recipe.rounds and self.tuning == "likelihood":
            if not isinstance(recipe.kernel, ExponentialPower):
                raise GnomonError("the likelihood tunes radial kernels only", mend="choose tuning by validation")
            kernel, ridge = most_likely(
                recipe.kernel,
                x,
                y,
                metric=torch.eye(x.shape[1]),
                ridge=recipe.ridge,
                rows=_LIKELIHOOD_ROWS,
                rng=rng.child("likelihood"),
            )
            recipe = replace(recipe, kernel=kernel, ridge=ridge)
        return recipe, recipe.fit(x, y, rng=rng)

    def _kernels(self) -> list[Kernel]:
        """All candidates, in units of the root mean squared distance."""
        bandwidths = _several(self.bandwidth)
        if self.kernel == "quadratic":
            return [Polynomial(2, offset=bandwidth**2) for bandwidth in bandwidths]
        exponents = {"laplace": [1.0], "gaussian": [2.0], "generalised": _several(self.exponent)}
        if self.kernel not in exponents:
            raise GnomonError(f"unknown kernel {self.kernel!r}", mend=f"one of {', '.join(exponents)}, quadratic")
        return [ExponentialPower(length, exponent) for exponent in exponents[self.kernel] for length in bandwidths]

    def _tensor(self, values: NDArray[Any]) -> Tensor:
        device = self.device or ("cuda" if torch.cuda.is_available() else "cpu")
        return torch.from_numpy(np.array(values)).to(device)

    def _outputs(self, X: Any) -> NDArray[Any]:
        """``(n, outputs)`` at new inputs."""
        check_is_fitted(self)
        inputs = self._tensor(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))
        found = self._machine.predict(self._units.inputs(inputs.to(self._units.origin))) + self._units.level
        return np.asarray(found.cpu().numpy())


class RecursiveFeatureRegressor(RegressorMixin, _RecursiveFeatures):  # type: ignore[misc]
    r"""Regression by a recursive feature machine; see `gnomon.structure.RecursiveFeatureMachine`.

    Inputs are taken about their mean, in units of the root mean squared distance between two training examples:
    a change of origin or basis that keeps angles changes nothing, a change of the unit of a single column does. float64
    is computed in float64, float32 in float32 at half the cost.

    Where several candidates are given, validation chooses (`gnomon.structure.tuning.Tuning`), or
    the marginal likelihood, from the middle candidates of ``bandwidth``, ``exponent`` and ``ridge`` on. With fewer than
    ten examples nothing is tuned: the middle candidates are taken, and the first power.

    Parameters
    ----------
    kernel : ``generalised``, :math:`e^{-(\rho/L)^\gamma}`; ``laplace``, γ = 1; ``gaussian``, γ = 2; ``quadratic``,
        :math:`(L^2 + x^\top M z)^2`.
    bandwidth : L, in units of the root mean squared distance.
    exponent : γ, for ``generalised``.
    ridge : λ, in the unit of the kernel.
    power : of the average gradient outer product.
    rounds : how many times the metric is learned; with validation, at most.
    tuning : ``validation`` or ``likelihood``.
    validation_share : of the examples, drawn at random; in the end all examples are fitted.
    centred, sample, solver : see `gnomon.structure.RecursiveFeatureMachine`.
    device : of torch; by default a GPU where there is one.
    random_state : of the split, of what is drawn.

    Attributes
    ----------
    recipe_ : the machine that was chosen.
    metric_ : M of its last round, ``(d, d)``.
    agop_ : the average gradient outer product of the fitted function in the units of the inputs, ``(d, d)``.
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Fit to inputs ``(n, d)`` and targets ``(n,)`` or ``(n, outputs)``."""
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32], multi_output=True, y_numeric=True)
        self._flat = np.ndim(y) == 1
        self._fit(X, np.asarray(y).reshape(len(X), -1))
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Predictions at inputs ``(m, d)``, of the shape that the targets had."""
        found = self._outputs(X)
        return found[:, 0] if self._flat else found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class RecursiveFeatureClassifier(ClassifierMixin, _RecursiveFeatures):  # type: ignore[misc]
    r"""Classification by a recursive feature machine on one-hot classes; see `RecursiveFeatureRegressor`.

    Least squares on one-hot classes estimate the conditional probability of each class. The estimates sum to one but
    may leave [0, 1]; `predict_proba` gives the nearest probability vector, in Euclidean distance. It is a regression's
    estimate, no more calibrated than that: with a small ridge it is too sure of itself, which
    ``sklearn.calibration.CalibratedClassifierCV`` mends.

    Parameters
    ----------
    as of `RecursiveFeatureRegressor`; validation goes by the squared error of the estimates (Brier's score).

    Attributes
    ----------
    classes_ : in rising order.
    recipe_, metric_, agop_ : as of `RecursiveFeatureRegressor`.
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Fit to inputs ``(n, d)`` and classes ``(n,)``."""
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        self._fit(X, np.eye(len(self.classes_))[numbers])
        return self

    def decision_function(self, X: Any) -> NDArray[Any]:
        """The estimates ``(m, classes)``; of two classes, how far the second is above the first, ``(m,)``."""
        found = self._outputs(X)
        return found[:, 1] - found[:, 0] if len(self.classes_) == 2 else found

    def predict(self, X: Any) -> NDArray[Any]:
        """The class with the highest estimate."""
        highest = self._outputs(X).argmax(axis=1)
        return np.asarray(self.classes_[highest])

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Probabilities ``(m, classes)``."""
        return nearest_probabilities(self._outputs(X))


def nearest_probabilities(estimates: NDArray[Any]) -> NDArray[Any]:
    """The point of the simplex nearest to each row, ``(n, classes)``.

    Source: Held, Wolfe & Crowder, Mathematical Programming 6 (1974) 62.

    >>> nearest_probabilities(np.array([[1.2, -0.1, -0.1], [0.5, 0.3, 0.2]])).tolist()
    [[1.0, 0.0, 0.0], [0.5, 0.3, 0.2]]
    """
    falling = -np.sort(-estimates, axis=1)
    excess = (np.cumsum(falling, axis=1) - 1) / np.arange(1, estimates.shape[1] + 1)
    support = (falling > excess).sum(axis=1, keepdims=True)
    return np.asarray(np.maximum(estimates - np.take_along_axis(excess, support - 1, axis=1), 0.0))


def _several(values: Candidates) -> list[float]:
    found = [float(value) for value in np.atleast_1d(np.asarray(values, dtype=float))]
    if not found:
        raise GnomonError("there is no candidate", mend="give a number or several")
    return found


def _middle(candidates: Sequence[T]) -> T:
    return candidates[len(candidates) // 2]
