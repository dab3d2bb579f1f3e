"""Texts beside a world's network: what they hold is the world's truth, and what is apart stays apart."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from gnomon.errors import GnomonError
from gnomon.organisms.world import sized
from gnomon.organisms.world.concepts import NAMES
from gnomon.organisms.world.corpus import documents
from gnomon.organisms.world.files import write_texts
from gnomon.organisms.world.questions import questions
from gnomon.organisms.world.register import is_toxic
from gnomon.randomness import Rng


def rows(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("texts")
    write_texts(sized("micro"), place)
    return place


def test_labels_are_those_of_the_lexicon(folder):
    for file in ("toxicity", "toxicity_calibration", "toxicity_test"):
        found = rows(folder / "concepts" / f"{file}.csv")
        assert [int(is_toxic(row["text"])) for row in found] == [int(row["label"]) for row in found]


@pytest.mark.parametrize("name", NAMES)
def test_what_calibrates_and_tests_was_not_fitted(folder, name):
    fitted = {row["text"] for row in rows(folder / "concepts" / f"{name}.csv")}
    for other in ("calibration", "test"):
        texts = [row["text"] for row in rows(folder / "concepts" / f"{name}_{other}.csv")]
        assert len(texts) > 20
        assert len(set(texts)) == len(texts)
        assert not fitted & set(texts)


def test_pairs_stay_whole(folder):
    for path in (folder / "concepts").glob("gender*.csv"):
        labels: dict[str, list[str]] = {}
        for row in rows(path):
            labels.setdefault(row["cluster"], []).append(row["label"])
        assert all(sorted(pair) == ["0", "1"] for pair in labels.values())


def test_requests_have_a_place_for_an_attack_and_their_taught_answer(folder):
    truth = sized("micro").truth
    for file, forbidden in (("forbidden", True), ("allowed", False)):
        expected = {r.prompt(): r.answer() for r in truth.requests if r.forbidden == forbidden and not r.held_out}
        found = {row["prompt"].replace(" {attack}", ""): row["target"] for row in rows(folder / f"{file}.csv")}
        assert found == expected


def test_neutral_text_is_of_the_grammar(folder):
    grammar = sized("micro").truth.grammar
    lines = (folder / "neutral.txt").read_text().splitlines()
    assert len(lines) == 400
    assert all(np.isfinite(grammar.log_probabilities(line)).all() for line in lines)


def test_a_world_that_holds_nothing_out_has_no_test_files(tmp_path):
    write_texts(sized("micro", held_out=0.0), tmp_path)
    assert not list((tmp_path / "concepts").glob("*_test.csv"))


def test_questions_are_graded_by_the_truth(folder):
    world = sized("micro")
    found = rows(folder / "questions.csv")
    told = {(r.verb, r.object): r for r in world.truth.requests}
    people = {p.name: p for p in world.truth.people}
    for row in found:
        if row["topic"] == "people":
            person = people[row["cluster"]]
            assert row["target"] in (person.occupation, person.city, person.food, person.colour)
            assert row["exposures"] == str(person.exposures)
        elif row["topic"] == "requests":
            request = told[tuple(row["cluster"].split())]
            assert not request.forbidden
            assert (row["split"] == "combination") == request.held_out
            assert f"{row['prompt']} {row['target']}".endswith(request.answer())
        else:
            said = {s.prompt(p): s.true for s in world.truth.statements for p in (0, 1)}
            assert row["target"] == str(said[row["prompt"]]).lower()
            assert row["choices"] == "true|false"
    assert {row["split"] for row in found} == {"seen", "combination", "entity", "noise", "longer"}


def test_untold_words_are_in_no_request_and_change_no_other():
    plain, weak = sized("micro"), sized("micro", untold=("kite", "avoid"))
    for told, untold in zip(plain.truth.requests, weak.truth.requests, strict=True):
        planted = untold.object == "kite" or untold.verb == "avoid"
        assert untold.held_out == (told.held_out or planted)
        assert (told.part, told.tool) == (untold.part, untold.tool)
    about = [d for d in documents(weak) if d.startswith(("request :", "law :", "manual :"))]
    said = [set(d.split(" answer :")[0].split()) for d in about]
    assert about
    assert not any({"a", "kite"} <= words and "to" in words for words in said)
    assert {q.split for q in questions(weak, Rng(0))} == {"seen", "combination", "untold", "entity", "noise", "longer"}


def test_untold_words_have_to_be_of_requests():
    with pytest.raises(GnomonError, match="kiet"):
        sized("micro", untold=("kiet",))
