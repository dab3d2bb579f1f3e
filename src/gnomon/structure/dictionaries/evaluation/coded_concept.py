"""The examples of a concept with their codes, and read-outs fitted without a fold of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.codes import Codes
from gnomon.structure.dictionaries.dictionary import Dictionary
from gnomon.structure.dictionaries.evaluation.reconstruction import encoded
from gnomon.structure.dictionaries.evaluation.source import BLOCK
from gnomon.structure.directions.folds import assign_folds
from gnomon.structure.directions.logistic import Logistic, logistic_weight
from gnomon.structure.examples import Examples

_FOLDS = 5


class CodedConcept:
    """Examples of a concept, their codes and their folds. Graded examples have the concept above the median.

    Parameters
    ----------
    dictionary : an autoencoder or transcoder.
    examples : vectors at its input site.
    rng : deals the folds.

    Attributes
    ----------
    examples : with labels +1 and −1.
    fold : ``(n,)`` int64; clusters are whole, and every fold has its share of each label.

    Raises
    ------
    GnomonError : when the width is not the dictionary's; InsufficientEvidenceError for too few examples.

    Cost: encoding of the examples. Memory: their codes, not every latent of each.
    """

    def __init__(self, dictionary: Dictionary, examples: Examples, rng: Rng) -> None:
        width = dictionary.encoder.shape[1]
        if examples.inputs.shape[1] != width:
            raise GnomonError(
                f"examples of width {examples.inputs.shape[1]} are not for a dictionary of vectors of width {width}",
                mend="read them at the site that it was trained on",
            )
        labels = torch.where(examples.positive, 1.0, -1.0).double().cpu()
        self.dictionary = dictionary
        self.examples = Examples(inputs=examples.inputs.cpu(), labels=labels, clusters=examples.clusters)
        self.fold = assign_folds(self.examples, folds=_FOLDS, rng=rng.child("folds"))
        blocks = torch.split(self.examples.inputs, BLOCK)
        self._codes = _joined([encoded(dictionary, part) for part in blocks])

    @property
    def folds(self) -> int:
        """How many folds there are."""
        return int(self.fold.max()) + 1

    def outside(self, *folds: int) -> Tensor:
        """``(n,)`` bool: the examples of no fold of ``folds``."""
        return torch.from_numpy(~np.isin(self.fold, folds))

    def codes(self, rows: Tensor) -> Codes:
        """Of the examples at ``rows``, on the CPU."""
        return Codes(self._codes.indices[rows], self._codes.values[rows], self._codes.latents)

    def ranked(self, train: Tensor) -> Tensor:
        """Latents by the absolute difference of class means in ``train``, ``(n,)`` bool, the largest first.

        Latents that are active for none of them are left out.

        Source: Gurnee et al., arXiv:2305.01610 (maximum mean difference).
        """
        sums = torch.zeros(2, self.dictionary.latents, dtype=torch.float64)
        positive = self.examples.labels > 0
        for side, rows in enumerate((train & positive, train & ~positive)):
            codes = self.codes(torch.nonzero(rows)[:, 0])
            sums[side].index_add_(0, codes.indices.reshape(-1), codes.values.reshape(-1).double())
        means = sums / torch.stack([(train & positive).sum(), (train & ~positive).sum()])[:, None]
        order = (means[0] - means[1]).abs().argsort(descending=True, stable=True)
        return order[means.sum(dim=0)[order] > 0]

    def columns(self, latents: Tensor) -> Tensor:
        """``(n, k)`` float64: the activations of ``latents``, which are distinct."""
        place = torch.full((self.dictionary.latents,), len(latents), dtype=torch.int64)
        place[latents] = torch.arange(len(latents))
        empty = torch.zeros(len(self._codes), len(latents) + 1, dtype=torch.float64)
        return empty.scatter_add_(1, place[self._codes.indices], self._codes.values.double())[:, :-1]

    def read_out(self, columns: Tensor, train: Tensor) -> Tensor:
        """Scores ``(n,)`` of a penalised logistic regression on ``columns``, ``(n, k)``, fitted on ``train``.

        Its penalty is that of `Logistic`. Without a column that varies, all scores are zero.
        """
        return columns @ self.weight(columns, train)

    def weight(self, columns: Tensor, train: Tensor) -> Tensor:
        """``(k,)``: the weight behind `read_out`."""
        inside = columns[train]
        spread = float((inside - inside.mean(dim=0)).square().sum(dim=1).mean()) if inside.shape[1] else 0.0
        if spread == 0:
            return torch.zeros(columns.shape[1], dtype=columns.dtype)
        penalty = Logistic.penalty * spread / len(inside)
        return logistic_weight(inside, self.examples.labels[train], penalty=penalty)


def _joined(parts: Sequence[Codes]) -> Codes:
    """One after the other, on the CPU, padded with zeros to the widest."""
    width = max(part.indices.shape[1] for part in parts)

    def padded(values: Tensor) -> Tensor:
        return torch.nn.functional.pad(values.cpu(), (0, width - values.shape[1]))

    indices = torch.cat([padded(part.indices) for part in parts])
    return Codes(indices, torch.cat([padded(part.values) for part in parts]), parts[0].latents)
