"""Concepts from files: what is read, what is refused, and in which words."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gnomon.errors import GnomonError
from gnomon.structure.concepts import load_examples, read_concept


@pytest.fixture
def write(tmp_path):
    def put(content: str, name: str = "idea.csv"):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return path

    return put


@pytest.mark.parametrize(
    ("yes", "no"),
    [("1", "0"), ("1.0", "-1"), ("TRUE", "false"), ("Yes", "no"), ("Toxic", "Not Toxic"), ("fair", "unfair")],
    ids=str,
)
def test_two_labels_are_told_apart_without_being_named(write, yes, no) -> None:
    found = read_concept(write(f"text,label\na b,{no}\nc d,{yes}\n"))
    assert found.labels.tolist() == [-1.0, 1.0]
    assert (found.kind, found.texts, found.name) == ("binary", ("a b", "c d"), "idea")
    assert found.clusters.tolist() == [0, 1]
    assert found.places[1].endswith("idea.csv, line 3")


def test_one_label_of_many_can_be_the_concept(write) -> None:
    path = write("text,label\na,joy\nb,fear\nc,anger\nd,Joy\n")
    assert read_concept(path, present="joy").labels.tolist() == [1, -1, -1, 1]
    with pytest.raises(GnomonError, match=r"which of the labels 'joy', 'fear', 'anger' is the .*--present"):
        read_concept(path)
    with pytest.raises(GnomonError, match="no label is 'rage'; the labels are 'joy', 'fear', 'anger'"):
        read_concept(path, present="rage")


def test_three_numbers_are_grades_and_two_can_be(write) -> None:
    graded = read_concept(write("text,label\na,0.5\nb,2\nc,-1e1\n"))
    assert (graded.kind, graded.labels.tolist()) == ("graded", [0.5, 2.0, -10.0])
    path = write("text,label\na,1\nb,2\n")
    assert read_concept(path, kind="graded").labels.tolist() == [1.0, 2.0]
    with pytest.raises(GnomonError, match="cannot tell which of the labels '1', '2'"):
        read_concept(path)
    with pytest.raises(GnomonError, match=r"line 3: grade 'inf' is no finite number"):
        read_concept(write("text,label\na,1\nb,inf\nc,2\n"), kind="graded")


def test_columns_are_found_where_there_are_two(write) -> None:
    assert read_concept(write("statement,label\na,1\nb,0\n")).texts == ("a", "b")
    assert read_concept(write("text,is_rude\na,1\nb,0\n")).labels.tolist() == [1, -1]
    assert read_concept(write("first,second\n1,a\n0,b\n"), column="second").texts == ("a", "b")
    with pytest.raises(GnomonError, match=r"has the columns first, second; say which holds the text: --column"):
        read_concept(write("first,second\n1,a\n0,b\n"))
    with pytest.raises(GnomonError, match=r"say which holds the label: --label"):
        read_concept(write("text,first,second\na,1,2\n"))
    with pytest.raises(GnomonError, match=r"unknown column of .*idea.csv, line 2 'labl'; did you mean 'label'"):
        read_concept(write("text,label\na,1\nb,0\n"), label="labl")


def test_json_lines_and_tabs_are_read_alike(write) -> None:
    rows = [{"text": "a, b", "label": True}, {"text": "c", "label": False}]
    lines = read_concept(write("\n".join(map(json.dumps, rows)), "idea.jsonl"))
    tabs = read_concept(write("text\tlabel\na, b\t1\nc\t0\n", "idea.tsv"))
    assert lines.texts == tabs.texts == ("a, b", "c")
    assert lines.labels.tolist() == tabs.labels.tolist() == [1, -1]


def test_pairs_by_id_and_by_columns_are_the_same(write) -> None:
    by_id = read_concept(write("text,label,city\na,1,x\nc,0,y\nb,0,x\nd,1,y\n"), pair="city")
    by_columns = read_concept(write("good,bad\na,b\nd,c\n"), positive="good", negative="bad")
    assert by_id.kind == by_columns.kind == "paired"
    assert list(zip(by_id.texts, by_id.labels, by_id.clusters, strict=True)) == [
        ("a", 1, 0),
        ("c", -1, 1),
        ("b", -1, 0),
        ("d", 1, 1),
    ]
    assert list(zip(by_columns.texts, by_columns.labels, by_columns.clusters, strict=True)) == [
        ("a", 1, 0),
        ("b", -1, 0),
        ("d", 1, 1),
        ("c", -1, 1),
    ]


def test_pairs_that_are_none_are_refused(write) -> None:
    with pytest.raises(GnomonError, match=r"line 2: its pair is not one text with and one without .* but 3 texts"):
        read_concept(write("text,label,id\na,1,x\nb,0,x\nc,0,x\n"), pair="id")
    with pytest.raises(GnomonError, match=r"line 3: its pair .* but 2 texts"):
        read_concept(write("text,label,id\na,1,x\nb,0,y\nc,0,x\nd,0,y\n"), pair="id")
    two = write("good,bad\na,b\n")
    with pytest.raises(GnomonError, match="one column of the pairs is named, and not the other"):
        read_concept(two, positive="good")
    with pytest.raises(GnomonError, match="--label does not go with two columns of pairs"):
        read_concept(two, positive="good", negative="bad", label="bad")
    with pytest.raises(GnomonError, match="two columns of pairs are not graded"):
        read_concept(two, positive="good", negative="bad", kind="graded")
    with pytest.raises(GnomonError, match="nothing says which texts are a pair"):
        read_concept(write("text,label\na,1\nb,0\n"), kind="paired")
    with pytest.raises(GnomonError, match="--cluster does not go with --pair"):
        read_concept(write("text,label,id\na,1,x\nb,0,x\n"), pair="id", cluster="id")
    with pytest.raises(GnomonError, match="line 3: column 'id' holds no id"):
        read_concept(write("text,label,id\na,1,x\nb,0,\n"), pair="id")


def test_clusters_group_texts_without_pairing_them(write) -> None:
    found = read_concept(write("text,label,city\na,1,x\nb,0,y\nc,0,x\n"), cluster="city")
    assert (found.kind, found.clusters.tolist()) == ("binary", [0, 1, 0])


def test_spans_are_words_or_characters(write) -> None:
    found = read_concept(write("text,label,at\nRome is in Rome,1,Rome\nit is here,0,3:5\n"), span="at")
    assert found.spans.tolist() == [[0, 4], [3, 5]]
    found = read_concept(write("text,label,at\nThis is it,1,is\nunhappy,0,happy\nSo (so),1,(so)\n"), span="at")
    assert found.spans.tolist() == [[5, 7], [2, 7], [3, 7]]  # a word before a part of one
    rows = [{"text": "it is", "label": 1, "at": [3, 5]}, {"text": "so so", "label": 0, "at": "so"}]
    assert read_concept(write("\n".join(map(json.dumps, rows)), "i.jsonl"), span="at").spans.tolist() == [
        [3, 5],
        [0, 2],
    ]
    with pytest.raises(GnomonError, match=r"line 2: the span 'Oslo' is not in the text"):
        read_concept(write("text,label,at\nRome is,1,Oslo\nit is,0,it\n"), span="at")
    with pytest.raises(GnomonError, match=r"line 3: the span 3:9 is not within 5 characters"):
        read_concept(write("text,label,at\nRome is,1,is\nit is,0,3:9\n"), span="at")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "holds no rows"),
        ("text,label\n", "holds no rows"),
        (
            "text,label\na,1\nb,1\n",
            "idea.csv, line 2 and all others have the label '1'; give examples with and without",
        ),
        ("text,label\na,1\n  ,0\n", r"line 3: column 'text' holds no text"),
        ("text,label\na,1\nb,\n", "line 3 has no label"),
        ("text,label\na,1\nb,0,2\n", "line 3 has 3 fields, the header has 2"),
    ],
    ids=["empty", "header", "one class", "blank", "no label", "fields"],
)
def test_bad_files_are_refused_by_line(write, content, reason) -> None:
    with pytest.raises(GnomonError, match=reason):
        read_concept(write(content))


def test_a_field_that_one_line_lacks_is_named_with_the_line(write) -> None:
    with pytest.raises(GnomonError, match=r"unknown column of .*i.jsonl, line 2 'label'"):
        read_concept(write('{"text": "a b", "label": 1}\n{"text": "c d"}\n', "i.jsonl"))


def test_a_file_that_is_not_there_or_of_another_kind_is_refused(write, tmp_path) -> None:
    with pytest.raises(GnomonError, match="no file"):
        read_concept(tmp_path / "none.csv")
    with pytest.raises(GnomonError, match=r"unknown kind of file '.txt'"):
        read_concept(write("a\nb\n", "idea.txt"))
    with pytest.raises(GnomonError, match="no file"):
        load_examples(tmp_path / "none.npz")


def test_arrays_are_examples(tmp_path) -> None:
    inputs = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    path = tmp_path / "arrays.npz"
    np.savez(path, inputs=inputs, labels=np.array([1, 0, 0, 1]), clusters=np.array(["x", "y", "x", "z"]))
    found = load_examples(path)
    assert found.inputs.numpy().tolist() == inputs.astype(float).tolist()
    assert (found.labels.tolist(), found.kind, found.groups.tolist()) == ([1, -1, -1, 1], "binary", [0, 1, 0, 2])
    np.savez(path, inputs=inputs, labels=np.array([1, -1, -1, 1]), pairs=np.array([5, 5, 7, 7]), gradients=inputs)
    paired = load_examples(path)
    assert (paired.kind, paired.groups.tolist()) == ("paired", [0, 0, 1, 1])
    assert paired.gradients.shape == (4, 3)
    np.savez(path, inputs=inputs, labels=np.array([0.1, 2, 3, 4]))
    assert load_examples(path).kind == "graded"


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"inputs": np.ones((2, 3))}, "has no array 'labels'"),
        ({"inputs": np.ones((2, 3)), "labels": [1, 0], "lables": [1]}, "unknown array .* 'lables'"),
        ({"inputs": np.array([["a"], ["b"]]), "labels": [1, 0]}, "inputs are of type <U1"),
        ({"inputs": np.array([[1], [None]]), "labels": [1, 0]}, "holds Python objects"),
        ({"inputs": np.ones((3, 3)), "labels": [1, 0]}, r"inputs \(3, 3\) and labels \(2,\) do not belong together"),
        ({"inputs": np.full((2, 3), np.nan), "labels": [1, 0]}, "inputs hold NaN"),
        ({"inputs": np.ones((2, 1)), "labels": [1, 0], "pairs": [0, 1]}, "pair 0 is not one example with and one"),
        ({"inputs": np.ones((2, 1)), "labels": [1, 0], "pairs": [0, 0], "clusters": [0, 0]}, "keep one of the two"),
        ({"inputs": np.ones((2, 1)) * 1j, "labels": [1, 0]}, "complex128; give real numbers"),
    ],
    ids=["missing", "unknown", "texts", "objects", "shapes", "nan", "pairs", "groups", "complex"],
)
def test_bad_arrays_are_refused(tmp_path, arrays, reason) -> None:
    path = tmp_path / "arrays.npz"
    np.savez(path, **arrays)
    with pytest.raises(GnomonError, match=reason):
        load_examples(path)
