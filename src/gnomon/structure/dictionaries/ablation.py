"""What taking latents out of the forward pass does to what comes after."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.dictionary import Dictionary
from gnomon.subjects import Batch, Data, Loss, Predictions, Reads, Site, Subject, visiting
from gnomon.subjects.accumulate import DEFAULT_BYTES, Progress, positions_within
from gnomon.subjects.edit import Visitor
from gnomon.subjects.untouched import seeded

_MAX_POSITIONS = 8192
_CANDIDATES = 10


@dataclass(frozen=True, eq=False)
class Place:
    """Where a dictionary stands in a network: ``site`` is what it reads, ``target`` what it writes to.

    They are the same for an autoencoder; a transcoder reads before it writes.
    """

    dictionary: Dictionary
    site: str
    target: str


@dataclass(frozen=True, eq=False)
class Projection:
    """What is watched downstream: the projection on ``direction``, ``(width,)``, of the activations at ``site``.

    Parameters
    ----------
    intervals : ``(n, 2)``, over which positions of each example the mean is taken: the first, and the one after the
        last.
    """

    site: str
    direction: Tensor
    intervals: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What one run of the network over the data gave, by example.

    Parameters
    ----------
    loss : ``(n,)`` sum of the losses of the example's predictions, 0 where the subject has no loss.
    divergence : ``(n,)`` sum over predictions of the Kullback–Leibler divergence of the untouched network's
        distribution from this run's, in nats; 0 where the loss is no likelihood.
    predictions : ``(n,)``, how many predictions.
    projections : ``(n,)`` by name of what is watched.
    """

    loss: NDArray[np.float64]
    divergence: NDArray[np.float64]
    predictions: NDArray[np.int64]
    projections: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ablations:
    """The untouched run, and one for each set of latents that was taken out, by name."""

    untouched: Outcome
    ablated: Mapping[str, Outcome]
    clusters: NDArray[np.int64]


