"""The analysis of a concept: every method at every site, what each found and how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.structure.directions.aggregation import aggregate, weights
from gnomon.structure.directions.at_site import Settings, at_site, detection, foreseen, refused
from gnomon.structure.directions.cross_fit import CrossFit, cross_fit, fits
from gnomon.structure.directions.cross_validation import outer
from gnomon.structure.directions.detection import auroc
from gnomon.structure.directions.folds import assign_folds
from gnomon.structure.directions.method import Method
from gnomon.structure.directions.result import Chosen, Directions, Found
from gnomon.structure.directions.sites import select_site
from gnomon.structure.examples import Examples

Progress = Callable[[str, int, int], None]


def analyse(
    examples: Mapping[str, Examples],
    methods: Sequence[Method],
    *,
    test: Mapping[str, Examples] | None = None,
    settings: Settings | None = None,
    rng: Rng,
    progress: Progress | None = None,
) -> Directions:
    """Find the directions of a concept by each of ``methods`` at each site, and say how sure each is.

    For raw arrays give one site, of any name. All sites hold the same examples in the same order.

    Parameters
    ----------
    examples : by site, in the network's order.
    test : other examples, by site, that directions fitted to all of ``examples`` are tried on.
    progress : called with a stage, how many fits are done, and of how many; tests of rank add theirs as they are made.

    Raises
    ------
    InsufficientEvidenceError : with fewer than 6 independent examples of a class.
    GnomonError : when no site or method is given, sites differ in their labels, or no method can be fitted anywhere.
        Where one cannot be (all inputs are equal, or labels graded, say), a measurement there says why.

    Cost: some 115 fits for each method and site, of which 17 have most of the examples, 48 half of them and 48 a
    quarter or less; and for methods of higher rank 3 to 39 more for each rank that is tested.
    """
    settings = settings or Settings()
    _check(examples, methods, test)
    one = next(iter(examples.values()))
    folds = assign_folds(one, folds=settings.folds, rng=rng)
    crossed: dict[str, dict[str, CrossFit]] = {method.name: {} for method in methods}
    found: dict[tuple[str, str], Found] = {}
    measured: list[Measurement] = []
    crossing = fits(int(folds.max()) + 1)
    total, done = len(examples) * sum(crossing + foreseen(method) for method in methods), 0

    def fitted(count: int = 1, expected: bool = True) -> None:
        nonlocal done, total
        done += count
        total += 0 if expected else count
        if progress is not None:
            progress("fitting directions", done, total)

    for site, here in examples.items():
        for method in methods:
            inner = rng.child(method.name, site)
            left = total - done - crossing - foreseen(method)
            try:
                cross = cross_fit(method, here, folds, rank=_ranks(method, settings), rng=inner, fitted=fitted)
                result, readings = at_site(method, site, here, cross, settings=settings, rng=inner, fitted=fitted)
            except GnomonError as error:
                measured.append(refused(str(error), site=site, method=method.name))
                fitted(total - done - left)
                continue
            crossed[method.name][site] = cross
            found[method.name, site] = result
            measured += readings
            if test is not None:
                measured.append(_tested(result, test[site], settings))
    if not found:
        raise GnomonError(measured[0].reason)
    chosen: list[Chosen] = []
    for method in methods:
        if len(examples) > 1 and crossed[method.name]:
            picked, readings = _over_sites(method.name, examples, crossed[method.name], found, folds, test, settings)
            chosen.append(picked)
            measured += readings
    return Directions(
        about={
            "examples": len(one),
            "positive": int(one.positive.sum()),
            "clusters": len(np.unique(one.groups)),
            "kind": one.kind,
            "folds": int(folds.max()) + 1,
            "level": settings.level,
        },
        found=tuple(found[method.name, site] for method in methods for site in crossed[method.name]),
        chosen=tuple(chosen),
        measurements=tuple(measured),
    )


def _check(examples: Mapping[str, Examples], methods: Sequence[Method], test: Mapping[str, Examples] | None) -> None:
    if not examples or not methods:
        raise GnomonError("no site or no method is given", mend="give at least one of each")
    names = [method.name for method in methods]
    if len(set(names)) < len(names):
        raise GnomonError(f"a method is given twice: {', '.join(names)}", mend="give each once")
    first, *others = examples.values()
    for other in others:
        if len(other) != len(first) or bool((other.labels != first.labels).any()):
            raise GnomonError("the sites hold different examples", mend="read them in one pass")
    if test is not None and test.keys() != examples.keys():
        raise GnomonError("the test set has other sites", mend="read it at the same sites")


def _ranks(method: Method, settings: Settings) -> int:
    return settings.most if method.most is None else min(settings.most, method.most)


def _tested(found: Found, test: Examples, settings: Settings) -> Measurement:
    """Detection on the test set at one site."""
    scored = auroc(
        found.scores(test.inputs).cpu().numpy(), test.positive.cpu().numpy(), clusters=test.groups, level=settings.level
    )
    return detection(scored, site=found.site, method=found.method, sites="one", on="test")


def _over_sites(
    method: str,
    examples: Mapping[str, Examples],
    crossed: Mapping[str, CrossFit],
    found: Mapping[tuple[str, str], Found],
    folds: NDArray[np.int64],
    test: Mapping[str, Examples] | None,
    settings: Settings,
) -> tuple[Chosen, list[Measurement]]:
    """The site that is chosen, and all sites weighed: both on examples that took no part in it, and on the test set."""
    one = next(iter(examples.values()))
    selection = select_site(crossed, one, folds, level=settings.level)
    stacked = aggregate(crossed, one, folds, level=settings.level)
    readings = [
        detection(selection.auroc, site=None, method=method, sites="chosen", on="left out"),
        detection(stacked, site=None, method=method, sites="all", on="left out"),
    ]
    if test is not None:
        there = next(iter(test.values()))
        positive = there.positive.cpu().numpy()
        at = found[method, selection.site].scores(test[selection.site].inputs).cpu().numpy()
        weigh = weights(
            np.stack([outer(cross.scores, folds)[:, 0] for cross in crossed.values()], axis=1),
            one.positive.cpu().numpy(),
        )
        # the weights are of coordinates along leading directions
        along = [
            ((test[site].inputs - found[method, site].centre) @ found[method, site].subspace.direction).cpu().numpy()
            for site in crossed
        ]
        for name, scores in (("chosen", at), ("all", np.stack(along, axis=1) @ weigh)):
            scored = auroc(scores, positive, clusters=there.groups, level=settings.level)
            readings.append(detection(scored, site=None, method=method, sites=name, on="test"))
    return Chosen(method=method, site=selection.site, times=selection.chosen), readings
