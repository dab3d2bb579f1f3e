"""Strands of a small language model: do the gradients of its predictions fall into subspaces, context by context?

python docs/examples/strands.py --model DIR --texts FILE --out reports/strands
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import torch

from gnomon.estimators import Budget
from gnomon.estimators.features.local_dimension import LocalRelevantDimension
from gnomon.estimators.geometry import ParticipationRatio, TwoNN
from gnomon.measurement import Measurement, cluster_mean
from gnomon.randomness import Rng
from gnomon.report.exports import draw
from gnomon.report.figures.figure import SERIES, Figure, chart_of_rows, styled
from gnomon.structure.mixtures import Gradients, Strands, context_jacobians, find_strands, strand_effects
from gnomon.structure.mixtures.mixture import background_log_density, pooled_inverse
from gnomon.structure.mixtures.reproduction import Halves
from gnomon.subjects import Subject, TokenData, load_data
from gnomon.subjects.load import load

_FIRST, _LAST = 32, 200  # positions: earlier ones repeat from story to story
_SHOWN = 4  # strands that are stepped along
_OTHERS = 300  # contexts outside of them


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sites", default="blocks.2,blocks.4")
    parser.add_argument("--limit", type=int, default=400, help="texts to read")
    parser.add_argument("--most", type=int, default=10, help="largest number of strands")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    subject = load(options.model)
    texts = load_data(options.texts, subject, overlong="truncate", limit=options.limit)
    assert isinstance(texts, TokenData)
    rng = Rng(options.seed)
    contexts = prefixes(texts, rng)
    found = [study(subject, texts, contexts, site, options.most, rng) for site in options.sites.split(",")]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "strands.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    draw_figure(found, options.out / "strands.svg")
    print(json.dumps(found, indent=1))


def prefixes(texts: TokenData, rng: Rng) -> TokenData:
    """Two contexts of each text that is long enough, each with the token to predict at its end."""
    generator = rng.child("places").numpy()
    cut, clusters = [], []
    for number, tokens in enumerate(texts.sequences):
        if len(tokens) < _FIRST + 2:
            continue
        stops = np.sort(generator.choice(np.arange(_FIRST, min(len(tokens), _LAST)), 2, replace=False))
        cut += [tokens[: stop + 1] for stop in stops]
        clusters += [number, number]
    return TokenData(cut, pad=texts.pad, clusters=np.array(clusters), description=f"prefixes of {texts.description}")


def study(subject: Subject, texts: TokenData, contexts: TokenData, site: str, most: int, rng: Rng) -> dict[str, Any]:
    """All that is said about one site."""
    jacobians = context_jacobians(subject, contexts, site)
    strands = find_strands(jacobians, rng=rng.child(site), clusters=contexts.clusters, most=most, site=site)
    print(site, strands.number.status, strands.number.value, "preferred", strands.preferred, file=sys.stderr)
    gradients = Gradients.of(jacobians, contexts.clusters)
    described = strands.fits[strands.preferred].mixture if strands.preferred else None
    groups, effects = [], []
    if described is not None:
        probabilities = described.probabilities(gradients)
        labels = probabilities.argmax(dim=1)
        order = described.shares[:-1].argsort(descending=True).tolist()
        groups = [_group(subject, contexts, labels, s, int(described.ranks[s])) for s in order]
        effects = step_along(subject, contexts, site, strands, labels, order[:_SHOWN], rng)
    return {
        "site": site,
        "contexts": len(contexts),
        "texts": len(np.unique(contexts.clusters)),
        "measurements": [_said(m) for m in strands.measurements.values()],
        "preferred": strands.preferred,
        "strength_of_preferred": float(np.median(strands.strengths, axis=0)[max(strands.preferred, 1) - 1]),
        "background": None if described is None else float(described.shares[-1]),
        "held_out": held_out(gradients, most, rng.child(site, "held out")),
        "one_covariance": one_covariance(gradients, most, rng.child(site, "null")),
        "dimensions": dimensions(subject, texts, site, rng),
        "groups": groups,
        "effects": [_said(m) for m in effects],
    }


def held_out(gradients: Gradients, most: int, rng: Rng) -> dict[str, Any]:
    """What the mixture that one half of the texts prefers is likelier than one covariance, on the other half."""
    split = Halves.of(gradients, most=most, most_rank=8, rng=rng)
    gains, clusters, preferred = [], [], []
    for part, other, fits in ((split.first, split.second, split.fits[1]), (split.second, split.first, split.fits[0])):
        k = max((k for k in fits if k > 1), key=lambda k, fits=fits: fits[k].bayes, default=1)  # type: ignore[misc]
        mixture = fits[k].mixture
        gains.append(mixture.log_likelihood(part) - background_log_density(part, pooled_inverse(other)))
        clusters.append(part.clusters)
        preferred.append(k)
    _, places = np.unique(np.concatenate(clusters), return_inverse=True)
    sums = np.bincount(places, weights=torch.cat(gains).numpy())
    mean, error = cluster_mean(sums, np.bincount(places).astype(np.float64))
    return {"strands": preferred, "nats": mean, "low": error.low, "high": error.high}


def one_covariance(gradients: Gradients, most: int, rng: Rng) -> dict[str, Any]:
    """The same procedure on Gaussian gradients with the covariance of these: the null of a continuum."""
    flat = gradients.values.flatten(0, 1).double()
    values, vectors = torch.linalg.eigh(flat.T @ flat / len(flat))
    drawn = torch.randn(flat.shape, dtype=torch.float64, generator=rng.torch())
    found = find_strands(drawn * values.clamp(min=0).sqrt() @ vectors.T, rng=rng, most=most)
    return {"preferred": found.preferred, "number": found.number.value}


def dimensions(subject: Subject, texts: TokenData, site: str, rng: Rng) -> list[dict[str, Any]]:
    """Local relevant dimension, beside dimensions of the activations that know nothing of the prediction."""
    part = texts.sample(256, rng.child("dimensions"))
    kinds = (LocalRelevantDimension(), ParticipationRatio(), TwoNN())
    read = [kind.measure(subject, part, sites=(site,), budget=Budget(), rng=rng) for kind in kinds]
    return [_said(measurement) for several in read for measurement in several]


def step_along(
    subject: Subject,
    contexts: TokenData,
    site: str,
    strands: Strands,
    labels: torch.Tensor,
    chosen: list[int],
    rng: Rng,
) -> list[Measurement]:
    """The effect of a step along each of the ``chosen`` strands, in it and outside."""
    inside = torch.isin(labels, torch.tensor(chosen)).numpy()
    others = rng.child("others").numpy().permutation(np.flatnonzero(~inside))[:_OTHERS]
    taken = np.sort(np.concatenate([np.flatnonzero(inside), others]))
    mixture = strands.fits[strands.preferred].mixture
    subspaces = {str(place): mixture.subspace(s) for place, s in enumerate(chosen)}
    members = {str(place): labels[taken] == s for place, s in enumerate(chosen)}
    return strand_effects(subject, contexts.take(taken), site, subspaces, members, rng=rng.child("steps"))


def _group(subject: Subject, contexts: TokenData, labels: torch.Tensor, strand: int, rank: int) -> dict[str, Any]:
    members = np.flatnonzero((labels == strand).numpy())
    ends = [contexts.sequences[i] for i in members]

    def common(place: int) -> list[str]:
        counted = Counter(subject.tokenizer.decode([int(tokens[place])]) for tokens in ends)
        return [f"{token} {count}" for token, count in counted.most_common(5)]

    examples = [subject.tokenizer.decode(tokens[-12:-1].tolist()) for tokens in ends[:3]]
    return {"contexts": len(members), "rank": rank, "last": common(-2), "next": common(-1), "examples": examples}


def _said(measurement: Measurement) -> dict[str, Any]:
    written = measurement.to_json()
    kept = ("quantity", "site", "labels", "value", "status", "reason")
    ends = {end: written["uncertainty"][end] for end in ("low", "high")}
    return {**{name: written[name] for name in kept}, **ends}


def draw_figure(found: list[dict[str, Any]], path: Path) -> None:
    """Effects of steps along strands, relative to random steps."""
    rows = [
        {
            "site": site["site"],
            "strand": ", ".join(next_token.rsplit(" ", 1)[0] or "␣" for next_token in group["next"][:3]),
            "series": effect["labels"]["group"],
            **{name: effect[name] for name in ("value", "low", "high")},
        }
        for site in found
        for effect in site["effects"]
        if effect["status"] == "ok"
        for group in [site["groups"][int(effect["labels"]["strand"])]]
    ]
    panels = [_panel(site["site"]) for site in found]
    title = "What a step along a strand does, relative to a random step of the same length"
    chart = alt.hconcat(*panels, spacing=40).properties(title=alt.TitleParams(title, anchor="start", offset=12))
    spec = styled(chart, rows, legend_columns=2)
    figure = Figure(key=path.stem, title=title, caption="", alt="", spec=spec, quantities=("strand_effect",), wide=True)
    path.write_text(draw(figure).svg, encoding="utf-8")


def _panel(site: str) -> alt.LayerChart:
    chart = chart_of_rows().transform_filter(f"datum.site == '{site}'")
    colour = alt.Color(
        "series:N",
        scale=alt.Scale(domain=["in the strand", "outside"], range=[SERIES[0], SERIES[1]]),
        legend=alt.Legend(title=None),
    )
    vertical = alt.Y("strand:N", title="strand, by its commonest next tokens", sort=None)
    scale = alt.Scale(type="log", nice=False, padding=12)
    shared = {"y": vertical, "color": colour}
    bars = chart.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", scale=scale), x2="high:Q", **shared)
    axis = alt.Axis(title="divergence ÷ that of a random step", format="~g")
    points = chart.mark_point(filled=True, size=60, opacity=1).encode(
        x=alt.X("value:Q", scale=scale, axis=axis), **shared
    )
    title = alt.TitleParams(site, fontSize=12, fontWeight="normal", anchor="start")
    return alt.layer(bars, points).properties(width=300, height=220, title=title)


if __name__ == "__main__":
    main()
