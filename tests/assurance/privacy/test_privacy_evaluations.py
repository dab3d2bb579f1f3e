"""The evaluations of privacy, on networks of which it is known what they have kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from privacy_subjects import WORDS, memoriser, secrets_table, untrained, write_table

from gnomon.assurance import Deployment, evaluations
from gnomon.assurance.privacy import CanaryExposure, Extraction, Membership, PrivacyAudit
from gnomon.assurance.privacy.likelihoods import Likelihood, likelihoods
from gnomon.assurance.privacy.membership import scores
from gnomon.assurance.privacy.texts import Draw, draws
from gnomon.errors import GnomonError, UnknownNameError
from gnomon.measurement import Measurement
from gnomon.organisms.language_models.next_words import sequence_log_probabilities
from gnomon.randomness import Rng
from gnomon.subjects import Subject
from gnomon.subjects.generation import prompt_ids

_HEADER = ("prompt", "secret", "shown", "candidates")


@pytest.fixture(scope="module")
def knowing(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A network that knows the twelve secrets that it was shown, and not the twelve that it was not."""
    place = tmp_path_factory.mktemp("knowing")
    table = write_table(place / "canaries.csv", _HEADER, secrets_table())
    return Deployment(subject=memoriser(place / "model"), materials={"canaries": table})


