"""Many small fits at once: damped Gauss-Newton steps on squared or Huber loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gnomon.laws.form import Array, Form

_BLOCK = 1_000_000  # numbers in a Jacobian; what fits a cache is fastest
_DECREASE = 1e-12  # relative, of the objective, below which a step is the last
_STEPS = 300


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What is minimised: the mean over rows, by weight, of a loss of the residual.

    Parameters
    ----------
    scale : residuals of the values, ``linear``, or of their logarithms, ``log``.
    delta : Huber's loss is r²/2 up to there and δ(|r| - δ/2) beyond; infinite for the square alone.
    """

    scale: Literal["linear", "log"] = "linear"
    delta: float = np.inf

    def residual(self, y: Array, f: Array) -> Array:
        """Residuals; not finite where the form has no logarithm."""
        if self.scale == "linear":
            return y - f
        return np.log(y) - np.log(np.where(f > 0, f, np.nan))

    def of(self, residual: Array) -> Array:
        """The loss of each residual."""
        if not np.isfinite(self.delta):
            return residual**2 / 2
        size = np.abs(residual)
        return np.where(size <= self.delta, residual**2 / 2, self.delta * (size - self.delta / 2))

    def slope(self, residual: Array) -> Array:
        """Its derivative ψ."""
        return np.clip(residual, -self.delta, self.delta)


@dataclass(frozen=True, kw_only=True, eq=False)
class Optima:
    """Where the fits ended.

    Parameters
    ----------
    theta : coordinates, shape ``(fits, p)``.
    objective : shape ``(fits,)``; infinite where no start had finite residuals.
    converged : whether the last step promised a relative decrease of less than 10⁻¹², shape ``(fits,)``.
    """

    theta: Array
    objective: Array
    converged: NDArray[np.bool_]


