"""Graded tables as they are read, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.assurance.errors.features import feature_table
from gnomon.assurance.errors.graded import Graded, read_graded, read_questions
from gnomon.errors import GnomonError
from gnomon.randomness import Rng


def written(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_is_read_with_its_columns(tmp_path):
    path = written(tmp_path, "text,correct,confidence,cluster,topic\na b,1,0.5,x,law\nc,no,1,x,\nd,true,0,,law\n")
    graded = read_graded(path)
    assert graded.texts == ("a b", "c", "d")
    assert graded.errors.tolist() == [0, 1, 0]
    assert graded.confidence.tolist() == [0.5, 1, 0]
    assert graded.clusters[0] == graded.clusters[1] != graded.clusters[2]
    assert graded.columns == {"topic": ("law", "", "law")}
    assert read_graded(path, columns=[]).columns == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("text,correct\na,2\n", "line 2: correct is '2'", id="no share"),
        pytest.param("text,error\na,nan\n", "error is 'nan'", id="NaN"),
        pytest.param("text\na\n", "no column correct or error", id="ungraded"),
        pytest.param("correct\n1\n", "no column text or prompt", id="no text"),
        pytest.param("text,correct\n", "no rows", id="empty"),
    ],
)
def test_bad_tables_are_one_line(tmp_path, text, told):
    with pytest.raises(GnomonError, match=told):
        read_graded(written(tmp_path, text))


@pytest.mark.parametrize("lacking", [pytest.param("", id="missing"), pytest.param('"correct": null', id="null")])
def test_a_row_without_a_grade_is_named(tmp_path, lacking):
    path = tmp_path / "table.jsonl"
    rest = ", ".join(filter(None, ('"text": "b"', lacking)))
    path.write_text(f'{{"text": "a", "correct": 1}}\n{{{rest}}}\n', encoding="utf-8")
    with pytest.raises(GnomonError, match="line 2: correct is"):
        read_graded(path)


def test_the_target_has_to_be_among_the_choices(tmp_path):
    good = read_questions(written(tmp_path, "prompt,target,choices\nis it ?,yes,yes|no\nwho ?,me,\n"))
    assert good.choices == (("yes", "no"), ())
    with pytest.raises(GnomonError, match="line 2: 'maybe' is not one of"):
        read_questions(written(tmp_path, "prompt,target,choices\nis it ?,maybe,yes|no\n"))


def test_an_unknown_column_names_the_nearest(tmp_path):
    with pytest.raises(GnomonError, match="topic"):
        read_graded(written(tmp_path, "text,correct,topic\na,1,law\n"), columns=["topik"])


def test_halves_part_no_cluster():
    clusters = np.repeat(np.arange(41), 3)
    half = Graded(texts=("",) * 123, errors=np.zeros(123), clusters=clusters).half(Rng(0))
    assert {len(set(half[clusters == c])) for c in range(41)} == {1}
    assert half.sum() == 21 * 3


def test_features_are_learnt_from_the_known_half_alone():
    texts = ("red fox", "red hen", "blue fox", "blue hen") * 10
    other = ("green fox", "red owl") * 10
    known = np.arange(60) < 40
    graded = Graded(texts=texts + other, errors=np.zeros(60), clusters=np.arange(60))
    table = feature_table(graded, known, support=5)
    told = {feature.description: table.member(i) for i, feature in enumerate(table.features)}
    assert not any("green" in name or "owl" in name for name in told)
    assert told["'red'"].tolist() == ["red" in text for text in graded.texts]
    assert told["'fox'"].tolist() == ["fox" in text for text in graded.texts]
    # the same known examples, told by the word and not by its place
    assert not any(name.startswith(("begins", "ends")) for name in told)
    assert told["'red fox'"].sum() == 10
