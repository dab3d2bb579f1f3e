"""The contract of a form: a parametric pattern that measurements may follow."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gnomon.randomness import Rng

Array = NDArray[np.float64]


class Form(abc.ABC):
    r"""A function :math:`f(x; \theta)` of the columns of a table, with its derivatives.

    Everything is computed for many parameter vectors at once: leading axes of ``theta`` broadcast with those of ``x``.
    The fit is made in coordinates θ on all of :math:`\mathbb{R}^p` (a positive parameter by its logarithm); people
    read the parameters by name.

    Attributes
    ----------
    name : snake_case, what ``gnomon fit --form`` calls it.
    title : a few words.
    equation : LaTeX.
    source : papers.
    columns : names of its inputs, in order, e.g. ``("N", "D")``; one input is called ``x``.
    parameters : what each means, by name, in the order of the natural parameters.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    equation: ClassVar[str]
    source: ClassVar[str]
    columns: ClassVar[tuple[str, ...]] = ("x",)
    parameters: ClassVar[Mapping[str, str]]

    @abc.abstractmethod
    def value(self, x: Array, theta: Array) -> Array:
        """Values, shape ``(..., n)``, at ``x`` of shape ``(..., n, columns)`` for θ of shape ``(..., p)``."""

    @abc.abstractmethod
    def jacobian(self, x: Array, theta: Array) -> Array:
        """Derivatives of `value` by θ, shape ``(..., n, p)``."""

    @abc.abstractmethod
    def natural(self, theta: Array) -> Array:
        """The named parameters, shape ``(..., p)``, of θ; increasing in each coordinate."""

    @abc.abstractmethod
    def coordinates(self, natural: Array) -> Array:
        """θ of the named parameters; the inverse of `natural`."""

    @abc.abstractmethod
    def starts(self, x: Array, y: Array, count: int, rng: Rng) -> Array:
        """About ``count`` places, shape ``(count, p)``, that a fit of ``y`` (n,) at ``x`` (n, columns) begins from."""