def minimise(
    form: Form,
    x: Array,
    y: Array,
    starts: Array,
    loss: Loss,
    *,
    weights: Array | None = None,
    held: NDArray[np.bool_] | None = None,
) -> Optima:
    r"""Minimise :math:`\sum_i w_i \rho(r_i) / \sum_i w_i` for many fits at once, each from one start.

    A step solves :math:`(H + \lambda (G + \mathrm{diag}\,G / 10))\,d = -g`. With J the Jacobian of the residuals and ρ
    the loss, :math:`g = J^\top W \rho'(r)`, H has the weights ρ''(r): within δ it is Newton's on the pieces of Huber's
    loss. G has the weights :math:`\rho'(r)/r`, those of iteratively reweighted least squares, a majoriser: so damping
    shortens the step in the metric of the problem, and where few residuals are within δ (nearly least absolute
    values) a step is still one that descends. λ follows the ratio of the actual to the predicted decrease.

    Parameters
    ----------
    x : shape ``(n, columns)``, the same for all fits.
    y : shape ``(n,)`` or ``(fits, n)``.
    starts : shape ``(fits, p)``.
    weights : of rows, not negative, shape ``(n,)`` or ``(fits, n)``; multiplicities of a bootstrap, zeros for rows
        left out.
    held : coordinates that stay where they start, shape ``(fits, p)``.

    Cost: about 20-60 values and Jacobians a fit, each n·p numbers; blocks bound the memory.

    Source: Moré, "The Levenberg-Marquardt algorithm", LNM 630 (1978) 105; Huber, Robust Statistics (1981), 7.8.
    """
    fits = len(starts)
    rows = len(x)
    block = max(1, _BLOCK // max(1, rows * starts.shape[1]))
    y = np.broadcast_to(y, (fits, rows))
    weights = np.broadcast_to(1.0 if weights is None else weights, (fits, rows))
    held = np.zeros(starts.shape, bool) if held is None else held
    parts = [
        _Descent(form, x, y[part], weights[part], loss, starts[part], held[part]).run()
        for part in (slice(first, first + block) for first in range(0, fits, block))
    ]
    return Optima(
        theta=np.concatenate([p.theta for p in parts]),
        objective=np.concatenate([p.objective for p in parts]),
        converged=np.concatenate([p.converged for p in parts]),
    )


class _Descent:
    """One block of fits; arrays are indexed by fit, and finished fits are no longer evaluated."""

    def __init__(
        self, form: Form, x: Array, y: Array, weights: Array, loss: Loss, starts: Array, held: NDArray[np.bool_]
    ) -> None:
        self.form, self.x, self.loss, self.held = form, x, loss, held
        self.y = y
        self.weights = weights / weights.sum(-1, keepdims=True)
        self.theta = np.array(starts, dtype=float)
        self.objective, self.residual = self._evaluate(np.arange(len(starts)), self.theta)
        self.converged = np.zeros(len(starts), bool)
        p = starts.shape[1]
        self.gradient = np.zeros((len(starts), p))
        self.newton = np.zeros((len(starts), p, p))
        self.majorant = np.zeros((len(starts), p, p))
        # below this an objective is rounding, whatever its relative decrease
        self.floor = 1e-30 * (self.weights * self.loss.of(self._spread())).sum(-1) + 1e-300

    def run(self) -> Optima:
        with np.errstate(all="ignore"):
            active = np.flatnonzero(np.isfinite(self.objective))
            damping = np.full(len(self.theta), 0.1)
            moved = active
            for _ in range(_STEPS):
                if not len(active):
                    break
                self._linearise(moved)
                step, promised = self._step(active, damping[active])
                trial = self.theta[active] + step
                objective, residual = self._evaluate(active, trial)
                decrease = self.objective[active] - objective
                better: NDArray[np.bool_] = (decrease > 1e-4 * promised) & np.isfinite(objective) & (decrease >= 0)
                moved = active[better]
                self.theta[moved], self.objective[moved] = trial[better], objective[better]
                self.residual[moved] = residual[better]
                ratio = decrease / np.maximum(promised, 1e-300)
                factor = np.where(ratio > 0.75, 0.2, np.where(ratio > 0.25, 1.0, 4.0))
                damping[active] = np.maximum(damping[active] * np.where(better, factor, 8.0), 1e-9)
                little = promised <= _DECREASE * self.objective[active] + self.floor[active]
                done = little & (damping[active] <= 1.0)
                stuck = damping[active] > 1e12
                self.converged[active[done | stuck]] = True
                active = active[~(done | stuck)]
                moved = np.intersect1d(moved, active, assume_unique=True)
        return Optima(theta=self.theta, objective=self.objective, converged=self.converged)

    def _spread(self) -> Array:
        y = np.log(np.where(self.y > 0, self.y, np.nan)) if self.loss.scale == "log" else self.y
        return np.asarray(np.nan_to_num(y - y.mean(-1, keepdims=True)))

    def _evaluate(self, fits: NDArray[np.intp], theta: Array) -> tuple[Array, Array]:
        with np.errstate(all="ignore"):
            residual = self.loss.residual(self.y[fits], self.form.value(self.x, theta))
            terms = np.where(self.weights[fits] > 0, self.weights[fits] * self.loss.of(residual), 0.0)
            objective = terms.sum(-1)
        return np.where(np.isfinite(objective), objective, np.inf), residual

    def _linearise(self, fits: NDArray[np.intp]) -> None:
        jacobian = self.form.jacobian(self.x, self.theta[fits])
        if self.loss.scale == "log":
            jacobian = jacobian / self.form.value(self.x, self.theta[fits])[..., None]
        # a row without weight may be outside what the form or the loss can take
        weights = self.weights[fits]
        jacobian = np.where(self.held[fits][:, None, :] | (weights == 0)[..., None], 0.0, jacobian)
        residual = np.where(weights > 0, self.residual[fits], 0.0)
        slope = weights * self.loss.slope(residual)
        self.gradient[fits] = -(np.swapaxes(jacobian, -1, -2) @ slope[..., None])[..., 0]
        transposed = np.ascontiguousarray(np.swapaxes(jacobian, -1, -2))
        size = np.abs(residual)
        inside = np.where(size <= self.loss.delta, weights, 0.0)
        self.newton[fits] = (transposed * inside[:, None, :]) @ jacobian
        if np.isfinite(self.loss.delta):
            outside = np.where(size <= self.loss.delta, weights, weights * self.loss.delta / size)
            self.majorant[fits] = (transposed * outside[:, None, :]) @ jacobian
        else:
            self.majorant[fits] = self.newton[fits]

    def _step(self, fits: NDArray[np.intp], damping: Array) -> tuple[Array, Array]:
        newton, majorant, gradient = self.newton[fits], self.majorant[fits], self.gradient[fits]
        diagonal = np.diagonal(majorant, axis1=-2, axis2=-1)
        ridge = np.where(diagonal > 0, diagonal, 1.0) * (1e-13 + 0.1 * damping)[:, None]
        matrix = newton + damping[:, None, None] * majorant
        matrix += ridge[..., None] * np.eye(ridge.shape[-1])
        scale = 1 / np.sqrt(np.diagonal(matrix, axis1=-2, axis2=-1))
        matrix = matrix * scale[..., :, None] * scale[..., None, :]
        good = np.asarray(np.isfinite(matrix).all((-2, -1)) & np.isfinite(gradient).all(-1))
        # rounding may leave no inverse where coordinates have the same effect; more damping gives one
        good &= np.linalg.det(np.where(good[:, None, None], matrix, np.eye(ridge.shape[-1]))) != 0
        matrix[~good] = np.eye(ridge.shape[-1])
        step = -np.linalg.solve(matrix, (gradient * scale)[..., None])[..., 0] * scale
        step = np.where(good[:, None], step, 0.0)
        promised = -(gradient * step).sum(-1) - (step * (newton @ step[..., None])[..., 0]).sum(-1) / 2
        return step, np.where(good, promised, 0.0)
