"""Several forms fitted to one table: which of them holds, and how far the others are from being excluded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.laws import noise as noises
from gnomon.laws.distribution import Mixture
from gnomon.laws.fit import Fit, Noise
from gnomon.laws.fitting import STARTS, fit, fit_many
from gnomon.laws.form import Form
from gnomon.laws.held_out import Held, predictions
from gnomon.laws.stacking import stack
from gnomon.laws.table import Table
from gnomon.randomness import Rng

FOLDS = 20
"""Of the cross-validation; a table with fewer rows (or groups) leaves one out at a time."""

FAR = 0.2
"""Share of the rows, those farthest out, that the held-out score is measured on."""

_SMALL = 4.0
"""Nats; differences of held-out log scores below it are not told from their own error."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Fits of several forms with one family of noise.

    Parameters
    ----------
    fits : one a form, `Fit.heldout` set: the mean CRPS on the fifth of the rows farthest out, forecast by a fit to the
        others. A law is asked to extrapolate, so that is what it is scored on. The far end is where the product of
        the inputs is largest (of chinchilla: compute), or their sum where one is not positive.
    log_scores : sum over rows of the log density of each row under a fit without its fold, nats, by form.
    weights : of the forms in a forecast, by stacking those densities; where these do not tell forms apart, by the BIC
        (see `gnomon.laws.stacking.stack`).
    best : the form of the smallest BIC; it is consistent among nested forms, which held-out scores are not.
    rivals : the other forms that the held-out log scores do not tell from the best: less than two standard errors
        (paired over rows) or 4 nats below it, under which the error itself is not known. Which of them holds beyond
        the table is open. Source: Sivula, Magnusson, Matamoros & Vehtari (2020) arXiv:2008.10296.
    """

    fits: tuple[Fit, ...]
    log_scores: dict[str, float]
    weights: dict[str, float]
    best: str
    rivals: tuple[str, ...]

    def __getitem__(self, form: str) -> Fit:
        """The fit of the form called so."""
        return next(one for one in self.fits if one.form.name == form)


def compare(
    table: Table,
    forms: Sequence[Form],
    *,
    noise: str | Noise = "auto",
    draws: int = 1000,
    level: float = 0.95,
    rng: Rng | None = None,
) -> Comparison:
    """Fit each of ``forms`` to ``table`` and weigh them.

    Parameters
    ----------
    noise : ``auto`` takes the family under which the smallest BIC of any form is reached; all forms share it, as
        their densities are compared.
    draws, level, rng : as in `gnomon.laws.fitting.fit`.

    Raises
    ------
    GnomonError : when a form is named twice, or cannot be fitted (see `gnomon.laws.fitting.fit`).

    Cost: for each form its fit, and about 3 fits more for each fold.
    """
    if len({form.name for form in forms}) < max(len(forms), 1):
        raise GnomonError("a comparison needs forms, each once", mend="name different forms")
    rng = rng or Rng(0)
    family = _family(table, forms, noise)
    fits = [fit(table, form, noise=family, draws=draws, level=level, rng=rng) for form in forms]
    return weigh(table, fits, rng=rng)


def weigh(table: Table, fits: Sequence[Fit], *, rng: Rng) -> Comparison:
    """Compare fits of one table that share a family of noise."""
    inside = [_held(one, folds_of(table, rng.child("folds")), rng) for one in fits]
    log_scores = np.stack([held.log_density(table.y) for held in inside], axis=-1)
    names = [one.form.name for one in fits]
    bic = np.array([one.bic for one in fits])
    best = int(bic.argmin())
    prior = np.exp(-(bic - bic[best]) / 2)
    gap = log_scores[:, [best]] - log_scores
    standard_error = np.sqrt(len(table)) * gap.std(axis=0, ddof=1) if len(table) > 1 else np.zeros(len(fits))
    open_still = gap.sum(axis=0) <= np.maximum(2 * standard_error, _SMALL)
    far = far_end(table)
    return Comparison(
        fits=tuple(replace(one, heldout=_far_score(one, far, rng)) for one in fits),
        log_scores=dict(zip(names, log_scores.sum(axis=0).tolist(), strict=True)),
        weights=dict(zip(names, stack(log_scores, prior / prior.sum()).tolist(), strict=True)),
        best=names[best],
        rivals=tuple(name for k, name in enumerate(names) if k != best and open_still[k]),
    )


def folds_of(table: Table, rng: Rng) -> NDArray[np.int64]:
    """The fold of each row, shape ``(n,)``; rows of one group are in one."""
    _, member = np.unique(np.arange(len(table)) if table.groups is None else table.groups, return_inverse=True)
    units = int(member.max()) + 1
    return np.asarray(rng.numpy().permutation(units)[member] % min(FOLDS, units), dtype=np.int64)


def far_end(table: Table) -> NDArray[np.bool_]:
    """The rows farthest out, a fifth of them or, where inputs are equal, a few more."""
    x = table.x
    out = np.log(x).sum(axis=1) if (x > 0).all() else (x / np.maximum(np.ptp(x, axis=0), 1e-300)).sum(axis=1)
    return np.asarray(out >= np.sort(out)[len(table) - max(1, round(FAR * len(table)))])


def _family(table: Table, forms: Sequence[Form], noise: str | Noise) -> Noise:
    """The family of noise under which some form has the smallest BIC."""
    families = noises.candidates(noise, table.y)
    if len(families) == 1:
        return families[0]
    scores: list[tuple[float, int]] = []
    for form in forms:
        form.check(table.x)
        starts = form.starts(table.x, table.y, STARTS)
        for place, family in enumerate(families):
            found = fit_many(form, table.x, table.y, noise=family, starts=starts)
            if np.isfinite(found.objective[0]):
                likelihood = float(noises.log_likelihood(family, found.objective[0], table.y))
                scores.append((starts.shape[1] * np.log(len(table)) - 2 * likelihood, place))
    return families[min(scores)[1]] if scores else families[0]


def _held(one: Fit, folds: NDArray[np.int64], rng: Rng) -> Held:
    return predictions(one, folds == np.arange(folds.max() + 1)[:, None], rng=rng.child("held"))


def _far_score(one: Fit, far: NDArray[np.bool_], rng: Rng) -> float | None:
    """Mean CRPS at the far end; ``None`` where too few rows are left to fit, or no number says it."""
    if far.all():
        return None
    held = predictions(one, far[None, :], rng=rng.child("far"))
    if not np.isfinite(held.locations[far]).all():
        return None
    kind, scale = one.noise.kind, one.noise.scale
    each = [
        Mixture.single(m, s, kind=kind, scale=scale).crps(y)
        for m, s, y in zip(held.locations[far], held.spreads[far], one.table.y[far], strict=True)
    ]
    score = float(np.mean(each))
    return score if np.isfinite(score) else None
