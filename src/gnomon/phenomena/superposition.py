"""Superposition: five sparse features share two dimensions, as the corners of a regular pentagon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, Point, Results, experiment
from gnomon.measurement import Quantity
from gnomon.organisms.superposition import Superposition, superpose
from gnomon.phenomena.claim import Claim
from gnomon.phenomena.evidence import median_over_seeds, of_each
from gnomon.phenomena.phenomenon import Finding, Phenomenon
from gnomon.phenomena.picture import Curve, Picture
from gnomon.phenomena.registry import register
from gnomon.phenomena.superposition_polygons import ARRANGEMENTS, PENTAGON, least_loss

_SOURCE = "Elhage et al., Toy Models of Superposition, arXiv:2209.10652"
_CONVENTION = "Of the restart with the least loss."
_GAP, _SPREAD = 2.0, 0.05
_CORNER = 72.0

GAP = Quantity(
    name="pentagon_gap_error",
    symbol=r"\Delta",
    definition=r"\Delta = \max_i \lvert \alpha_i - 72° \rvert",
    convention=r"α are the five angles between features that are neighbours in direction, in degrees. " + _CONVENTION,
    source=_SOURCE,
    lowest=0.0,
)
SPREAD = Quantity(
    name="feature_norm_spread",
    symbol=r"\sigma",
    definition=r"\sigma = (\max_i \|W_i\| - \min_i \|W_i\|) / \tfrac15 \sum_i \|W_i\|",
    convention=_CONVENTION,
    source=_SOURCE,
    lowest=0.0,
)
USED = Quantity(
    name="features_per_dimension",
    symbol=r"\|W\|_F^2 / m",
    definition=r"\frac1m \sum_{i=1}^n \|W_i\|^2",
    convention="1 for a projection on m dimensions, which is what principal components are. " + _CONVENTION,
    source=_SOURCE,
    lowest=0.0,
)
LOSS = Quantity(
    name="loss_over_pentagon",
    symbol=r"L / L_5",
    definition=r"\frac{\mathrm{E}\|x - \hat x\|^2}{\min_{r, b} \mathrm{E}\|x - \hat x_{r, b}\|^2}",
    convention="Below the line the regular pentagon of norm r and bias b that is best; both by quadrature. "
    + _CONVENTION,
    source=_SOURCE,
    lowest=0.0,
)


@experiment("superposition")
def superposition(spec: Superposition) -> Outcome:
    """The networks of a recipe after training.

    Returns
    -------
    Outcome : ``loss`` of each restart, least first; ``used``, the squared norm of W over its dimensions, of the first;
        in two dimensions also ``gap`` and ``spread`` of each restart (the largest deviation of an angle between
        neighbours from an equal share of the circle, and of a norm from the others), and ``features`` of the first.
    """
    trained = superpose(spec)
    order = np.argsort(trained.losses, kind="stable")
    weights = trained.weights[order]
    found: Outcome = {
        "loss": trained.losses[order].tolist(),
        "used": float(np.square(weights[0]).sum() / spec.dimensions),
    }
    if spec.dimensions == 2:
        shapes = [gap_and_spread(weight) for weight in weights]
        found |= {
            "gap": [gap for gap, _ in shapes],
            "spread": [spread for _, spread in shapes],
            "features": weights[0].T.tolist(),
        }
    return found


def gap_and_spread(weight: NDArray[np.float64]) -> tuple[float, float]:
    """How far the columns of ``weight``, ``(2, n)``, are from a regular n-gon: in degrees, and in norm."""
    norms = np.linalg.norm(weight, axis=0)
    angles = np.sort(np.degrees(np.arctan2(weight[1], weight[0])))
    gaps = np.diff(np.append(angles, angles[0] + 360))
    return float(np.abs(gaps - 360 / len(gaps)).max()), float((norms.max() - norms.min()) / norms.mean())


class Settings(Spec):
    """What is trained.

    Parameters
    ----------
    sparse : the recipe of the claim; its seed is replaced.
    dense : density of the control.
    ladder : the recipe for the curve of features per dimension against density, at each of ``densities``.
    """

    sparse: Superposition = Superposition()
    dense: float = Field(default=1.0, gt=0, le=1)
    ladder: Superposition = Superposition(features=40, dimensions=10, restarts=2, steps=4000, learning_rate=0.01)
    densities: tuple[float, ...] = ()


@register
class SuperpositionPentagon(Phenomenon):
    """See the module. Of each seed, the restart with the least loss is judged."""

    name: ClassVar = "superposition"
    title: ClassVar = "Superposition"
    claim: ClassVar = (
        "A network that must carry five sparse features through two dimensions keeps all of them, as the corners of "
        "a regular pentagon."
    )
    control: ClassVar = "Dense features: the network keeps two dimensions of them, as principal components do."
    source: ClassVar = _SOURCE
    presets: ClassVar = {
        "quick": Settings(),
        "full": Settings(
            sparse=Superposition(restarts=32, steps=6000),
            densities=tuple(float(d) for d in np.geomspace(0.01, 1.0, 21).round(4)),
        ),
    }
    seeds: ClassVar = {"quick": 6, "full": 12}

    def points(self, settings: Settings, seeds: Sequence[int]) -> list[Point]:
        """Sparse and dense features from each seed, and the ladder of densities.

        Raises GnomonError unless the recipe has five features in two dimensions.
        """
        if (settings.sparse.features, settings.sparse.dimensions) != (5, 2):
            raise GnomonError("the pentagon has five features in two dimensions", mend="change ladder instead")
        densities = (settings.sparse.density, settings.dense)
        arms = [_points(settings.sparse, density, seeds) for density in densities]
        arms += [_points(settings.ladder, density, seeds) for density in settings.densities]
        return [point for arm in arms for point in arm]

    def judge(self, settings: Settings, seeds: Sequence[int], results: Results) -> Finding:
        """The shape in the plane; and how its loss compares with arrangements that are known."""

        def outcomes(recipe: Superposition, density: float) -> list[Outcome | None]:
            return [results.of(point) for point in _points(recipe, density, seeds)]

        density = settings.sparse.density
        sparse, dense = outcomes(settings.sparse, density), outcomes(settings.sparse, settings.dense)
        best = least_loss(PENTAGON, density)
        claims = (
            *_shape(sparse),
            Claim(
                name="loss",
                statement="Training reaches the least loss that a regular pentagon has.",
                measurement=median_over_seeds(LOSS, of_each(sparse, lambda o: o["loss"][0] / best)),
                least=0.98,
                most=1.02,
            ),
        )
        ladder = {d: outcomes(settings.ladder, d) for d in settings.densities}
        pictures = [_plane(sparse, dense)]
        if ladder:
            pictures.append(_per_dimension(ladder, settings.ladder))
        return Finding(
            claims=claims,
            controls={"dense features": _shape(dense)},
            pictures=tuple(pictures),
            curves={"features_per_dimension": _columns(ladder, seeds)} if ladder else {},
            notes=(_restarts(sparse), _known(density), *_dense(dense)),
        )


def _points(recipe: Superposition, density: float, seeds: Sequence[int]) -> list[Point]:
    return [Point("superposition", recipe.changed({"density": density, "seed": seed})) for seed in seeds]


def _shape(found: Sequence[Outcome | None]) -> tuple[Claim, ...]:
    return (
        Claim(
            name="gaps",
            statement="Neighbouring features are 72° apart, all five of them.",
            measurement=median_over_seeds(GAP, of_each(found, lambda o: o["gap"][0])),
            most=_GAP,
        ),
        Claim(
            name="norms",
            statement="All five features have the same norm.",
            measurement=median_over_seeds(SPREAD, of_each(found, lambda o: o["spread"][0])),
            most=_SPREAD,
        ),
        Claim(
            name="more_than_dimensions",
            statement="More is kept than a projection on two dimensions keeps.",
            measurement=median_over_seeds(USED, of_each(found, lambda o: o["used"])),
            least=1.5,
        ),
    )


def _restarts(found: Sequence[Outcome | None]) -> str:
    ends = [pair for o in found if o is not None for pair in zip(o["gap"], o["spread"], strict=True)]
    pentagons = sum(gap <= _GAP and spread <= _SPREAD for gap, spread in ends)
    return f"{pentagons} of {len(ends)} restarts end in the pentagon; of each seed that with the least loss is judged."


def _known(density: float) -> str:
    losses = ", ".join(f"{name} {least_loss(name, density):.5f}" for name in ARRANGEMENTS)
    return f"Least expected losses at density {density:g}: {losses}."


def _dense(found: Sequence[Outcome | None]) -> tuple[str, ...]:
    losses = [o["loss"][0] for o in found if o is not None]
    if not losses:
        return ()
    return (
        f"Dense features: the median loss is {np.median(losses):.4f}; three principal components that are dropped "
        "leave 3/12 = 0.25. As all features are equally important, no two of them are preferred: the two dimensions "
        "kept are those of a projection in any direction.",
    )


def _plane(sparse: Sequence[Outcome | None], dense: Sequence[Outcome | None]) -> Picture:
    curves = []
    for group, found, dashed in (("sparse features", sparse, False), ("dense features", dense, True)):
        for seed, outcome in enumerate(found):
            if outcome is None:
                continue
            for i, (x, y) in enumerate(_turned(np.array(outcome["features"]))):
                name = f"{group}, seed {seed}, {i + 1}"
                curves.append(Curve(name=name, x=[0.0, x], y=[0.0, y], group=group, dashed=dashed))
    return Picture(
        key="plane",
        title="Features in the plane",
        caption="Columns of W, one line a feature, all seeds; each network is turned so that its longest feature "
        "points up. Dashed: the control.",
        x="first dimension",
        y="second dimension",
        curves=tuple(curves),
        square=True,
    )


def _turned(features: NDArray[np.float64]) -> list[list[float]]:
    """``features``, ``(n, 2)``, turned so that the longest points up."""
    x, y = features[np.argmax(np.linalg.norm(features, axis=1))]
    turn = np.array([[y, -x], [x, y]]) / np.hypot(x, y)
    return [[float(v) for v in row] for row in features @ turn.T]


def _per_dimension(ladder: Mapping[float, Sequence[Outcome | None]], recipe: Superposition) -> Picture:
    values = {d: [o["used"] for o in found if o is not None] for d, found in ladder.items()}
    there = [d for d, of in values.items() if of]
    return Picture(
        key="features_per_dimension",
        title="Features per dimension against density",
        caption=f"{recipe.features} features in {recipe.dimensions} dimensions; median and range over seeds. 1: a "
        "projection, as for dense features.",
        x="density of the features",
        y="squared norm of W over its dimensions",
        curves=(
            Curve(
                name="trained",
                x=there,
                y=[float(np.median(values[d])) for d in there],
                low=[float(min(values[d])) for d in there],
                high=[float(max(values[d])) for d in there],
                style="both",
            ),
        ),
        log_x=True,
    )


def _columns(ladder: Mapping[float, Sequence[Outcome | None]], seeds: Sequence[int]) -> dict[str, list[Any]]:
    rows = [(d, s, o["used"]) for d, of in ladder.items() for s, o in zip(seeds, of, strict=True) if o is not None]
    return {name: [row[i] for row in rows] for i, name in enumerate(("density", "seed", "features_per_dimension"))}
