"""Where latents fire: against brute force, in any batching, and rates that cover."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hand_made import drawn
from torch import nn

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries import contexts
from gnomon.structure.dictionaries.contexts import Activity, LatentActivity, edges
from gnomon.structure.dictionaries.firing import firing_rates
from gnomon.structure.dictionaries.top_k import TopK
from gnomon.subjects import ArrayData, Site, Subject, TokenData, accumulate, capture

_WORDS, _WIDTH, _LATENTS = 40, 8, 24


class _Reader(nn.Module):
    """Embeds tokens as multiples of 1/8, on which float32 is exact: equal tokens tie in any batching."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.embed = nn.Embedding(_WORDS, _WIDTH)
        self.embed.weight.data = (8 * torch.randn(_WORDS, _WIDTH, generator=generator)).round() / 8

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.embed(input_ids)


@pytest.fixture(scope="module")
def subject() -> Subject:
    return Subject(_Reader(), sites=[Site("embed", "embed")])


@pytest.fixture(scope="module")
def data() -> TokenData:
    generator = np.random.default_rng(0)
    lengths = generator.integers(3, 30, size=50)
    texts = [np.concatenate([[0], generator.integers(0, _WORDS, size=n)]) for n in lengths]
    return TokenData(texts, clusters=np.arange(50) // 2)


def _read(subject: Subject, data: TokenData, dictionary: TopK, most: int, **how: int) -> Activity:
    spec = LatentActivity(dictionary, "embed", **how)
    found, _ = accumulate(subject, data, [spec], Rng(3), max_positions=most)
    return found[spec].finish()


def _dense(subject: Subject, data: TokenData, dictionary: TopK) -> list[np.ndarray]:
    """``(positions, m)`` of each example, one at a time."""
    with torch.no_grad():
        return [dictionary.encode(subject.module.embed(torch.from_numpy(s))).dense().numpy() for s in data.sequences]


def test_against_brute_force(subject: Subject, data: TokenData) -> None:
    dictionary = drawn(_LATENTS, _WIDTH, active=4)
    found = _read(subject, data, dictionary, most=100, top=5, before=2, after=1)
    dense = _dense(subject, data, dictionary)
    rows = np.concatenate(dense)
    assert found.rates.rate == pytest.approx((rows > 0).mean(axis=0))
    assert found.rates.clusters == 25
    fired = [rows[:, j][rows[:, j] > 0] for j in range(_LATENTS)]
    assert found.mean == pytest.approx([f.mean() for f in fired], rel=1e-6)
    for j, values in enumerate(fired):
        clipped = np.clip(np.log10(values.astype(np.float64)), edges()[0], edges()[-1] - 1e-9)
        assert found.histogram[j].tolist() == np.histogram(clipped, edges())[0].tolist()
        places = [
            (-d[:, j].max(), e, int(d[:, j].argmax())) for e, d in enumerate(dense) if d[:, j].max() > 0
        ]  # the greatest of each text, ties to the first
        wanted = sorted(places)[:5]
        best = found.strongest
        kept = best.example[j] >= 0
        assert [*zip(-best.activation[j][kept], best.example[j][kept], best.position[j][kept], strict=True)] == [
            (pytest.approx(a), e, p) for a, e, p in wanted
        ]
        for slot, (_, e, p) in enumerate(wanted):
            around = [dense[e][p + o, j] if 0 <= p + o < len(dense[e]) else np.nan for o in (-2, -1, 0, 1)]
            assert best.window[j, slot] == pytest.approx(around, nan_ok=True)


@pytest.mark.parametrize("active", [4, 24], ids=["sparse", "dense"])
def test_neither_batching_nor_sharding_matters(subject: Subject, data: TokenData, active: int) -> None:
    dictionary = drawn(_LATENTS, _WIDTH, active)
    spec = LatentActivity(dictionary, "embed", top=6)
    whole = _read(subject, data, dictionary, most=10_000, top=6)
    others = [_read(subject, data, dictionary, most=40, top=6)]
    parts = []
    for shard in (np.arange(0, 50, 2), np.arange(1, 50, 2)):
        part = spec.empty(subject, data, Rng(3))
        for batch in (data.batch(shard[:9]), data.batch(shard[9:])):
            part.update(capture(subject, batch, spec.reads))
        parts.append(part)
    parts[0].merge(parts[1])
    others.append(parts[0].finish())
    for other in others:
        for name in ("strongest", "sampled"):
            for field in ("example", "position", "window", "activation"):
                one, two = (getattr(getattr(x, name), field) for x in (whole, other))
                assert one == pytest.approx(two, nan_ok=True, rel=1e-5), (name, field)
        assert (whole.histogram == other.histogram).all()
        assert whole.rates.low == pytest.approx(other.rates.low)


def test_spaced_places_run_through_all_activations(subject: Subject, data: TokenData) -> None:
    dictionary = drawn(_LATENTS, _WIDTH, active=24)
    found = _read(subject, data, dictionary, most=200)
    spaced = found.spaced(5)
    counts = (found.sampled.example >= 0).sum(axis=1)
    rows = np.concatenate(_dense(subject, data, dictionary))
    for j in np.flatnonzero(counts >= 5):
        assert (np.diff(spaced.activation[j]) <= 0).all()
        sample = found.sampled.activation[j, : counts[j]]
        assert spaced.activation[j, [0, 2, 4]] == pytest.approx(
            [sample[0], sample[round((counts[j] - 1) / 2)], sample[-1]]
        )
        if counts[j] == 64:  # drawn uniformly: its median is one of all that fired, within 4 standard errors
            fired = np.sort(rows[:, j][rows[:, j] > 0])
            low, high = fired[np.rint((0.5 + np.array([-1, 1]) * 4 * 0.5 / 8) * (len(fired) - 1)).astype(int)]
            assert low <= np.median(sample) <= high
    assert (counts == 64).any()


def test_a_latent_that_never_fires(subject: Subject, data: TokenData) -> None:
    dictionary = drawn(_LATENTS, _WIDTH, active=4)
    with torch.no_grad():
        dictionary.encoder_bias[7] = -100.0
    found = _read(subject, data, dictionary, most=100)
    assert np.flatnonzero(found.dead).tolist() == [7]
    assert (found.strongest.example[7] == -1).all()
    assert (found.spaced(3).example[7] == -1).all()
    assert np.isnan(found.mean[7])
    assert found.rates.low[7] == 0.0
    assert found.rates.high[7] == pytest.approx(1 - 0.025 ** (1 / 25))


def test_many_clusters_are_grouped(subject: Subject, data: TokenData, monkeypatch: pytest.MonkeyPatch) -> None:
    dictionary = drawn(_LATENTS, _WIDTH, active=4)
    whole = _read(subject, data, dictionary, most=100)
    monkeypatch.setattr(contexts, "MOST_GROUPS", 10)
    few = _read(subject, data, dictionary, most=100)
    assert few.rates.clusters <= 10
    assert few.rates.rate == pytest.approx(whole.rates.rate)


def test_rates_cover_dependent_rows() -> None:
    """Beta-binomial texts: rows of a text agree, rates from rare to common."""
    generator = np.random.default_rng(0)
    rates = np.array([0.003, 0.02, 0.2, 0.7])
    covered = np.zeros((4, 400))
    for trial in range(400):
        rows = generator.integers(20, 60, size=120)
        tilt = generator.beta(rates * 20, (1 - rates) * 20, size=(120, 4))
        found = firing_rates(generator.binomial(rows[:, None], tilt), rows)
        covered[:, trial] = (found.low <= rates) & (rates <= found.high)
    share = covered.mean(axis=1)
    assert (share >= 0.93).all(), share
    assert (share <= 0.995).all(), share


def test_rates_cover_where_few_texts_hold_most_rows() -> None:
    """Sizes whose variance is infinite: with a degree of freedom for each text, 86 of 100 intervals hold the rate."""
    generator = np.random.default_rng(1)
    covered = []
    for _ in range(600):
        rows = np.ceil(generator.pareto(1.5, 40) * 20 + 1).astype(int)
        found = firing_rates(generator.binomial(rows, generator.beta(0.4, 3.6, 40))[:, None], rows)
        covered.append(found.low[0] <= 0.1 <= found.high[0])
    assert np.mean(covered) >= 0.92


def test_independent_rows_have_the_exact_interval() -> None:
    from scipy.stats import binomtest

    found = firing_rates(np.array([[3], [3], [3], [3]]), np.full(4, 10))  # no variance between texts: all rows count
    exact = binomtest(12, 40).proportion_ci(0.95, method="exact")
    assert (found.low[0], found.high[0]) == pytest.approx((exact.low, exact.high))


def test_one_text_is_refused() -> None:
    with pytest.raises(GnomonError, match="two independent texts"):
        firing_rates(np.array([[3]]), np.array([10]))


def test_vectors_without_positions() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(64, _WIDTH, generator=generator)
    subject = Subject(nn.Sequential(nn.Identity(), nn.Linear(_WIDTH, 2)), sites=[Site("in", "0")])
    dictionary = drawn(_LATENTS, _WIDTH, active=4)
    spec = LatentActivity(dictionary, "in", before=1, after=1)
    found, _ = accumulate(subject, ArrayData(inputs), [spec], Rng(0))
    best = found[spec].finish().strongest
    dense = dictionary.encode(inputs).dense()
    assert best.example[:, 0].tolist() == dense.argmax(dim=0).tolist()
    assert np.isnan(best.window[:, :, [0, 2]]).all()
