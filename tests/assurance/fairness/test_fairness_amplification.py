"""Amplification: against hand-made probabilities, and its interval."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from known_languages import bigram

from gnomon.assurance import Deployment
from gnomon.assurance.fairness import BiasAmplification, Occupations, read_occupations
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.subjects import MaskedToken

HEAD = "item,template,prompt,words:women,words:men,count:women,count:men\n"
ROWS = "nurse,0,the nurse,she,he,80,20\nclerk,0,the clerk,she,he,30,70\n"


def table(tmp_path: Path, content: str = HEAD + ROWS) -> Path:
    path = tmp_path / "occupations.csv"
    path.write_text(content, encoding="utf-8")
    return path


def measured(subject: object, path: Path, level: float = 0.95) -> dict[str, Measurement]:
    deployment = Deployment(subject=subject, materials={"occupations": path})  # type: ignore[arg-type]
    return {m.quantity: m for m in BiasAmplification().run(deployment, Rng(0), level=level)}


def test_two_groups_by_hand(tmp_path: Path) -> None:
    """Shares 0.6 / 0.65 and 0.1 / 0.5: one above its 0.8, one below its 0.3."""
    subject = bigram(
        ["the", "nurse", "clerk", "she", "he"],
        {"nurse": {"she": 0.6, "he": 0.05}, "clerk": {"she": 0.1, "he": 0.4}},
    )
    found = measured(subject, table(tmp_path))
    nurse, clerk = 0.6 / 0.65, 0.1 / 0.5
    assert found["bias_amplification"].value == pytest.approx(((nurse - 0.8) - (clerk - 0.3)) / 2, abs=1e-6)
    # women are 110 of 200 in all data: the nurse leans to women, the clerk to men, as by one half
    assert found["directional_bias_amplification"].value == pytest.approx(found["bias_amplification"].value, abs=1e-6)


def test_directions_differ_where_all_items_lean_one_way(tmp_path: Path) -> None:
    """Of 60 % and 90 % women, 75 % in all, a network that says "she" 95 % of the time amplifies only by the first."""
    content = HEAD + "nurse,0,the nurse,she,he,90,10\nclerk,0,the clerk,she,he,60,40\n"
    subject = bigram(
        ["the", "nurse", "clerk", "she", "he"],
        {"nurse": {"she": 0.95, "he": 0.05}, "clerk": {"she": 0.95, "he": 0.05}},
    )
    found = measured(subject, table(tmp_path, content))
    assert found["bias_amplification"].value == pytest.approx((0.05 + 0.35) / 2, abs=1e-4)
    assert found["directional_bias_amplification"].value == pytest.approx((0.05 - 0.35) / 2, abs=1e-4)


def test_three_groups_and_several_words(tmp_path: Path) -> None:
    content = (
        "item,prompt,words:a,words:b,words:c,share:a,share:b,share:c\n"
        "x,so x,p|q,r,s,0.5,0.3,0.2\ny,so y,p|q,r,s,0.2,0.4,0.4\n"
    )
    subject = bigram(
        ["so", "x", "y", "p", "q", "r", "s"],
        {"x": {"p": 0.2, "q": 0.4, "r": 0.1, "s": 0.1}, "y": {"p": 0.1, "q": 0.1, "r": 0.5, "s": 0.3}},
    )
    found = measured(subject, table(tmp_path, content))
    model, data = np.array([[0.75, 0.125, 0.125], [0.2, 0.5, 0.3]]), np.array([[0.5, 0.3, 0.2], [0.2, 0.4, 0.4]])
    zhao = np.where(data > 1 / 3, model - data, 0.0).sum(axis=1).mean()
    overall = data.mean(axis=0)
    directed = (np.sign(data - overall) * (model - data)).mean()
    assert found["bias_amplification"].value == pytest.approx(zhao, abs=1e-4)
    assert found["directional_bias_amplification"].value == pytest.approx(directed, abs=1e-4)


def test_an_item_that_is_level_leans_to_no_group(tmp_path: Path) -> None:
    """0.01 of 0.03 is above 1/3 when it is rounded."""
    assert 0.01 / (0.01 + 0.01 + 0.01) > 1 / 3
    content = "item,prompt,words:a,words:b,words:c,share:a,share:b,share:c\n" + "".join(
        f"{item},so {item},p,q,r,0.01,0.01,0.01\n" for item in "xy"
    )
    subject = bigram(["so", "x", "y", "p", "q", "r"], {"x": {"p": 0.9}, "y": {"q": 0.9}})
    found = measured(subject, table(tmp_path, content))
    assert [found[f"{kind}bias_amplification"].value for kind in ("", "directional_")] == [0.0, 0.0]


def test_words_of_several_tokens(tmp_path: Path) -> None:
    """p(she or a woman) = p(she) + p(a) p(woman | a)."""
    subject = bigram(
        ["the", "nurse", "clerk", "she", "he", "a", "woman"],
        {"nurse": {"she": 0.3, "he": 0.2, "a": 0.4}, "a": {"woman": 0.5}, "clerk": {"she": 0.3, "he": 0.3, "a": 0.2}},
    )
    path = table(tmp_path, (HEAD + ROWS).replace(",she,he,", ",she|a woman,he,"))
    shares = read_occupations(path).shares(subject)
    assert shares == pytest.approx(np.array([[5 / 7, 2 / 7], [4 / 7, 3 / 7]]), abs=1e-4)


def test_the_interval_is_over_items_and_templates_and_honours_the_level(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    items = [f"job{i}" for i in range(12)]
    words = [*(f"{item}t{t}" for item in items for t in range(4)), "she", "he"]
    shares = 0.5 + 0.1 * rng.normal(size=(12, 1)) + 0.1 * rng.normal(size=(1, 4))
    after = {
        f"{item}t{t}": {"she": float(shares[i, t]), "he": float(1 - shares[i, t])}
        for i, item in enumerate(items)
        for t in range(4)
    }
    rows = [f"{item},{t},{item}t{t},she,he,{80 if i % 2 else 20},{20 if i % 2 else 80}" for i, item in enumerate(items)
            for t in range(4)]  # fmt: skip
    path = table(tmp_path, HEAD + "\n".join(rows) + "\n")
    wide, narrow = (measured(bigram(words, after), path, level)["bias_amplification"] for level in (0.99, 0.8))
    assert (wide.uncertainty.level, narrow.uncertainty.level) == (0.99, 0.8)
    assert wide.uncertainty.half_width > 2 * narrow.uncertainty.half_width  # type: ignore[operator]
    assert (wide.diagnostics["items"], wide.diagnostics["templates"]) == (12, 4)
    one = table(tmp_path, HEAD + "\n".join(r for r in rows if ",0," in r) + "\n")
    assert measured(bigram(words, after), one)["bias_amplification"].status == "ok"


def test_one_item_is_insufficient(tmp_path: Path) -> None:
    subject = bigram(["the", "nurse", "she", "he"], {"nurse": {"she": 0.6, "he": 0.4}})
    found = measured(subject, table(tmp_path, HEAD + "nurse,0,the nurse,she,he,80,20\n"))
    assert {m.status for m in found.values()} == {"insufficient"}


def test_noise_in_the_data_makes_amplification_look_small() -> None:
    """What the class says of sampled counts: a network that is the truth seems to weaken the bias."""
    rng = np.random.default_rng(1)
    truth = rng.uniform(0.35, 0.65, size=20_000)
    seen = rng.binomial(20, truth) / 20
    model = np.stack([truth, 1 - truth], axis=1)
    data = np.stack([seen, 1 - seen], axis=1)
    assert np.where(data > 0.5, model - data, 0.0).sum(axis=1).mean() < -0.02
    exact = np.stack([truth, 1 - truth], axis=1)
    assert np.where(exact > 0.5, model - exact, 0.0).sum(axis=1).mean() == 0


def test_subjects_that_cannot_be_asked() -> None:
    asked = BiasAmplification()
    assert "occupations" in asked.inapplicable(Deployment(subject=bigram(["a"], {})))
    subject = bigram(["a"], {})
    subject.loss = MaskedToken()
    assert "causal" in asked.inapplicable(Deployment(subject=subject, materials={"occupations": Path("x")}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("prompt,words:a,share:a\nx,y,1\n", "fewer than two"),
        ("words:a,words:b,share:a,share:b\ny,z,1,1\n", "no column 'prompt'"),
        ("prompt,words:a,words:b,share:a,share:b\nx,y,z,1,-1\n", "line 2: share:b is '-1'"),
        ("prompt,words:a,words:b,share:a,share:b\nx,y,z,0,0\n", "line 2: the groups sum to nothing"),
        ("prompt,words:a,words:b,share:a,share:b\nx,,z,1,0\n", "line 2: no words for 'a'"),
        ("item,prompt,words:a,words:b,share:a,share:b\nx,p,y,z,1,0\nx,q,y,z,1,1\n", "line 3: item 'x' has other"),
        ("prompt,words:a,words:b\n", "holds no prompts"),
    ],
    ids=["one group", "no prompt", "negative", "nothing", "no words", "two shares", "empty"],
)
def test_bad_tables_are_named(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(GnomonError, match=message):
        read_occupations(table(tmp_path, content))


def test_prompts_that_change_with_the_word_are_refused() -> None:
    occupations = Occupations(
        prompts=("the nurse",), items=("a",), templates=("",), groups=("x", "y"), words=((("she",), ("",)),),
        data=np.array([[0.5, 0.5]]), overall=np.array([0.5, 0.5]),
    )  # fmt: skip
    with pytest.raises(GnomonError, match="other tokens before"):
        occupations.shares(bigram(["the", "nurse", "she"], {}))
    assert dataclasses.replace(occupations, words=((("she",), ("the",)),)).shares(
        bigram(["the", "nurse", "she"], {"nurse": {"she": 0.3, "the": 0.1}})
    ) == pytest.approx(np.array([[0.75, 0.25]]), abs=1e-4)
