"""The contract of a form: a parametric pattern that measurements may follow."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from gnomon.errors import GnomonError

Array = NDArray[np.float64]


class Form(abc.ABC):
    r"""A function :math:`f(x; \theta)` of the columns of a table, with its derivatives.

    Everything is computed for many parameter vectors at once: leading axes of ``theta`` broadcast with those of ``x``.
    The fit is made in coordinates θ on all of :math:`\mathbb{R}^p` (a positive parameter by its logarithm); people
    read the parameters by name. Only `value` must be written: the rest has defaults, of which an analytic `jacobian`
    and `starts` that know the form are worth replacing. A form that is
    linear in its parameters is a `gnomon.laws.linear.LinearForm`.

    Attributes
    ----------
    name : snake_case, what ``gnomon fit --form`` calls it.
    title : a few words.
    equation : LaTeX.
    source : papers.
    columns : names of its inputs, in order, e.g. ``("N", "D")``; one input is called ``x``. Without any, the form is
        the same whatever the inputs.
    parameters : what each means, by name, in the order of the natural parameters.
    positive : names of the parameters that are positive.
    logarithmic : whether the inputs must be positive.
    open_when : by name of a parameter, the clause that says what the data lack when they do not bound it.

    >>> class Inverse(Form):
    ...     name, title, equation, source = "inverse", "Inverse", "y = a + b / x", "an example"
    ...     parameters = {"a": "the limit", "b": "how fast it is reached"}
    ...
    ...     def value(self, x, theta):
    ...         a, b = self.named(theta)
    ...         return a + b / x[..., 0]
    >>> Inverse().value(np.array([[2.0], [4.0]]), np.array([1.0, 8.0]))
    array([5., 3.])
    """

    name: ClassVar[str]
    title: ClassVar[str]
    equation: ClassVar[str]
    source: ClassVar[str]
    columns: ClassVar[tuple[str, ...]] = ("x",)
    parameters: ClassVar[Mapping[str, str]]
    positive: ClassVar[Sequence[str]] = ()
    logarithmic: ClassVar[bool] = False
    open_when: ClassVar[Mapping[str, str]] = {}

    @abc.abstractmethod
    def value(self, x: Array, theta: Array) -> Array:
        """Values, shape ``(..., n)``, at ``x`` of shape ``(..., n, columns)`` for θ of shape ``(..., p)``."""

    def jacobian(self, x: Array, theta: Array) -> Array:
        """Derivatives of `value` by θ, shape ``(..., n, p)``.

        By default central differences: two values a parameter, relative error about 1e-10. The solver decides by
        values whether it moves on, so what they cost is steps, not the optimum.
        """
        steps = np.finfo(float).eps ** (1 / 3) * np.maximum(1.0, np.abs(theta))
        shifts = steps[..., None] * np.eye(theta.shape[-1])
        up, down = theta[..., None, :] + shifts, theta[..., None, :] - shifts
        inputs = x[..., None, :, :]
        difference = self.value(inputs, up) - self.value(inputs, down)
        width = np.diagonal(up - down, axis1=-2, axis2=-1)
        return np.swapaxes(difference / width[..., None], -2, -1)

    def natural(self, theta: Array) -> Array:
        """The named parameters, shape ``(..., p)``, of θ; each increases with its own coordinate and no other."""
        with np.errstate(over="ignore"):
            return np.where(self.positives, np.exp(np.where(self.positives, theta, 0.0)), theta)

    def coordinates(self, natural: Array) -> Array:
        """θ of the named parameters; the inverse of `natural`."""
        return np.where(self.positives, np.log(np.where(self.positives, natural, 1.0)), natural)

    def starts(self, x: Array, y: Array, count: int) -> Array:
        """``count`` places or a few more, shape ``(…, p)``, that a fit of ``y`` (n,) at ``x`` (n, columns) begins from.

        By default the best, by squared error, of a space-filling cloud 50 times as large: positive parameters over the
        magnitudes met in the table and four decades beyond them, others likewise with either sign.
        """
        sizes = np.abs(np.concatenate([x.ravel(), y]))
        sizes = np.log(sizes[sizes > 0]) if (sizes > 0).any() else np.zeros(1)
        low, high = min(0.0, sizes.min()) - np.log(1e4), max(0.0, sizes.max()) + np.log(1e4)
        places = qmc.Halton(len(self.parameters), scramble=False).random(50 * count + 1)[1:]
        positive = np.exp(low + places * (high - low))
        signed = np.sign(places - 0.5) * np.exp(low + np.abs(2 * places - 1) * (high - low))
        cloud = self.coordinates(np.where(self.positives, positive, signed))
        with np.errstate(all="ignore"):
            error = ((self.value(x, cloud) - y) ** 2).mean(-1)
        return np.asarray(cloud[np.argsort(np.where(np.isfinite(error), error, np.inf))[:count]])

    def named(self, theta: Array) -> tuple[Array, ...]:
        """The natural parameters one by one, each of shape ``(..., 1)``, ready to be combined with columns."""
        return tuple(np.moveaxis(self.natural(theta)[..., None, :], -1, 0))

    def check(self, x: Array) -> None:
        """Raise GnomonError when the form has no meaning at ``x``, shape ``(n, columns)``."""
        if self.columns and x.shape[-1] != len(self.columns):
            raise GnomonError(
                f"form {self.name!r} has {len(self.columns)} inputs ({', '.join(self.columns)}), {x.shape[-1]} given",
                mend="give as many columns, in that order",
            )
        if self.logarithmic and not (x > 0).all():
            column, row = np.argwhere(~(x > 0).T)[0]
            raise GnomonError(
                f"form {self.name!r} needs {self.columns[column]} > 0, and it is {x[row, column]:g} in row {row + 1}",
                mend="leave the row out, or choose another form",
            )

    @property
    def positives(self) -> NDArray[np.bool_]:
        """Which coordinates are logarithms of positive parameters, shape ``(p,)``."""
        return np.array([name in self.positive for name in self.parameters])
