"""FLOPs of fused recurrent layers: each of their matrices meets each position once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gnomon.subjects.flops.products import Flops, Formula


def _layer(times: int) -> Formula:
    """One direction of one layer; ``times`` is 2 for the backward pass, for the inputs' gradient and the weights'."""

    def formula(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Flops | None:
        del kwargs, out
        rows = args[0].numel() // args[0].shape[-1]
        return Flops(2 * times * rows * (args[1].numel() + args[2].numel()))

    return formula


RECURRENCE: dict[str, Formula] = {"mkldnn_rnn_layer": _layer(1), "mkldnn_rnn_layer_backward": _layer(2)}