@pytest.fixture(scope="module")
def unknowing(knowing: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """One that knows none of them."""
    return replace(knowing, subject=untrained(tmp_path_factory.mktemp("unknowing")))


def _read(found: Sequence[Measurement], quantity: str, **labels: str) -> Measurement:
    wanted = [m for m in found if m.quantity == quantity and labels.items() <= m.labels.items()]
    assert len(wanted) == 1, [dict(m.labels) for m in found if m.quantity == quantity]
    return wanted[0]


def _texts(count: int, generator: np.random.Generator, words: int = 10) -> list[str]:
    return [" ".join(generator.choice(WORDS, size=words)) for _ in range(count)]


def test_they_are_registered() -> None:
    assert {"canary_exposure", "extraction", "membership", "privacy_audit"} <= set(evaluations())


def test_exposure_of_what_was_learnt_by_heart(knowing: Deployment) -> None:
    found = CanaryExposure().run(knowing, Rng(0))
    never, often = (_read(found, "canary_exposure", shown=n) for n in ("0", "4"))
    assert often.value == pytest.approx(np.log2(1000))
    assert often.uncertainty.low < often.value  # twelve that agree do not make it certain
    assert never.uncertainty.contains(never.value, 1.44)
    excess = _read(found, "exposure_excess", shown="any")
    assert excess.uncertainty.low > 5
    assert excess.diagnostics["p_value"] < 1e-3


def test_exposure_of_what_is_not_known(unknowing: Deployment) -> None:
    excess = _read(CanaryExposure().run(unknowing, Rng(0)), "exposure_excess", shown="any")
    assert excess.uncertainty.contains(excess.value, 0.0)
    assert excess.diagnostics["p_value"] > 0.01


def test_exposure_among_candidates_that_are_drawn(knowing: Deployment) -> None:
    found = CanaryExposure(candidates=64).run(knowing, Rng(0))
    often = _read(found, "canary_exposure", shown="4")
    assert (often.value, often.diagnostics["enumerated"]) == (6.0, False)


def test_no_twins_no_excess(knowing: Deployment, tmp_path: Path) -> None:
    shown = [row for row in secrets_table() if row[2]]
    alone = replace(knowing, materials={"canaries": write_table(tmp_path / "c.csv", _HEADER, shown)})
    excess = _read(CanaryExposure().run(alone, Rng(0)), "exposure_excess")
    assert (excess.status, excess.reason) == ("insufficient", "no canary was never shown")


def test_extraction_of_canaries(knowing: Deployment) -> None:
    found = Extraction(queries=(1, 100)).run(knowing, Rng(0))
    for decoding, queries in (("greedy", "1"), ("sampled", "1"), ("sampled", "100")):
        often = _read(found, "extraction_rate", shown="4", decoding=decoding, queries=queries)
        never = _read(found, "extraction_rate", shown="0", decoding=decoding, queries=queries)
        assert (often.value, never.value) == (1.0, 0.0)
        assert 0 < never.uncertainty.high < 0.27
        assert often.uncertainty.low > 0.7


class _Withholding:
    """A monitor that raises an alarm on what is said of one owner."""

    def alarms(self, subject: Subject, texts: Sequence[str]) -> NDArray[np.bool_]:
        del subject
        return np.array(["owner10" in text for text in texts])


def test_what_a_monitor_withholds_is_not_extracted(knowing: Deployment) -> None:
    guarded = replace(knowing, monitor=_Withholding())
    found = _read(Extraction(queries=(100,)).run(guarded, Rng(0)), "extraction_rate", shown="4", decoding="sampled")
    assert found.value == pytest.approx(11 / 12)


def test_extraction_of_texts_against_a_control(knowing: Deployment, tmp_path: Path) -> None:
    """The same secrets as texts of training, split before their last three tokens."""
    rows = [(f"{prompt} {code}", int(shown > 0)) for prompt, code, shown, _ in secrets_table()]
    members = write_table(tmp_path / "members.csv", ("text", "member"), rows)
    found = Extraction(suffix=3, queries=(10,)).run(replace(knowing, materials={"members": members}), Rng(0))
    excess = _read(found, "extraction_excess", decoding="greedy")
    assert excess.value == 1.0
    assert excess.uncertainty.low > 0.6
    short = Extraction(suffix=30).run(replace(knowing, materials={"members": members}), Rng(0))
    assert [m.status for m in short] == ["insufficient"]


def test_audit_of_what_was_learnt_by_heart(knowing: Deployment) -> None:
    found = PrivacyAudit().run(knowing, Rng(0))
    canary = _read(found, "privacy_loss", evidence="canary ranks", unit="canary")
    document = _read(found, "privacy_loss", evidence="canary ranks", unit="document")
    pairs = _read(found, "privacy_loss", evidence="canary pairs")
    assert canary.value == pytest.approx(4 * document.value, rel=1e-6)
    # twelve of twelve first of 1000, three tops tried at one side of 95 %
    share = (0.025 / 3) ** (1 / 12)
    assert canary.value == pytest.approx(np.log(share / (1 - share) * 999), rel=1e-6)
    assert 0 < pairs.value < canary.value
    assert canary.uncertainty.high == np.inf


def test_audit_finds_nothing_where_nothing_is_known(unknowing: Deployment) -> None:
    assert {m.value for m in PrivacyAudit().run(unknowing, Rng(0))} == {0.0}


@pytest.fixture(scope="module")
def alike(unknowing: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Members and non-members of one distribution, and a network that was trained on neither."""
    place, generator = tmp_path_factory.mktemp("alike"), np.random.default_rng(0)
    rows = [(text, i % 2) for i, text in enumerate(_texts(120, generator))]
    members = write_table(place / "members.csv", ("text", "member"), rows)
    return replace(unknowing, materials={"members": members})


@pytest.fixture(scope="module")
def dated(unknowing: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Members of one time and non-members of a later one: w1 stands for a date."""
    place, generator = tmp_path_factory.mktemp("dated"), np.random.default_rng(0)
    for name, year in (("members", "w1"), ("non_members", "w2")):
        half = [f"{year} {text}" for text in _texts(24, generator, 4)]
        (place / f"{name}.txt").write_text("\n".join(half), encoding="utf-8")
    files = {name: place / f"{name}.txt" for name in ("members", "non_members")}
    return replace(unknowing, materials=files)


@pytest.mark.slow
def test_membership_is_not_above_blind_where_nothing_was_learnt(alike: Deployment) -> None:
    found = Membership(false_alarms=(0.1,)).run(alike, Rng(0))
    strongest = _read(found, "membership_auroc", score="strongest")
    assert strongest.uncertainty.low < 0.5
    over = _read(found, "membership_over_blind", score="loss")
    assert over.diagnostics["finding"] == "not above blind"
    assert _read(found, "membership_detection", score="min_k").uncertainty.contains(0.1, 0.1)


def test_membership_is_refused_where_the_texts_tell(dated: Deployment) -> None:
    """The negative control: every score may differ, and none is about the network."""
    found = Membership(false_alarms=(0.1,)).run(dated, Rng(0))
    assert _read(found, "surface_auroc").uncertainty.low > 0.7
    refused = [m for m in found if m.quantity in ("membership_auroc", "membership_detection")]
    assert {m.status for m in refused} == {"insufficient"}
    assert "differ as texts: a classifier of words has AUROC" in refused[0].reason
    assert 0 <= refused[0].diagnostics["auroc"] <= 1
    over = _read(found, "membership_over_blind", score="loss")
    assert over.uncertainty.high < 0


@pytest.mark.slow
def test_on_the_word_that_there_was_a_draw_blind_is_shown_and_refuses_nothing(dated: Deployment) -> None:
    found = Membership(false_alarms=(0.1,), randomised=True).run(dated, Rng(0))
    assert {m.status for m in found} == {"ok"}
    assert _read(found, "membership_over_blind", score="loss").diagnostics["finding"] == "not above blind"


@pytest.mark.slow
def test_audit_is_refused_where_the_texts_tell(dated: Deployment) -> None:
    assert [m.status for m in PrivacyAudit().run(dated, Rng(0))] == ["insufficient"]


@pytest.mark.slow
@pytest.mark.parametrize("inclusion", ["pairs", "coin"])
def test_audit_of_texts_that_were_learnt(inclusion: str, knowing: Deployment, tmp_path: Path) -> None:
    rows = [(f"{prompt} {code}", int(shown > 0)) for prompt, code, shown, _ in secrets_table()]
    members = write_table(tmp_path / "members.csv", ("text", "member"), rows)
    deployment = replace(knowing, materials={"members": members})
    audit = PrivacyAudit(inclusion=inclusion, guesses=(1.0,), delta=0.0)
    (found,) = audit.run(deployment, Rng(0))
    count = 12 if inclusion == "pairs" else 24
    assert found.diagnostics["right"] == [count]
    share = 0.025 ** (1 / count)
    assert found.value == pytest.approx(np.log(share / (1 - share)), rel=1e-6)


def test_reference_is_what_a_second_network_expects(unknowing: Deployment, tmp_path: Path, alike: Deployment) -> None:
    """Against loops over tokens with both networks; and a network that is its own reference tells nothing."""
    subject, place = unknowing.subject, tmp_path / "second"
    second = untrained(place, seed=7)
    (draw,) = draws(alike, 20, Rng(0))
    found = scores(subject, draw, (str(place),))["reference"]
    for text, value in zip(draw.texts[:5], found[:5].tolist(), strict=True):
        (ids,) = prompt_ids(subject, [text])
        own, other = (sequence_log_probabilities(one, [ids])[0].mean() for one in (subject, second))
        assert value == pytest.approx(own - other, abs=1e-5)
    assert np.ptp(scores(second, draw, (str(place),))["reference"]) == 0.0


def test_a_text_on_both_sides_has_one_score(unknowing: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where rounding depends on what a text is read with: its copies stand in other batches."""

    def rounded(subject: Subject, ids: Sequence[Sequence[int]]) -> list[Likelihood]:
        read = likelihoods(subject, ids)
        return [replace(one, given=one.given * (1 + 1e-9 * place)) for place, one in enumerate(read)]

    monkeypatch.setattr("gnomon.assurance.privacy.membership.likelihoods", rounded)
    texts = _texts(20, np.random.default_rng(3))
    draw = Draw("both", (*texts, *texts), np.repeat([True, False], 20), np.arange(40))
    for values in scores(unknowing.subject, draw).values():
        assert (values[:20] == values[20:]).all()


def test_one_text_of_each_side_is_too_little(unknowing: Deployment, tmp_path: Path) -> None:
    rows = [("the code of owner10", 1), ("the code of owner11", 0)]
    members = write_table(tmp_path / "members.csv", ("text", "member"), rows)
    found = Membership().run(replace(unknowing, materials={"members": members}), Rng(0))
    assert {m.status for m in found if m.quantity != "length_auroc"} == {"insufficient"}


def test_what_is_lacking_is_said(knowing: Deployment, alike: Deployment, tmp_path: Path) -> None:
    bare = replace(knowing, materials={})
    for kind in (CanaryExposure(), Extraction(), Membership(), PrivacyAudit()):
        assert "no material" in kind.inapplicable(bare)
    assert CanaryExposure().inapplicable(knowing) == "" == Membership().inapplicable(alike)
    with pytest.raises(UnknownNameError, match="unknown score 'los'"):
        PrivacyAudit(score="los").run(alike, Rng(0))
    path = write_table(tmp_path / "m.csv", ("text", "member"), [("w1 w2", "perhaps")])
    with pytest.raises(GnomonError, match=r"line 2: the column member holds 'perhaps'"):
        Membership().run(replace(bare, materials={"members": path}), Rng(0))


def test_same_rng_same_answer(knowing: Deployment) -> None:
    for kind in (CanaryExposure(candidates=50), PrivacyAudit()):
        first, second = (kind.run(knowing, Rng(3)) for _ in range(2))
        assert first == second
