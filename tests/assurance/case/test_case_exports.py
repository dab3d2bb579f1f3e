"""What other tools read of a case: a model card, and JUnit."""

import re
from xml.etree import ElementTree

import pytest
from huggingface_hub import ModelCard
from made_cases import made

from gnomon.assurance.case.junit import junit
from gnomon.assurance.case.model_card import model_card


def test_the_hub_reads_the_results_of_the_card() -> None:
    case = made(3, 100)
    card = ModelCard(model_card(case))
    assert card.data.tags == ["gnomon", "assurance"]
    results = card.data.eval_results
    assert results is not None
    assert [(one.metric_type, one.metric_value) for one in results] == [("toy_rate", 0.03), ("toy_rate", 1.0)]
    assert results[0].metric_args["low"] == pytest.approx(0.0062, abs=1e-4)
    assert card.data.model_name == case.subject.name
    # what the hub writes of what it read is read by it again
    assert ModelCard(str(card)).data.eval_results == results


@pytest.mark.parametrize(
    ("harm", "says"), [(0, "is within the policy"), (60, "**not** within the policy"), (12, "**not** shown")]
)
def test_the_card_says_the_verdict_and_how_to_repeat_it(harm: int, says: str) -> None:
    text = model_card(made(harm))
    assert says in text
    assert "gnomon evaluate toy toy_rates" in text
    assert ("## Not shown" in text) == (harm > 0)


def test_names_that_are_markup_stay_names() -> None:
    case = made(0)
    hostile = case.model_copy(
        update={"subject": case.subject.model_copy(update={"name": "a: [b]\n---\n# c <script>|"})}
    )
    card = ModelCard(model_card(hostile))
    assert card.data.model_name == "a: [b]\n---\n# c <script>|"
    body = card.text
    assert "<script>" not in body.replace("\\<script\\>", "")
    assert len(re.findall(r"^# ", body, re.MULTILINE)) == 1


@pytest.mark.parametrize(
    ("harm", "counts", "kind"),
    [(0, ("1", "0", "0"), None), (60, ("1", "1", "0"), "failure"), (12, ("1", "0", "1"), "error")],
    ids=["within", "crossed", "insufficient"],
)
def test_junit_is_green_only_within(harm: int, counts: tuple[str, ...], kind: str | None) -> None:
    root = ElementTree.fromstring(junit(made(harm)))
    assert root.tag == "testsuites"
    (suite,) = root
    assert tuple(suite.attrib[name] for name in ("tests", "failures", "errors")) == counts
    assert suite.attrib["skipped"] == "0"
    (test,) = suite.findall("testcase")
    assert test.attrib["name"] == "harm"
    assert [one.tag for one in test] == ([] if kind is None else [kind])
    assert float(test.attrib["time"]) >= 0
    if kind is not None:
        assert test[0].attrib["message"]
        assert "gnomon evaluate" in (test[0].text or "")


def test_junit_holds_no_character_that_xml_does_not() -> None:
    case = made(60)
    row = {**case.decision["rows"][0], "reason": "a \x00 b \ud800 c \x0b <&> d"}
    odd = case.model_copy(update={"decision": {**case.decision, "rows": [row]}})
    root = ElementTree.fromstring(junit(odd))
    assert root.find(".//failure").attrib["message"] == "a � b � c � <&> d"  # type: ignore[union-attr]
