"""The ladder against closed forms, the verdict on made-up ladders, and one real small run."""

import math

import numpy as np
import pytest
import torch

from gnomon.errors import GnomonError
from gnomon.lab.store import PointRecord
from gnomon.lab.sweep import Results
from gnomon.organisms.language import MarkovLanguage
from gnomon.phenomena import verdict_of
from gnomon.phenomena.scaling import Scaling, Settings
from gnomon.phenomena.scaling_experiment import Rung, climb
from gnomon.testing.phenomena import check_phenomenon

SMALL = {"widths": (2, 3, 4), "tokens": (512, 1024, 2048), "batch": 8, "test_windows": 64, "string": 3}
SEEDS = range(5)


def made(settings, outcome):
    """Results in which every point found what ``outcome(rung, noise)`` says."""
    records = []
    for point in Scaling().points(settings, SEEDS):
        rung = point.spec
        noise = np.random.default_rng(abs(hash((rung.width, rung.tokens, rung.seed, rung.shuffled))) % 2**32)
        found = outcome(rung, lambda scale, noise=noise: float(np.exp(scale * noise.normal())))
        records.append(
            PointRecord(
                key=point.key,
                experiment="scaling",
                spec=rung.model_dump(mode="json"),
                status="failed" if found is None else "done",
                outcome=found or {},
                reason="" if found else "made to fail",
                seconds=0.0,
            )
        )
    return Results(records)


def lawful(rung, noise, *, alpha=0.4, beta=0.5, strings=4.0, calibration=1.0):
    """A ladder with excess N^-alpha D^-beta, whose exact match is a power of its progress."""
    parameters, random = 12 * rung.width**2, rung.shuffled
    excess = parameters ** (0.0 if random else -alpha) * rung.tokens**-beta * noise(0.02)
    flop = 6.0 * parameters * rung.tokens
    match = min(1.0, (flop / 2e9) ** (strings / 4)) * noise(0.02)
    return {
        "parameters": parameters,
        "tokens": rung.tokens,
        "flop": flop,
        "loss": 1.0 + excess,
        "loss_error": 0.01,
        "entropy": 1.0,
        "excess": excess,
        "accuracy": 0.7,
        "matched": [match * calibration] * rung.string,
        "expected": [match] * rung.string,
    }


def judged(**law):
    settings = Settings()
    return Scaling().judge(settings, SEEDS, made(settings, lambda rung, noise: lawful(rung, noise, **law)))


def test_a_lawful_ladder_is_shown_with_its_exponents_and_its_control_is_not():
    finding = judged(alpha=0.4, beta=0.5)
    claims = {c.name: c for c in finding.claims}
    assert verdict_of(finding.claims) == "shown"
    assert verdict_of(finding.controls["random order"]) == "not shown"
    for name, exponent in (("loss_falls_with_parameters", 0.4), ("loss_falls_with_tokens", 0.5)):
        low, high = claims[name].ends
        assert low - 0.02 < exponent < high + 0.02
    assert len(finding.curves["surface"]["loss"]) == 5 * 16


@pytest.mark.parametrize(
    ("law", "refuted"),
    [
        ({"alpha": 0.0}, "loss_falls_with_parameters"),
        ({"beta": 0.0}, "loss_falls_with_tokens"),
        ({"strings": 0.2}, "strings_come_late"),
        ({"alpha": 0.06, "beta": 0.06, "strings": 0.2}, "loss_moves_first"),
        ({"calibration": 3.0}, "strings_are_foretold"),
    ],
)
def test_a_ladder_without_one_of_its_laws_is_not_shown(law, refuted):
    finding = judged(**law)
    assert refuted in [c.name for c in finding.claims if c.state == "refuted"]
    assert verdict_of(finding.claims) == "not shown"


