"""The loss of language models in parameters and tokens."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gnomon.laws.form import Array, Form
from gnomon.laws.projection import project
from gnomon.laws.registry import register


@register
class Chinchilla(Form):
    r"""The sum of powers :math:`L(N, D) = E + A N^{-\alpha} + B D^{-\beta}`, all parameters positive.

    N is the number of parameters, D of tokens. Hoffmann et al. fit the logarithm of the loss with Huber's δ = 10⁻³,
    in the same coordinates; Besiroglu et al. give intervals.
    """

    name = "chinchilla"
    title = "Sum of powers in parameters and tokens"
    equation = r"L = E + A N^{-\alpha} + B D^{-\beta}"
    source = "Hoffmann et al. (2022) arXiv:2203.15556; Besiroglu et al. (2024) arXiv:2404.10102"
    columns = ("N", "D")
    parameters: ClassVar = {
        "E": "loss that neither parameters nor tokens reduce",
        "A": "what few parameters cost, at N = 1",
        "B": "what few tokens cost, at D = 1",
        "alpha": "exponent of N",
        "beta": "exponent of D",
    }
    positive = ("E", "A", "B", "alpha", "beta")
    logarithmic = True
    open_when: ClassVar = {
        "E": "the data do not reach the plateau",
        "A": "N reduces the loss too little",
        "alpha": "N reduces the loss too little",
        "B": "D reduces the loss too little",
        "beta": "D reduces the loss too little",
    }

    def value(self, x: Array, theta: Array) -> Array:
        e, a, b, alpha, beta = np.moveaxis(theta[..., None, :], -1, 0)
        n, d = np.log(x[..., 0]), np.log(x[..., 1])
        y: Array = np.exp(e) + np.exp(a - np.exp(alpha) * n) + np.exp(b - np.exp(beta) * d)
        return y

    def jacobian(self, x: Array, theta: Array) -> Array:
        e, a, b, alpha, beta = np.moveaxis(theta[..., None, :], -1, 0)
        n, d = np.exp(alpha) * np.log(x[..., 0]), np.exp(beta) * np.log(x[..., 1])
        few, short = np.exp(a - n), np.exp(b - d)
        return np.stack([np.broadcast_to(np.exp(e), few.shape), few, short, -n * few, -d * short], -1)

    def starts(self, x: Array, y: Array, count: int) -> Array:
        side = max(2, int(np.ceil(np.sqrt(count))))
        exponents = np.geomspace(0.06, 1.5, side)
        alpha, beta = (grid.ravel() for grid in np.meshgrid(exponents, exponents))
        powers = [x[:, 0] ** -alpha[:, None], x[:, 1] ** -beta[:, None]]
        basis = np.stack([np.ones_like(powers[0]), *powers], -1)
        floor = 1e-3 * max(np.abs(y).mean(), 1e-300)
        linear = project(basis / basis[:, :1], y, np.full(3, floor)) / basis[:, 0]
        return self.coordinates(np.column_stack([linear, alpha, beta]))
