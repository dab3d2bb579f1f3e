r"""FLOPs of convolutions.

Each output of a convolution is a sum of as many terms as its kernel has weights for one output channel, so that it is
:math:`2 |y| |w| / c_\mathrm{out}` FLOPs, and a transposed one :math:`2 |x| |w| / c_\mathrm{in}`; groups and dilations
change the sizes in it only, and what is padded counts as if it were there. The gradient with respect to the input and
that with respect to the weight have the same terms, each as many as the forward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from gnomon.subjects.flops.products import Flops, Formula


def _terms(weight: Tensor, points: int) -> int:
    """FLOPs of a kernel laid at ``points`` numbers, of the output or, where transposed, of the input."""
    return 2 * points * weight.numel() // weight.shape[0]


def _forward(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Flops | None:
    del kwargs
    given, weight, transposed = args[0], args[1], args[6]
    return Flops(_terms(weight, (given if transposed else out).numel()))


def _backward(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Flops | None:
    del kwargs, out
    gradient, given, weight, transposed, wanted = args[0], args[1], args[2], args[7], args[10]
    return Flops((wanted[0] + wanted[1]) * _terms(weight, (given if transposed else gradient).numel()))


CONVOLUTIONS: dict[str, Formula] = {"convolution": _forward, "convolution_backward": _backward}