def test_rungs_that_failed_leave_the_verdict_open():
    settings = Settings()

    def broken(rung, noise):
        return None if (rung.seed, rung.width) == (0, 32) else lawful(rung, noise)

    finding = Scaling().judge(settings, SEEDS, made(settings, broken))
    assert verdict_of(finding.claims) == "insufficient"


def test_tokens_in_random_order_are_learnt_down_to_their_unigram_entropy_and_no_further():
    language = MarkovLanguage(tokens=8)
    found = climb(Rung(width=4, tokens=2**15, language=language, shuffled=True, string=2))
    unigram = language.unigram
    entropy = -(unigram * np.log(unigram)).sum()
    assert found["entropy"] == pytest.approx(entropy, abs=1e-5)
    assert 0 < found["excess"] < 0.02
    assert abs(found["loss"] - entropy - found["excess"]) < 4 * found["loss_error"]


def test_the_excess_is_the_loss_above_the_entropy_and_chance_is_known():
    language = MarkovLanguage(tokens=8)
    rung = Rung(width=4, tokens=2**13, language=language, string=2, test_windows=4096)
    found = climb(rung)
    # cross-entropy = entropy + divergence holds in expectation; the test text is a sample
    assert abs(found["loss"] - found["entropy"] - found["excess"]) < 4 * found["loss_error"]
    assert found["entropy"] == pytest.approx(language.entropy_rate, rel=0.02)
    untrained = climb(rung.model_copy(update={"learning_rate": 1e-12}))
    assert untrained["loss"] == pytest.approx(math.log(8), abs=0.05)


def test_strings_are_continued_greedily_and_matched_token_by_token():
    from gnomon.phenomena.scaling_experiment import _strings

    class Follower(torch.nn.Module):
        """Gives 2/3 to the token after the last, modulo 5."""

        def forward(self, tokens):
            likely = torch.nn.functional.one_hot((tokens + 1) % 5, 5)
            return torch.log(likely * (2 / 3 - 1 / 12) + 1 / 12)

    test = torch.tensor([[0, 1, 2, 3, 4], [0, 1, 2, 3, 3], [0, 1, 1, 3, 4]])
    found = _strings(Follower(), test, 3)
    assert found["matched"] == pytest.approx([2 / 3, 2 / 3, 1 / 3])
    assert found["expected"] == pytest.approx([2 / 3, 4 / 9, 8 / 27])


def test_a_file_is_learnt_by_the_same_ladder(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the quick brown fox jumps over the lazy dog. " * 800)
    settings = Settings(**SMALL, text=str(path))
    found = climb(settings.rung(4, 2048, 0).spec)
    assert found["entropy"] is None
    assert 0 < found["loss"] < math.log(28)
    before = settings.rung(4, 2048, 0)
    path.write_text("another text " * 800)
    assert settings.rung(4, 2048, 0).key != before.key
    with pytest.raises(GnomonError, match="has changed"):
        climb(before.spec)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"widths": (8, 4, 16)}, "is no ladder"),
        ({"widths": (8, 16)}, "is no ladder"),
        ({"widths": (8, 16, 32)}, "differ in number"),
    ],
)
def test_what_is_no_ladder_is_refused(fields, fault):
    with pytest.raises(GnomonError, match=fault):
        Settings(**fields)


def test_no_room_for_a_prompt_is_refused():
    with pytest.raises(GnomonError, match="has no room for a prompt and 8 tokens"):
        climb(Rung(width=4, tokens=512, context=8))


def test_it_keeps_the_contract_of_phenomena():
    check_phenomenon(Scaling, SMALL)


@pytest.mark.slow
def test_quick_is_shown_and_its_control_is_not(tmp_path):
    from gnomon.lab.store import Store
    from gnomon.lab.sweep.executors import Local
    from gnomon.phenomena import run

    with Store.open(tmp_path / "store") as store, Local(workers=1) as executor:
        report = run(Scaling(), store=store, executor=executor)
    assert (report.verdict, report.control) == ("shown", "not shown")
