"""Scaling: loss falls as a power of size and data; a thresholded metric of the same models turns up late."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, ModelWrapValidatorHandler, model_validator

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, Point, Results
from gnomon.measurement import Quantity
from gnomon.organisms.language import MarkovLanguage, TextFile
from gnomon.phenomena.claim import Claim
from gnomon.phenomena.evidence import geometric_mean_over_seeds, mean_over_seeds
from gnomon.phenomena.phenomenon import Finding, Phenomenon, Preset
from gnomon.phenomena.picture import Curve, Picture
from gnomon.phenomena.registry import register
from gnomon.phenomena.scaling_experiment import Count, Rung

# The smallest exponent of a language model, in its parameters, is 0.076 (Kaplan et al. 2020): a loss that does not
# fall at least this fast does not scale.
LEAST_EXPONENT = 0.05

_KAPLAN = "Kaplan et al., arXiv:2001.08361; the entropy taken off as in Hoffmann et al., arXiv:2203.15556"
_EXCESS = (
    "L - H is the mean divergence from the source on unseen text; of a file, whose entropy is not known, L itself."
)
PARAMETER_EXPONENT = Quantity(
    name="parameter_exponent",
    symbol=r"\alpha_N",
    definition=r"\alpha_N = -\frac{\mathrm{d} \log (L - H)}{\mathrm{d} \log N}",
    convention=f"Least squares over all sizes at the most tokens. {_EXCESS}",
    source=_KAPLAN,
)
TOKEN_EXPONENT = Quantity(
    name="token_exponent",
    symbol=r"\alpha_D",
    definition=r"\alpha_D = -\frac{\mathrm{d} \log (L - H)}{\mathrm{d} \log D}",
    convention=f"Least squares over all token counts at the largest size. {_EXCESS}",
    source=_KAPLAN,
)
_SCHAEFFER = "Schaeffer, Miranda & Koyejo, arXiv:2304.15004"
_MIDWAY = "Size and tokens grow together; half of the compute 6ND on a logarithmic scale, linearly interpolated."
STRINGS_MIDWAY = Quantity(
    name="strings_midway",
    symbol=r"m_k",
    definition=r"m_k = \frac{A_k(\sqrt{C_0 C_1}) - A_k(C_0)}{A_k(C_1) - A_k(C_0)}",
    convention=f"A_k: share of prompts whose next k tokens greedy decoding gives exactly. {_MIDWAY}",
    source=_SCHAEFFER,
)
LOSS_AHEAD = Quantity(
    name="loss_ahead",
    symbol=r"m_L - m_k",
    definition=r"m_L - m_k,\quad m_L = \frac{L(C_0) - L(\sqrt{C_0 C_1})}{L(C_0) - L(C_1)}",
    convention=f"How much more of its change the loss has made midway than exact match has. {_MIDWAY}",
    source=_SCHAEFFER,
)
STRINGS_FORETOLD = Quantity(
    name="strings_foretold",
    symbol=r"A_k / \hat A_k",
    definition=r"A_k / \hat A_k,\quad \hat A_k = \langle \textstyle\prod_{j \le k} Q(g_j \mid x, g_{<j}) \rangle_x",
    convention="Exact match over the mean probability that the model gives to its own greedy string g; the top rung.",
    source=_SCHAEFFER,
    lowest=0.0,
)


class Settings(Spec):
    """Settings of `Scaling`.

    Parameters
    ----------
    widths, tokens : the ladder, both ascending and of one length; its diagonal is the ladder of compute.
    text : a UTF-8 file to learn from, character by character, instead of ``language``.
    layers, context, batch, learning_rate, test_windows, string, language : see `Rung`.
    """

    widths: tuple[Count, ...] = (4, 8, 16, 32)
    tokens: tuple[Count, ...] = (2**11, 2**13, 2**15, 2**17)
    layers: Count = 1
    context: Count = 16
    batch: Count = 32
    learning_rate: Annotated[float, Field(gt=0)] = 0.15
    test_windows: Count = 2048
    string: Count = 8
    language: MarkovLanguage = MarkovLanguage()
    text: str = ""

    @model_validator(mode="wrap")
    @classmethod
    def _a_ladder(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        settings: Self = handler(values)
        for rungs in (settings.widths, settings.tokens):
            if len(rungs) < 3 or list(rungs) != sorted(set(rungs)):
                raise GnomonError(f"{list(rungs)} is no ladder", mend="give 3 or more ascending numbers")
        if len(settings.widths) != len(settings.tokens):
            raise GnomonError("widths and tokens differ in number", mend="give as many of one as of the other")
        return settings

    def rung(self, width: int, tokens: int, seed: int, *, shuffled: bool = False) -> Point:
        """The point of one size, one token count and one seed."""
        shared = self.model_dump(exclude={"widths", "tokens"})
        digest = TextFile.digest(self.text) if self.text else ""
        spec = Rung(**shared, width=width, tokens=tokens, seed=seed, shuffled=shuffled, digest=digest)
        return Point("scaling", spec)


@register
class Scaling(Phenomenon):
    """A ladder of sizes and token counts, on text and on the same text without order."""

    name = "scaling"
    title = "Scaling"
    claim = (
        "The loss of a language model, less the entropy of the language, falls as a power of its size and of the "
        "tokens it learns from. Exact match of whole strings rises late on the same ladder; the models' own token "
        "probabilities foretell it."
    )
    control = "The same tokens in random order: there is nothing for more parameters to find."
    source = f"{_KAPLAN}; {_SCHAEFFER}"
    presets: ClassVar[Mapping[Preset, Settings]] = {
        "quick": Settings(),
        "full": Settings(widths=(4, 8, 16, 32, 64), tokens=(2**12, 2**14, 2**16, 2**18, 2**20), test_windows=4096),
    }

    def points(self, settings: Settings, seeds: Sequence[int]) -> Sequence[Point]:
        """See `Phenomenon.points`: the control climbs the two edges that its exponents are read from."""
        points = [settings.rung(w, d, s) for s in seeds for w in settings.widths for d in settings.tokens]
        for seed in seeds:
            points += [p for edge in _edges(settings, seed, shuffled=True) for p in edge]
        return list(dict.fromkeys(points))

    def judge(self, settings: Settings, seeds: Sequence[int], results: Results) -> Finding:
        """See `Phenomenon.judge`."""
        diagonals = [
            [results.of(settings.rung(w, d, s)) for w, d in zip(settings.widths, settings.tokens, strict=True)]
            for s in seeds
        ]
        midway = [_midway(diagonal, settings.string) for diagonal in diagonals]
        tops = [results.of(settings.rung(settings.widths[-1], settings.tokens[-1], s)) for s in seeds]
        strings = [
            Claim(
                name="strings_come_late",
                statement="Midway up the ladder of compute, exact match of strings has made less than half its rise.",
                measurement=mean_over_seeds(STRINGS_MIDWAY, [strings for _, strings in midway]),
                most=0.5,
            ),
            Claim(
                name="loss_moves_first",
                statement="Midway, the loss of the same models has made more of its change than exact match has.",
                measurement=mean_over_seeds(LOSS_AHEAD, [loss - strings for loss, strings in midway]),
                least=0.1,
            ),
            Claim(
                name="strings_are_foretold",
                statement="Exact match is what the models' own probabilities of their strings say.",
                measurement=geometric_mean_over_seeds(STRINGS_FORETOLD, [_foretold(top) for top in tops]),
                least=2 / 3,
                most=3 / 2,
            ),
        ]
        found = _exponents(settings, seeds, results, shuffled=False)
        control = _exponents(settings, seeds, results, shuffled=True)
        return Finding(
            claims=(*found, *strings),
            controls={"random order": control},
            pictures=_pictures(settings, seeds, results),
            curves={"surface": _surface(settings, seeds, results)},
            notes=_notes(settings, tops),
        )


def _edges(settings: Settings, seed: int, *, shuffled: bool) -> tuple[list[Point], list[Point]]:
    """All sizes at the most tokens, and all token counts at the largest size."""
    sizes = [settings.rung(w, settings.tokens[-1], seed, shuffled=shuffled) for w in settings.widths]
    tokens = [settings.rung(settings.widths[-1], d, seed, shuffled=shuffled) for d in settings.tokens]
    return sizes, tokens


def _exponents(settings: Settings, seeds: Sequence[int], results: Results, *, shuffled: bool) -> tuple[Claim, Claim]:
    edges = [_edges(settings, s, shuffled=shuffled) for s in seeds]
    sizes = [_exponent([results.of(p) for p in edge], "parameters") for edge, _ in edges]
    tokens = [_exponent([results.of(p) for p in edge], "tokens") for _, edge in edges]
    return (
        Claim(
            name="loss_falls_with_parameters",
            statement="At the most tokens, the loss above the entropy falls as a power of the number of parameters.",
            measurement=mean_over_seeds(PARAMETER_EXPONENT, sizes),
            least=LEAST_EXPONENT,
        ),
        Claim(
            name="loss_falls_with_tokens",
            statement="At the largest size, the loss above the entropy falls as a power of the number of tokens.",
            measurement=mean_over_seeds(TOKEN_EXPONENT, tokens),
            least=LEAST_EXPONENT,
        ),
    )


def _excess(found: Outcome) -> float:
    """Loss above the entropy; the loss itself where the entropy is not known."""
    return float(found["loss"] if found["excess"] is None else found["excess"])


def _exponent(edge: Sequence[Outcome | None], along: str) -> float:
    """Minus the slope of log excess in log ``along``; NaN when a point is lacking."""
    rungs = [found for found in edge if found is not None]
    if len(rungs) < len(edge):
        return math.nan
    slope = np.polyfit(np.log([found[along] for found in rungs]), np.log([_excess(found) for found in rungs]), 1)[0]
    return float(-slope)


def _midway(diagonal: Sequence[Outcome | None], string: int) -> tuple[float, float]:
    """Shares of their whole change that loss and exact match have made midway; NaN where there is no change."""
    rungs = [found for found in diagonal if found is not None]
    if len(rungs) < len(diagonal):
        return math.nan, math.nan
    compute = np.log([found["flop"] for found in rungs])
    middle = (compute[0] + compute[-1]) / 2
    shares = []
    for metric in ([found["loss"] for found in rungs], [found["matched"][string - 1] for found in rungs]):
        change = metric[-1] - metric[0]
        shares.append(float((np.interp(middle, compute, metric) - metric[0]) / change) if change else math.nan)
    return shares[0], shares[1]


def _foretold(top: Outcome | None) -> float:
    return math.nan if top is None else float(top["matched"][-1] / top["expected"][-1])


def _notes(settings: Settings, tops: Sequence[Outcome | None]) -> tuple[str, ...]:
    k = settings.string
    matched = [(top["accuracy"] ** k, top["matched"][-1]) for top in tops if top is not None and top["matched"][-1] > 0]
    notes = []
    if matched:
        share = float(np.mean([independent / exact for independent, exact in matched]))
        notes.append(
            f"Accuracy per token to the power {k} is {share:.2f} of the exact match of {k} tokens at the top rung. "
            "Where that is far from 1, tokens that are easy stand together, and only whole strings foretell strings."
        )
    if settings.text:
        notes.append(
            "The entropy of a file is not known: exponents are of the loss itself, lower bounds of those above it."
        )
    return tuple(notes)


def _surface(settings: Settings, seeds: Sequence[int], results: Results) -> dict[str, list[Any]]:
    """One row a trained model of the text arm: what the laws are fitted to."""
    columns: dict[str, list[Any]] = {}
    for seed in seeds:
        for width in settings.widths:
            for tokens in settings.tokens:
                found = results.of(settings.rung(width, tokens, seed))
                if found is None:
                    continue
                half = 1.96 * found["loss_error"]
                row = {name: found[name] for name in ("parameters", "tokens", "flop", "loss", "entropy", "excess")}
                row |= {"loss_low": found["loss"] - half, "loss_high": found["loss"] + half, "seed": seed}
                row |= {"width": width, "accuracy": found["accuracy"], "exact_match": found["matched"][-1]}
                row |= {"exact_match_foretold": found["expected"][-1]}
                for name, value in row.items():
                    columns.setdefault(name, []).append(value)
    return columns


def _pictures(settings: Settings, seeds: Sequence[int], results: Results) -> tuple[Picture, ...]:
    top_width, top_tokens = settings.widths[-1], settings.tokens[-1]

    def curve(name: str, points: list[list[Point]], along: str, value: Any, *, dashed: bool = False) -> Curve | None:
        rows = [[found for found in map(results.of, at) if found is not None] for at in points]
        rows = [row for row in rows if row]
        if not rows:
            return None
        values = [[value(found) for found in row] for row in rows]
        return Curve(
            name=name,
            x=[float(np.mean([found[along] for found in row])) for row in rows],
            y=[float(np.median(v)) for v in values],
            low=[float(min(v)) for v in values],
            high=[float(max(v)) for v in values],
            style="both",
            dashed=dashed,
        )

    def column(width: int, tokens: int, *, shuffled: bool = False) -> list[Point]:
        return [settings.rung(width, tokens, s, shuffled=shuffled) for s in seeds]

    by_size = [
        curve(f"{d:,} tokens", [column(w, d) for w in settings.widths], "parameters", _excess) for d in settings.tokens
    ]
    by_tokens = [
        curve(f"width {w}", [column(w, d) for d in settings.tokens], "tokens", _excess) for w in settings.widths
    ]
    by_size.append(
        curve(
            f"random order, {top_tokens:,} tokens",
            [column(w, top_tokens, shuffled=True) for w in settings.widths],
            "parameters",
            _excess,
            dashed=True,
        )
    )
    by_tokens.append(
        curve(
            f"random order, width {top_width}",
            [column(top_width, d, shuffled=True) for d in settings.tokens],
            "tokens",
            _excess,
            dashed=True,
        )
    )
    diagonal = [column(w, d) for w, d in zip(settings.widths, settings.tokens, strict=True)]
    k = settings.string
    metrics = [
        curve("accuracy per token", diagonal, "flop", lambda o: o["accuracy"]),
        curve(f"{k} tokens exactly", diagonal, "flop", lambda o: o["matched"][-1]),
        curve(f"{k} tokens, foretold", diagonal, "flop", lambda o: o["expected"][-1], dashed=True),
    ]
    axis = "loss (nat/token)" if settings.text else "loss above the entropy (nat/token)"
    band = f"Median of {len(seeds)} seeds; the bands are their range. Dashed: the same tokens in random order."
    made = (
        ("size", "Loss against size", band, "parameters", axis, by_size, True),
        ("tokens", "Loss against tokens", band, "tokens", axis, by_tokens, True),
        (
            "metrics",
            "One ladder, two metrics",
            f"Size and tokens grow together. Median of {len(seeds)} seeds; the bands are their range. Dashed: the "
            "probability that the models themselves give to the strings they say.",
            "compute 6ND (flop)",
            "share",
            metrics,
            False,
        ),
    )
    return tuple(
        Picture(
            key=key, title=title, caption=caption, x=x, y=y, curves=tuple(c for c in curves if c), log_x=True, log_y=log
        )
        for key, title, caption, x, y, curves, log in made
    )
