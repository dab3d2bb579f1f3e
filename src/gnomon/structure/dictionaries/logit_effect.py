"""What the direction of a latent does to the network's output directly, past all that would respond to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.dictionary import Dictionary
from gnomon.subjects import Data, RowAccumulator, RowSample, Subject, accumulate

_ROWS = 64
_TEXTS = 128
_CHUNK = 8
_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class LogitEffect:
    r"""Change of the logits for one unit of a latent's activation, :math:`s_y\, W_U \bar J d`.

    Parameters
    ----------
    head : ``(vocabulary, e)``, :math:`W_U \bar J` without its mean over the vocabulary, which softmax ignores.
    directions : ``(m, e)``, :math:`s_y d`.
    """

    head: Tensor
    directions: Tensor

    def of(self, latents: Tensor) -> Tensor:
        """``(len(latents), vocabulary)``."""
        return self.directions[latents] @ self.head.T


def logit_effect(subject: Subject, data: Data, dictionary: Dictionary, *, rng: Rng) -> LogitEffect:
    r"""The direct effect of each latent on the logits of the position where it is active.

    :math:`W_U` is the unembedding and :math:`\bar J` the Jacobian of the final normalisation, averaged over 64
    positions drawn from at most 128 texts. It is a linearisation, exact where there is no normalisation, and it holds
    fixed all that stands between the latent and the end: attention and MLPs that read the latent are left out.

    Raises
    ------
    GnomonError : when the network has no unembedding, when its width is not that of the latents, or when, on the data,
        the unembedding of the normalised last block is not the output (the network does something else at its end).

    Cost: a forward pass over at most 128 texts, and :math:`64 e` passes through the normalisation alone.
    Source: logit lens, nostalgebraist (2020); direct logit attribution, Elhage et al. (2021), "A Mathematical Framework
    for Transformer Circuits".
    """
    unembed = getattr(subject.module, "get_output_embeddings", lambda: None)()
    blocks = [name for name in subject.sites if name.startswith("blocks.") and name.count(".") == 1]
    if not isinstance(unembed, nn.Linear) or not blocks or "logits" not in subject.sites:
        raise GnomonError(f"{subject.name} has no unembedding", mend="logit effects are those of language models")
    width = dictionary.decoder.shape[1]
    if unembed.weight.shape[1] != width:
        raise GnomonError(f"latents have width {width}, the unembedding {unembed.weight.shape[1]}")
    norm: Any = subject.submodule(subject.site("final_norm")) if "final_norm" in subject.sites else nn.Identity()
    rows = {site: RowSample(site, rows=_ROWS) for site in (blocks[-1], "logits")}
    found, _ = accumulate(subject, data.sample(_TEXTS, rng), list(rows.values()), rng)
    last, logits = (_values(found[rows[site]]).to(unembed.weight) for site in (blocks[-1], "logits"))
    with torch.no_grad():
        again = unembed(norm(last))
        off = (again - logits) - (again - logits).mean(dim=1, keepdim=True)
        if not bool(off.abs().max() <= _TOLERANCE * logits.std()):
            raise GnomonError(f"the logits of {subject.name} are not the unembedding of its normalised last block")
        jacobian = sum(vmap(jacrev(norm))(last[i : i + _CHUNK]).sum(dim=0) for i in range(0, len(last), _CHUNK)) / len(
            last
        )
        head = (unembed.weight @ jacobian).float()
        return LogitEffect(
            head=head - head.mean(dim=0), directions=(dictionary.target_scale * dictionary.decoder).float()
        )


def _values(found: object) -> Tensor:
    assert isinstance(found, RowAccumulator)  # made by a RowSample; rows come in the same order at every site
    return torch.from_numpy(found.values)
