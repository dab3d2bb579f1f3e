"""One pass over the data: where each latent fires, how often and how strongly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.randomness import Rng, hashed
from gnomon.structure.dictionaries.dictionary import Dictionary
from gnomon.structure.dictionaries.firing import FiringRates, firing_rates
from gnomon.structure.dictionaries.kept import Entries, Kept, Windows
from gnomon.subjects import Accumulator, Captured, Data, Reads, Statistic, Subject

MOST_GROUPS = 512
LOWEST, HIGHEST, PER_DECADE = -3, 2, 8  # of the histogram, powers of ten
BINS = (HIGHEST - LOWEST) * PER_DECADE
_SAMPLED = 64


@dataclass(frozen=True, eq=False)
class LatentActivity(Statistic):
    r"""What each latent of a dictionary does at a site.

    Read are the places of greatest activation, at most one an example; a uniform sample of the places where it is
    active; a histogram of :math:`\log_{10}` of its activation; and on how many rows it is active. All of it has a size
    that does not grow with the data, and merges exactly over shards. Equal activations go by example and position;
    those that are equal but for rounding may be ranked otherwise in another batching.

    Parameters
    ----------
    dictionary : is put in no other mode and not changed.
    site : where its input is read.
    top : how many of the strongest places are kept.
    before, after : how many positions beside each place have their activations kept too.

    Cost: one forward pass, and one encoding of every row.
    """

    dictionary: Dictionary
    site: str
    top: int = 12
    before: int = 16
    after: int = 8

    @property
    def reads(self) -> Reads:
        """See `Statistic.reads`."""
        return Reads(sites=frozenset({self.site}))

    def empty(self, subject: Subject, data: Data, rng: Rng) -> ActivityAccumulator:
        """See `Statistic.empty`."""
        del subject
        return ActivityAccumulator(self, data.clusters, rng.child("latents"))

    def bytes(self, subject: Subject, data: Data) -> int:
        """See `Statistic.bytes`."""
        del subject
        groups = min(MOST_GROUPS, len(np.unique(data.clusters)))
        window = self.before + 1 + self.after
        return self.dictionary.latents * (4 * groups + 8 * BINS + (self.top + _SAMPLED) * (28 + 4 * window))


@dataclass(frozen=True, kw_only=True, eq=False)
class Contexts:
    """Places where latents fire, the strongest first.

    Parameters
    ----------
    activation : ``(m, k)``, in the unit of the scaled input; 0 where there are fewer places.
    example, position : ``(m, k)``, −1 where there are fewer.
    window : ``(m, k, before + 1 + after)``, the latent's activations around each; NaN beyond the example.
    before : how many positions of the window stand before the place.
    """

    activation: NDArray[np.float32]
    example: NDArray[np.int64]
    position: NDArray[np.int64]
    window: NDArray[np.float32]
    before: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Activity:
    """What `LatentActivity` found.

    Parameters
    ----------
    rates : how often each latent fires.
    mean : ``(m,)`` mean activation where it is active, NaN where it never is.
    histogram : ``(m, BINS)`` rows with an activation in each bin of its logarithm, those beyond the ends in the last.
    strongest : the places of greatest activation, of different examples.
    sampled : at most 64 of all places where the latent is active, drawn uniformly.
    """

    rates: FiringRates
    mean: NDArray[np.float64]
    histogram: NDArray[np.int64]
    strongest: Contexts
    sampled: Contexts

    @property
    def dead(self) -> NDArray[np.bool_]:
        """``(m,)`` whether the latent was active on no row."""
        return np.asarray(self.rates.rate == 0)

    def spaced(self, count: int) -> Contexts:
        """``count`` places whose activations stand at evenly spaced quantiles, from the greatest to the least.

        They come from a uniform sample of at most 64 places where the latent is active.
        """
        found = (self.sampled.example >= 0).sum(axis=1, keepdims=True)
        share = np.linspace(0.0, 1.0, count) if count > 1 else np.array([0.5])
        at = np.rint(share * (np.maximum(found, 1) - 1)).astype(np.int64)
        again = np.concatenate([found == 0, at[:, 1:] == at[:, :-1]], axis=1)
        rows = np.arange(len(at))[:, None]
        return Contexts(
            activation=np.where(again, np.float32(0.0), self.sampled.activation[rows, at]),
            example=np.where(again, -1, self.sampled.example[rows, at]),
            position=np.where(again, -1, self.sampled.position[rows, at]),
            window=np.where(again[..., None], np.float32(np.nan), self.sampled.window[rows, at]),
            before=self.sampled.before,
        )


class ActivityAccumulator(Accumulator):
    """State of `LatentActivity`; `finish` makes what is read from it."""

    def __init__(self, spec: LatentActivity, clusters: NDArray[np.int64], rng: Rng) -> None:
        m, device = spec.dictionary.latents, spec.dictionary.decoder.device
        ids, numbers = np.unique(clusters, return_inverse=True)
        if len(ids) > MOST_GROUPS:  # clusters are put together at random; their groups are independent all the same
            numbers = (hashed(rng.child("groups").key, numbers.reshape(-1)) % np.uint64(MOST_GROUPS)).astype(np.int64)
        groups = min(MOST_GROUPS, len(ids))
        width = spec.before + 1 + spec.after
        self._spec = spec
        self._key = rng.child("places").key
        self._group = torch.from_numpy(numbers.reshape(-1).astype(np.int64))
        self._fired = torch.zeros(groups, m, dtype=torch.int32, device=device)
        self._rows = torch.zeros(groups, dtype=torch.int64, device=device)
        self._sum = torch.zeros(m, dtype=torch.float64, device=device)
        self._histogram = torch.zeros(m, BINS, dtype=torch.int64, device=device)
        self._strongest = Kept(m, spec.top, width, device, distinct=True)
        self._sampled = Kept(m, _SAMPLED, width, device, distinct=False)

    def update(self, captured: Captured) -> None:
        """See `Accumulator.update`."""
        spec, device = self._spec, self._sum.device
        activation = captured.activations[spec.site]
        real = captured.mask(activation.shape[1])
        with torch.no_grad():
            codes = spec.dictionary.encode(activation[real].to(spec.dictionary.encoder))
        real = real.to(device)
        row, position = torch.nonzero(real, as_tuple=True)
        places = torch.full(real.shape, -1, dtype=torch.int64, device=device)
        places[real] = torch.arange(len(row), device=device)
        group = self._group[captured.batch.examples].to(device)
        self._rows.index_add_(0, group[row], torch.ones_like(row))
        at, column = torch.nonzero(codes.values > 0, as_tuple=True)
        entries = Entries(
            latent=codes.indices[at, column],
            value=codes.values[at, column],
            row=row[at],
            example=captured.batch.examples.to(device)[row[at]],
            position=position[at],
        )
        self._count(entries, group[entries.row])
        windows = Windows(codes, places, before=spec.before, after=spec.after)
        self._strongest.offer(entries, entries.value.double(), windows)
        self._sampled.offer(entries, self._drawn(entries), windows)

    def _count(self, entries: Entries, group: Tensor) -> None:
        latent, ones = entries.latent, torch.ones_like(entries.latent)
        self._fired.view(-1).index_add_(0, group * len(self._sum) + latent, ones.int())
        self._sum.index_add_(0, latent, entries.value.double())
        self._histogram.view(-1).index_add_(0, latent * BINS + _bins(entries.value), ones)

    def _drawn(self, entries: Entries) -> Tensor:
        """A pseudo-random priority in [0, 1) for each entry, the same in any batching."""
        numbers = (one.cpu().numpy() for one in (entries.latent, entries.example, entries.position))
        drawn = (hashed(self._key, *numbers) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return torch.from_numpy(drawn).to(entries.latent.device)

    def merge(self, other: Self) -> None:
        """See `Accumulator.merge`."""
        for name in ("_fired", "_rows", "_sum", "_histogram"):
            getattr(self, name).add_(getattr(other, name))
        self._strongest.merge(other._strongest)
        self._sampled.merge(other._sampled)

    def finish(self, *, level: float = 0.95) -> Activity:
        """What was found. Raises GnomonError when the rows came from a single text."""
        counts = self._fired.sum(dim=0).double()  # 0 / 0 where it never fired
        return Activity(
            rates=firing_rates(self._fired.cpu().numpy(), self._rows.cpu().numpy(), level=level),
            mean=(self._sum / counts).cpu().numpy(),
            histogram=self._histogram.cpu().numpy(),
            strongest=_contexts(self._strongest, self._spec.before),
            sampled=_contexts(self._sampled, self._spec.before),
        )


def edges() -> NDArray[np.float64]:
    """``(BINS + 1,)`` of the histogram, powers of ten."""
    return np.linspace(LOWEST, HIGHEST, BINS + 1)


def _bins(value: Tensor) -> Tensor:
    return ((value.double().log10() - LOWEST) * PER_DECADE).floor().long().clamp(0, BINS - 1)


def _contexts(kept: Kept, before: int) -> Contexts:
    """What was kept, by falling activation."""
    order = kept.activation.masked_fill(kept.example < 0, -torch.inf).argsort(dim=1, stable=True, descending=True)
    wide = order[..., None].expand(-1, -1, kept.window.shape[2])
    return Contexts(
        activation=kept.activation.gather(1, order).cpu().numpy(),
        example=kept.example.gather(1, order).cpu().numpy(),
        position=kept.position.gather(1, order).cpu().numpy(),
        window=kept.window.gather(1, wide).cpu().numpy(),
        before=before,
    )
