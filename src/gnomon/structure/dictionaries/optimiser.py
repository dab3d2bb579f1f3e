"""Adam on a dictionary whose directions keep unit length, and how its learning rate goes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gnomon.structure.dictionaries.dictionary import Dictionary

# Gao et al., arXiv:2406.04093, appendix A: gradients are small where the loss is a share of the variance
_EPS = 6.25e-10
_CLIP = 1.0


class Optimiser:
    """Adam; the part of the decoder's gradient along each direction is taken out before, lengths are restored after.

    Without the first, Adam's momentum would be fed by what the second undoes. Gradients are clipped to norm 1.
    Source: Bricken et al., Towards Monosemanticity, 2023, appendix "Sparse Autoencoder Training Setup".
    """

    def __init__(self, dictionary: Dictionary, momentum: float) -> None:
        self._dictionary = dictionary
        self._names = [name for name, _ in dictionary.named_parameters()]
        parameters = list(dictionary.parameters())
        fused = parameters[0].device.type in ("cpu", "cuda")
        self._adam = torch.optim.Adam(parameters, betas=(momentum, 0.999), eps=_EPS, fused=fused)

    def step(self, loss: Tensor, learning_rate: float) -> None:
        """One step down the gradient of ``loss``."""
        self._adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        decoder = self._dictionary.decoder
        assert decoder.grad is not None
        with torch.no_grad():
            along = torch.linalg.vecdot(decoder.grad, decoder)
            decoder.grad.addcmul_(decoder, along[:, None], value=-1)
        torch.nn.utils.clip_grad_norm_(self._dictionary.parameters(), _CLIP)
        for group in self._adam.param_groups:
            group["lr"] = learning_rate
        self._adam.step()
        with torch.no_grad():
            decoder.div_(torch.linalg.vector_norm(decoder, dim=1, keepdim=True))

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint has to keep."""
        found = self._adam.state_dict()["state"]
        return {f"{self._names[n]}.{key}": value for n, entry in found.items() for key, value in entry.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave."""
        document = self._adam.state_dict()
        document["state"] = {
            n: {key: state[f"{name}.{key}"] for key in ("step", "exp_avg", "exp_avg_sq")}
            for n, name in enumerate(self._names)
        }
        self._adam.load_state_dict(document)


def schedule(step: int, steps: int, *, warm: int, decay: int) -> float:
    """Factor of the learning rate at ``step`` of ``steps``: up in the first ``warm``, down to 0 in the last ``decay``.

    >>> [schedule(n, 10, warm=2, decay=5) for n in (0, 1, 2, 5, 9)]
    [0.5, 1.0, 1.0, 1.0, 0.2]
    """
    up = (step + 1) / warm if step < warm else 1.0
    down = (steps - step) / decay if steps - step < decay else 1.0
    return min(up, down)