def ablate(
    subject: Subject,
    data: Data,
    place: Place,
    sets: Mapping[str, Sequence[int]],
    *,
    watched: Mapping[str, Projection] | None = None,
    scored: bool = True,
    max_bytes: int = DEFAULT_BYTES,
    progress: Progress | None = None,
) -> Ablations:
    r"""Run ``subject`` over ``data`` untouched, and with each set S of latents set to zero at every position.

    At the target site :math:`y \leftarrow y - s_y \sum_{j \in S} z_j d_j`: what the dictionary does not explain (its
    error) stays in place, so that an empty set changes nothing. The z are those of the activations in the same pass.

    Parameters
    ----------
    watched : what else is read, after the edit.
    scored : whether the subject's loss is computed; the data must then hold what it needs.

    Raises
    ------
    GnomonError : when the network has neither a loss nor anything is watched, when a latent does not exist, or when
        the target site is reached before the dictionary's input; UnknownNameError for an unknown site.

    Cost: a forward pass for each set, and one.
    """
    watched = dict(watched or {})
    loss = subject.loss if scored else None
    if loss is None and not watched:
        raise GnomonError(f"{subject.name} has no loss, and nothing is watched", mend="watch a projection")
    for name, latents in sets.items():
        for latent in latents:
            if not 0 <= latent < place.dictionary.latents:
                raise GnomonError(
                    f"{name}: there is no latent {latent}", mend=f"of 0 to {place.dictionary.latents - 1}"
                )
    runs = {name: _Sums(len(data), list(watched)) for name in ("", *sets)}
    edits = {name: _Removal(place, latents) for name, latents in sets.items()}
    reads = Reads(sites=frozenset({place.site, place.target}), predictions=loss is not None)
    done = 0
    with subject.evaluating(), torch.no_grad():
        # the untouched scores are held beside those of a run, and the logarithms of both
        limit = min(_MAX_POSITIONS, positions_within(subject, data, reads, max_bytes // 3))
        for batch in data.batches(max_positions=limit):
            before = None
            for name, sums in runs.items():
                found, seen = _run(subject, loss, batch.to(subject.device), edits.get(name), watched)
                sums.add(loss, batch, found, before, seen)
                before = found if before is None else before
            done += len(batch)
            if progress is not None:
                progress(done, len(data))
    outcomes = {name: sums.outcome() for name, sums in runs.items()}
    return Ablations(untouched=outcomes.pop(""), ablated=outcomes, clusters=data.clusters)


def matched(rates: NDArray[np.float64], chosen: Sequence[int], draws: int, rng: Rng) -> list[list[int]]:
    """``draws`` sets of other latents that fire as often: each is drawn from the ten nearest in log rate.

    Parameters
    ----------
    rates : ``(m,)``, shares of rows on which the latents fire.

    Raises GnomonError when there are fewer than twice as many living latents as are chosen.
    """
    free = np.setdiff1d(np.flatnonzero(rates > 0), np.asarray(chosen, dtype=np.int64))
    if len(free) < len(chosen) or not len(chosen):
        raise GnomonError(f"{len(free)} latents fire beside the {len(chosen)} chosen", mend="choose fewer")
    generator = rng.child("matched").numpy()
    logs = np.log(np.maximum(rates, rates[free].min()))
    found = []
    for _ in range(draws):
        left, drawn = free, []
        for latent in chosen:
            near = np.argsort(np.abs(logs[left] - logs[latent]), kind="stable")[:_CANDIDATES]
            one = int(left[generator.choice(near)])
            drawn.append(one)
            left = left[left != one]
        found.append(drawn)
    return found


class _Removal:
    """Takes the contribution of some latents out of the activations at the target site."""

    def __init__(self, place: Place, latents: Sequence[int]) -> None:
        self._place = place
        self._latents = torch.as_tensor(sorted({*latents}), dtype=torch.int64, device=place.dictionary.decoder.device)
        self._part: Tensor | None = None

    @contextlib.contextmanager
    def acting(self, subject: Subject) -> Iterator[None]:
        """Inside, every forward pass lacks the latents."""
        place = self._place
        self._part = None
        reads, writes = subject.site(place.site), subject.site(place.target)

        def see(activation: Tensor) -> None:
            self._part = self._contribution(reads.rows(activation))

        def edit(activation: Tensor) -> Tensor:
            if place.site == place.target:
                see(activation)
            if self._part is None:
                raise GnomonError(
                    f"{place.target} is reached before {place.site}", mend="give the sites that it was trained on"
                )
            if self._part.shape[:2] != writes.rows(activation).shape[:2]:
                raise GnomonError(f"{place.site} and {place.target} do not have the same positions")
            return activation - _like(self._part, activation, writes).to(activation)

        with visiting(subject, {place.site: see, place.target: edit}):
            yield

    def _contribution(self, rows: Tensor) -> Tensor:
        """``(batch, positions, e)``: what the latents add to the target."""
        dictionary, latents = self._place.dictionary, self._latents
        codes = dictionary.encode(rows.flatten(0, 1).to(dictionary.encoder))
        part = rows.new_zeros(len(codes), dictionary.decoder.shape[1], dtype=dictionary.decoder.dtype)
        for latent in latents:
            active = (codes.values * (codes.indices == latent)).sum(dim=1)
            part += torch.outer(active, dictionary.target_scale * dictionary.decoder[latent])
        return part.reshape(*rows.shape[:2], -1)


def _like(rows: Tensor, activation: Tensor, site: Site) -> Tensor:
    """``(batch, positions, width)`` in the shape of ``activation``; the inverse of `Site.rows`."""
    if activation.ndim == 1:
        return rows.reshape(activation.shape)
    return rows.reshape(activation.movedim(site.feature_axis, -1).shape).movedim(-1, site.feature_axis)


def _run(
    subject: Subject, loss: Loss | None, batch: Batch, removal: _Removal | None, watched: Mapping[str, Projection]
) -> tuple[Predictions | None, dict[str, Tensor]]:
    """Predictions, and the mean projections ``(batch,)`` by name, of one forward pass."""
    seen: dict[str, Tensor] = {}

    def watching(projections: Mapping[str, Projection], site: Site) -> Visitor:
        def visit(activation: Tensor) -> None:
            rows = site.rows(activation).double()
            at = torch.arange(rows.shape[1], device=rows.device)
            for name, one in projections.items():
                first, last = torch.from_numpy(one.intervals)[batch.examples].to(rows.device).T[:, :, None]
                inside = ((at >= first) & (at < last)).double()
                mean = torch.einsum("bt,btd->bd", inside / inside.sum(dim=1, keepdim=True), rows)
                seen[name] = mean @ one.direction.to(rows)

        return visit

    by_site: dict[str, dict[str, Projection]] = {}
    for name, one in watched.items():
        by_site.setdefault(one.site, {})[name] = one
    visitors = {site: watching(ones, subject.site(site)) for site, ones in by_site.items()}
    with seeded(0, subject.device), contextlib.ExitStack() as stack:
        if removal is not None:
            stack.enter_context(removal.acting(subject))
        stack.enter_context(visiting(subject, visitors))  # after the edit, so that it is seen
        output = subject.output(batch)
    return None if loss is None else loss.predictions(output, batch), seen


class _Sums:
    """An `Outcome` while it is added up."""

    def __init__(self, examples: int, watched: Iterable[str]) -> None:
        self._loss, self._divergence = np.zeros(examples), np.zeros(examples)
        self._predictions = np.zeros(examples, dtype=np.int64)
        self._projections = {name: np.zeros(examples) for name in watched}

    def add(
        self,
        loss: Loss | None,
        batch: Batch,
        found: Predictions | None,
        untouched: Predictions | None,
        seen: Mapping[str, Tensor],
    ) -> None:
        """Take in a batch; ``untouched`` are its predictions by the untouched network."""
        at = batch.examples.numpy()
        for name, values in seen.items():
            self._projections[name][at] = values.cpu().numpy()
        if found is None or loss is None:
            return
        rows = at[found.rows.cpu().numpy()]
        np.add.at(self._loss, rows, loss.values(found).double().cpu().numpy())
        np.add.at(self._predictions, rows, 1)
        if untouched is not None and loss.categorical:
            p, q = (one.scores.double().log_softmax(dim=1) for one in (untouched, found))
            np.add.at(self._divergence, rows, (p.exp() * (p - q)).sum(dim=1).clamp(min=0).cpu().numpy())

    def outcome(self) -> Outcome:
        """What was added up."""
        return Outcome(
            loss=self._loss,
            divergence=self._divergence,
            predictions=self._predictions,
            projections=self._projections,
        )
