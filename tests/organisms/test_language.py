"""The language against enumeration; files against their own characters."""

import itertools

import numpy as np
import pytest

from gnomon.errors import GnomonError
from gnomon.organisms.language import MarkovLanguage, TextFile
from gnomon.randomness import Rng

SMALL = MarkovLanguage(tokens=3, features=4, strength=2.0)


def joint(language, length):
    """Probability of every text of ``length``, by enumeration."""
    p = {}
    for text in itertools.product(range(language.tokens), repeat=length):
        p[text] = language.pairs[text[0], text[1]] * np.prod(
            [language.transitions[text[t - 2], text[t - 1], text[t]] for t in range(2, length)]
        )
    return p


def test_the_entropy_rate_is_what_one_more_token_adds():
    block = [-sum(q * np.log(q) for q in joint(SMALL, length).values()) for length in (2, 3, 4, 6)]
    assert block[1] - block[0] == pytest.approx(SMALL.entropy_rate, abs=1e-10)
    assert (block[3] - block[2]) / 2 == pytest.approx(SMALL.entropy_rate, abs=1e-10)


def test_the_pairs_are_the_left_eigenvector_of_the_chain():
    v = SMALL.tokens
    chain = np.zeros((v * v, v * v))
    for a, b, y in itertools.product(range(v), repeat=3):
        chain[a * v + b, b * v + y] = SMALL.transitions[a, b, y]
    values, vectors = np.linalg.eig(chain.T)
    stationary = np.real(vectors[:, np.argmax(values.real)])
    np.testing.assert_allclose(SMALL.pairs.ravel(), stationary / stationary.sum(), atol=1e-10)


def test_samples_have_the_frequencies_of_the_source():
    text = SMALL.sample(60_000, 4, Rng(0))
    counts = np.zeros((3,) * 4)
    np.add.at(counts, tuple(text.T), 1)
    expected = np.array(list(joint(SMALL, 4).values())).reshape((3,) * 4) * len(text)
    chi = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi - 80) < 4 * np.sqrt(160)  # chi-square with 80 degrees of freedom


def test_pure_noise_has_the_entropy_of_zipf():
    language = MarkovLanguage(tokens=10, noise=1.0)
    zipf = 1 / np.arange(1, 11) / (1 / np.arange(1, 11)).sum()
    assert language.entropy_rate == pytest.approx(-(zipf * np.log(zipf)).sum())
    np.testing.assert_allclose(language.unigram, zipf)


def test_windows_of_a_file_are_its_text_once_each(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("".join(chr(97 + i % 26) for i in range(1000)))
    file = TextFile.read(str(path), TextFile.digest(str(path)))
    assert (file.tokens, len(file.train), len(file.test)) == (26, 900, 100)
    windows = file.windows(file.train, 90, 10, Rng(0))
    assert (np.diff(windows, axis=1) % 26 == 1).all()
    assert sorted(windows.ravel()) == sorted(file.train)
    with pytest.raises(GnomonError, match="hold 90 windows of 10, 91 are needed"):
        file.windows(file.train, 91, 10, Rng(0))


def test_a_file_that_changed_or_is_no_text_is_refused(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(GnomonError, match="is not UTF-8"):
        TextFile.read(str(path), TextFile.digest(str(path)))
    with pytest.raises(GnomonError, match="has changed"):
        TextFile.read(str(path), "0")
    with pytest.raises(GnomonError, match="cannot read"):
        TextFile.digest(str(tmp_path / "none"))
