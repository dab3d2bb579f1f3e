"""A plausible examination of a five-block language model, made without measuring anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gnomon.lab.affordable import LeftOut
from gnomon.measurement import Cost, Measurement, Provenance, Quantity, Uncertainty, Unit
from gnomon.report.content import CalibrationRow, Examination, SubjectFacts

BLOCKS = 5
SITES = (
    "embed",
    *(f"blocks.{i}{part}" for i in range(BLOCKS) for part in (".attention", ".mlp", "")),
    "logits",
)
MATRICES = (
    "embed:weight",
    *(
        f"blocks.{i}.{name}"
        for i in range(BLOCKS)
        for name in (
            *(f"attention:{p}_proj.weight" for p in "qkvo"),
            *(f"mlp:{p}_proj.weight" for p in ("gate", "up", "down")),
        )
    ),
)
WIDTH = 64


def _quantity(name: str, symbol: str, definition: str, unit: str = "1", *axes: str, convention: str = "") -> Quantity:
    return Quantity(
        name=name,
        symbol=symbol,
        definition=definition,
        source="A. Author, Journal of Networks 12 (2024) 345",
        unit=Unit.parse(unit),
        axes=axes,
        convention=convention,
    )


QUANTITIES = {
    q.name: q
    for q in (
        _quantity(
            "nll",
            r"L",
            r"L = -\frac{1}{N}\sum_{i=1}^{N} \log p_\theta(x_i \mid x_{<i})",
            "nat/prediction",
            convention="mean over predicted tokens, in eval mode",
        ),
        _quantity("perplexity", r"\mathrm{PPL}", r"\mathrm{PPL} = e^{L}"),
        _quantity("accuracy", r"a", r"a = \mathbb{E}\left[\mathbf{1}\{\arg\max_k p_k = y\}\right]"),
        _quantity("predictive_entropy", r"H", r"H = -\mathbb{E}\sum_k p_k \log p_k", "nat/prediction"),
        _quantity(
            "calibration_error",
            r"\mathrm{ECE}",
            r"\mathrm{ECE} = \sum_b \frac{n_b}{n} |\mathrm{acc}_b - \mathrm{conf}_b|",
        ),
        _quantity(
            "participation_ratio",
            r"d_\mathrm{PR}",
            r"d_\mathrm{PR} = \frac{(\operatorname{tr} \Sigma)^2}{\operatorname{tr} \Sigma^2}",
            "dimension",
        ),
        _quantity("twonn_dimension", r"d_\mathrm{NN}", r"\hat d = \frac{n-1}{\sum_i \log \mu_i}", "dimension"),
        _quantity(
            "mle_dimension",
            r"d_\mathrm{ML}",
            r"\hat d_k(x) = \left[\frac{1}{k-1}\sum_{j<k}\log\frac{T_k}{T_j}\right]^{-1}",
            "dimension",
        ),
        _quantity("gride_dimension", r"d_\mathrm{G}", r"\hat d(n_1, n_2)", "dimension"),
        _quantity("gride_curve", r"d_\mathrm{G}(n/m)", r"\hat d(n/m)", "dimension", "scale"),
        _quantity("gride_scale", r"d_\mathrm{G}(r)", r"\hat d(2k, k)", "dimension"),
        _quantity(
            "cka", r"\mathrm{CKA}", r"\frac{\lVert X^\top Y\rVert_F^2}{\lVert X^\top X\rVert_F \lVert Y^\top Y\rVert_F}"
        ),
        _quantity("activation_norm", r"\|x\|", r"\mathbb{E}\,\|x\|_2", "activation"),
        _quantity("anisotropy", r"A", r"\mathbb{E}_{x \neq y} \cos(x, y)"),
        _quantity(
            "agop_spectrum", r"\lambda_i", r"\lambda_i(\mathbb{E}[g g^\top])", "output^2/activation^2", "component"
        ),
        _quantity(
            "agop_effective_dimension", r"d_\mathrm{AGOP}", r"\left(\sum\lambda\right)^2 / \sum\lambda^2", "dimension"
        ),
        _quantity("local_relevant_dimension", r"d_\mathrm{loc}", r"\unknowncommand{J(x)}", "dimension", "quantile"),
        _quantity("nfa_correlation", r"\rho", r"\rho(W^\top W, \mathrm{AGOP})"),
        _quantity("frobenius_norm", r"\lVert W \rVert_F", r"\sqrt{\sum_{ij} W_{ij}^2}", "weight"),
        _quantity("spectral_norm", r"\lVert W \rVert_2", r"\sigma_1(W)", "weight"),
        _quantity("stable_rank", r"r_s", r"\lVert W\rVert_F^2 / \lVert W\rVert_2^2"),
        _quantity("effective_rank", r"r_e", r"\exp H(\sigma / \sum\sigma)"),
        _quantity("mp_bulk_scale", r"\sigma_\mathrm{MP}", r"\sigma^2", "weight"),
        _quantity("spikes", r"k", r"\#\{i : \sigma_i > \sigma_+\}"),
        _quantity("tail_exponent", r"\alpha", r"p(\lambda) \propto \lambda^{-\alpha}"),
        _quantity("agop_mystery", r"\mu", r"\text{what a plug-in measures}", "dimension"),
        _quantity("mystery_profile", r"m_i", r"m_i", "1", "lag"),
        _quantity("embedding_fourier_share", r"F", r"F_5"),
    )
}

PROVENANCE = Provenance(
    spec_hash="3f1c" * 16,
    weights_hash="a7be" * 16,
    data_hash="09d2" * 16,
    seed=0,
    subject="stories260K",
    code_version="e1b0c8d2f4a69753",
    code_commit="43e3049f1c2622e043e3049f1c2622e043e3049f",
    code_dirty=True,
    packages=(("gnomon", "0.1.0"), ("numpy", "2.4.6"), ("torch", "2.13.0"), ("transformers", "5.0.0")),
    hardware="Linux x86_64, 2 cores",
    wall_seconds=41.3,
    flops=3.2e11,
    created="2026-02-03T10:11:12+00:00",
)


def _stderr(value: float, error: float, *covers: str, systematic: float | None = 0.0) -> Uncertainty:
    return Uncertainty.stderr(
        value,
        error,
        covers=set(covers or ("data",)),
        systematic=systematic,
        effective_samples=412.0,  # type: ignore[arg-type]
    )


def _ok(name: str, value: float, error: float, site: str | None = None, estimator: str = "", **keywords) -> Measurement:
    return Measurement.ok(
        QUANTITIES[name], value, _stderr(value, error), site=site, estimator=estimator or name, **keywords
    )


def _predictions() -> Iterator[Measurement]:
    yield _ok("nll", 1.36249, 0.0107, estimator="loss")
    yield Measurement.ok(
        QUANTITIES["perplexity"],
        3.906,
        Uncertainty.interval(3.825, 3.989, covers={"data"}, systematic=0.0),
        estimator="loss",
    )
    yield Measurement.ok(
        QUANTITIES["accuracy"],
        0.6214,
        Uncertainty.interval(0.6162, 0.6266, covers={"data"}, systematic=0.0),
        estimator="loss",
    )
    yield _ok("predictive_entropy", 1.3811, 0.0094, estimator="loss")
    yield Measurement.ok(
        QUANTITIES["calibration_error"],
        0.0062,
        Uncertainty.interval(0.0031, 0.0104, covers={"data"}, systematic=0.002, systematic_source="finite bins"),
        estimator="calibration_error",
    )


def _geometry(rng: np.random.Generator) -> Iterator[Measurement]:
    for i, site in enumerate(SITES):
        depth = i / (len(SITES) - 1)
        ratio = 6 + 22 * np.sin(np.pi * depth) ** 2 + rng.normal(0, 0.8)
        yield _ok("participation_ratio", ratio, 0.05 * ratio, site)
        yield _ok("activation_norm", 1.2 * 8**depth + rng.uniform(0, 0.4), 0.03, site, estimator="activation_norm")
        yield _ok("anisotropy", 0.05 + 0.5 * depth, 0.01 + 0.02 * depth, site, estimator="anisotropy")
        for name, shift in (("twonn_dimension", 0.0), ("mle_dimension", -0.6), ("gride_dimension", 0.5)):
            dimension = 5 + 7 * np.sin(np.pi * depth) + shift + rng.normal(0, 0.2)
            if name == "twonn_dimension" and site in ("logits", "blocks.2.mlp"):
                yield Measurement.insufficient(
                    QUANTITIES[name],
                    "the estimate still rises with n: 2,048 rows do not resolve the scale of the nearest neighbours",
                    site=site,
                    estimator="twonn",
                    suffices={"rows": 12000},
                    diagnostics={"estimate": float(dimension)},
                )
            else:
                yield Measurement.ok(
                    QUANTITIES[name],
                    dimension,
                    _stderr(dimension, 0.25, systematic=0.4),
                    site=site,
                    estimator=name.removesuffix("_dimension"),
                )
    for i, one in enumerate(SITES):
        for j, other in enumerate(SITES):
            if i < j:
                alike = float(np.exp(-abs(i - j) / 6))
                yield Measurement.ok(
                    QUANTITIES["cka"],
                    alike,
                    _stderr(alike, 0.01),
                    site=one,
                    labels={"other_site": other},
                    estimator="cka",
                )
    for i in range(BLOCKS):
        curve = 4 + i + 3 * np.exp(-np.array([1, 2, 4, 8, 16, 32]) / 20)
        yield Measurement.ok(
            QUANTITIES["gride_curve"],
            curve,
            Uncertainty.interval(curve - 0.3, curve + 0.3, covers={"data"}, systematic=0.0),
            site=f"blocks.{i}",
            estimator="gride",
            diagnostics={"orders": [1, 2, 4, 8, 16, 32]},
        )
        for k in (1, 2, 4, 8, 16, 32, 64, 128):
            value = 4 + i + 3 * np.exp(-k / 20)
            yield _ok(
                "gride_scale", value, 0.3 / np.sqrt(k), f"blocks.{i}", estimator="gride", labels={"scale": str(k)}
            )


def _features(rng: np.random.Generator) -> Iterator[Measurement]:
    components = np.arange(1, WIDTH + 1)
    for i in range(BLOCKS):
        site = f"blocks.{i}"
        spectrum = 0.5 / (components ** (1.2 + 0.2 * i)) * np.exp(-components / 30)
        yield Measurement.ok(
            QUANTITIES["agop_spectrum"],
            spectrum,
            Uncertainty.interval(spectrum * 0.85, spectrum * 1.18, covers={"data", "probe"}, systematic=0.0),
            site=site,
            estimator="agop",
        )
        effective = 9.5 - 1.3 * i
        yield _ok("agop_effective_dimension", effective, 0.4, site, estimator="agop")
        contexts = rng.gamma(6, (1.4 - 0.15 * i) / 2, 256) + 1
        quantiles = np.quantile(contexts, (0.1, 0.25, 0.5, 0.75, 0.9))
        yield Measurement.ok(
            QUANTITIES["local_relevant_dimension"],
            quantiles,
            Uncertainty.interval(quantiles - 0.2, quantiles + 0.25, covers={"data", "probe"}, systematic=0.05),
            site=site,
            estimator="local_relevant_dimension",
        )
        yield Measurement.ok(
            QUANTITIES["nfa_correlation"],
            0.35 + 0.1 * i,
            Uncertainty.unknown(),
            site=f"{site}.mlp:up_proj.weight",
            estimator="nfa",
        )


def _weights(rng: np.random.Generator) -> Iterator[Measurement]:
    for matrix in MATRICES:
        frobenius = float(rng.uniform(6, 12))
        spectral = frobenius / float(rng.uniform(2, 5))
        for name, value in (
            ("frobenius_norm", frobenius),
            ("spectral_norm", spectral),
            ("stable_rank", (frobenius / spectral) ** 2),
            ("effective_rank", float(rng.uniform(30, 60))),
            ("spikes", float(rng.integers(0, 6))),
        ):
            yield Measurement.ok(QUANTITIES[name], value, Uncertainty.exact(), site=matrix, estimator="matrix_norms")
        scale = frobenius / 64
        yield _ok("mp_bulk_scale", scale, 0.02 * scale, matrix, estimator="marchenko_pastur")
        if rng.random() < 0.3:
            alpha = float(rng.uniform(2.4, 5))
            yield Measurement.ok(
                QUANTITIES["tail_exponent"],
                alpha,
                _stderr(alpha, 0.3, "data"),
                site=matrix,
                estimator="heavy_tail",
                diagnostics={"verdict": "power law"},
            )
        else:
            yield Measurement.insufficient(
                QUANTITIES["tail_exponent"],
                "no evidence for a power law: the shuffled matrix has as heavy a tail",
                site=matrix,
                estimator="heavy_tail",
            )


def _plug_ins() -> Iterator[Measurement]:
    for i, site in enumerate(SITES):
        yield _ok("agop_mystery", 3 + 0.2 * i, 0.3, site, estimator="third_party")
    lags = np.linspace(1, 0.1, 30)
    yield Measurement.ok(
        QUANTITIES["mystery_profile"], lags, Uncertainty.unknown(), site="blocks.4", estimator="third_party"
    )
    yield Measurement.failed(
        QUANTITIES["mystery_profile"], "RuntimeError: the plug-in crashed", site="logits", estimator="third_party"
    )


def history() -> list[Measurement]:
    """A small network that groks: test accuracy rises long after training accuracy."""
    readings = []
    for step in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000):
        for split, turn in (("train", 40.0), ("test", 1800.0)):
            rate = 1 / (1 + (turn / (step + 1e-9)) ** 2) if step else 0.01
            hits = round(1000 * rate)
            low, high = max(0.0, rate - 0.03), min(1.0, rate + 0.03)
            readings.append(
                Measurement.ok(
                    QUANTITIES["accuracy"],
                    hits / 1000,
                    Uncertainty.interval(
                        min(low, hits / 1000), max(high, hits / 1000), covers={"data"}, systematic=0.0
                    ),
                    labels={"step": str(step), "split": split},
                    estimator="loss",
                )
            )
            loss = 4.0 * (1 - rate) + 0.01
            readings.append(_ok("nll", loss, 0.05 * loss, estimator="loss", labels={"step": str(step), "split": split}))
        share = 0.1 + 0.75 / (1 + (900 / (step + 1e-9)) ** 1.5)
        readings.append(_ok("embedding_fourier_share", share, 0.02, "embed", labels={"step": str(step)}))
    return readings


def certificate_row(known_answer: str, truth: float, *, passed: bool = True, fresh: bool = True) -> CalibrationRow:
    return CalibrationRow(
        known_answer=known_answer,
        truth=truth,
        mean=truth * 1.01,
        bias=truth * 0.01,
        spread=truth * 0.03,
        coverage=0.95 if passed else 0.41,
        nominal=0.95,
        n=20,
        passed=passed,
        code_version="e1b0c8d2f4a69753",
        fresh=fresh,
    )


def examination(*, with_history: bool = False) -> Examination:
    """The whole specimen."""
    rng = np.random.default_rng(0)
    readings = [*_predictions(), *_geometry(rng), *_features(rng), *_weights(rng), *_plug_ins()]
    cost = Cost(forward_passes=200, flops=1e9, peak_bytes=3 * 2**20, seconds=0.18)
    recorded = [m.recorded(cost, PROVENANCE) for m in readings]
    pairs = sorted({(m.estimator, m.quantity) for m in recorded if m.estimator not in ("third_party", "anisotropy")})
    certificates = {
        pair: [
            certificate_row("closed form A", 5.0, fresh=pair[0] != "cka"),
            certificate_row("closed form B", 20.0, passed=pair[0] != "mle", fresh=pair[0] != "cka"),
        ]
        for pair in pairs
    }
    return Examination(
        title="stories260K",
        subject=SubjectFacts(
            name="stories260K",
            parameters=260032,
            sites=SITES,
            device="cpu",
            loss="next_token",
            data="stories_sampled.txt",
            examples=200,
            tokens=51243,
        ),
        measurements=recorded,
        certificates=certificates,
        left_out=(
            LeftOut(
                estimator="hessian_spectrum",
                quantities=("hessian_trace", "hessian_spectrum"),
                reason="its price exceeds what is left of the budget of 60 s",
                cost=Cost(forward_passes=4000, backward_passes=8000, flops=4e12, peak_bytes=2**30, seconds=340.0),
            ),
            LeftOut(estimator="image_contrast", quantities=("image_contrast",), reason="needs images"),
        ),
        history=[replace(m, provenance=PROVENANCE) for m in history()] if with_history else (),
        provenance=PROVENANCE,
        seconds=41.3,
    )
