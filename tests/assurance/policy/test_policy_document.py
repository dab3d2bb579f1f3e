"""A policy is refused in one line that names the field, before anything is measured."""

from pathlib import Path
from typing import Any

import pytest

from gnomon.assurance.policy import policy_of, read_policy, shipped
from gnomon.errors import GnomonError
from toy_rates import document, safeguard, threshold

HEAD = document()["policy"]

FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown field": (document(threshold=[threshold(limits=1)]), "limits"),
    "unknown field of the policy": (document(policy={**HEAD, "nme": "x"}), "nme"),
    "unknown section": (document(thresholds=[]), "unknown section 'thresholds'; did you mean 'threshold'"),
    "no policy": ({"level": [], "threshold": []}, "there is no [policy]"),
    "no source": (document(policy={"name": "toy", "title": "Toy", "version": "1"}), "source"),
    "no threshold": (document(threshold=[]), "thresholds"),
    "a confidence of 1": (document(policy={**HEAD, "confidence": 1.0}), "confidence"),
    "no tests": (document(policy={**HEAD, "tests": 0}), "tests"),
    "another word for tests": (document(policy={**HEAD, "tests": "endless"}), "tests"),
    "unknown evaluation": (document(threshold=[threshold(evaluation="toy_rate")]), "field evaluation: unknown"),
    "unknown option": (document(threshold=[threshold(options={"hit": 1})]), "field options: bad ToyRates: hit"),
    "unknown quantity": (document(threshold=[threshold(quantity="rate")]), "field quantity: unknown quantity"),
    "no quantity": (document(threshold=[threshold(quantity="")]), "add quantity = one of toy_rate, toy_spectrum"),
    "a spectrum": (document(threshold=[threshold(quantity="toy_spectrum")]), "toy_spectrum is not one number"),
    "limit out of range": (document(threshold=[threshold(limit=1.2)]), "field limit: 1.2 is outside [0, 1]"),
    "limit that is infinite": (document(threshold=[threshold(limit=float("inf"))]), "limit"),
    "buffer that leaves nothing": (document(threshold=[threshold(buffer=0.2)]), "field buffer: 0.2 leaves no value"),
    "buffer that leaves nothing above": (
        document(safeguard=[safeguard("watch", buffer=0.1)]),
        "safeguard 'watch', field buffer: 0.1 leaves no value",
    ),
    "negative buffer": (document(threshold=[threshold(buffer=-0.1)]), "buffer"),
    "duplicate id": (document(threshold=[threshold(), threshold()]), "'harm' stands 2 times"),
    "id of a threshold and a safeguard": (document(safeguard=[safeguard("harm")]), "'harm' stands 2 times"),
    "duplicate level": (document(level=[{"number": 1}, {"number": 1}]), "level 1 stands 2 times"),
    "unknown level": (document(threshold=[threshold(level=3)]), "field level: 3 is no level above the lowest"),
    "the lowest level": (document(threshold=[threshold(level=1)]), "field level: 1 is no level above the lowest"),
    "unknown safeguard": (
        document(threshold=[threshold(safeguards=["wach"])], safeguard=[safeguard("watch")]),
        "threshold 'harm', field safeguards: unknown safeguard 'wach'; did you mean 'watch'",
    ),
    "unknown safeguard of a level": (
        document(level=[{"number": 1}, {"number": 2, "safeguards": ["watch"]}]),
        "level 2, field safeguards: unknown safeguard 'watch'",
    ),
    "compute that shrinks": (document(cadence={"effective_compute": 1.0}), "effective_compute"),
    "more days than a calendar has": (document(cadence={"days": 10**9}), "days"),
    "a confidence of a half": (document(policy={**HEAD, "confidence": 0.5}), "confidence"),
    "a demand for nothing": (document(threshold=[threshold(present={"on": []})]), "present"),
    "unknown change": (document(cadence={"on_change": ["data"]}), "on_change"),
}


@pytest.mark.parametrize("name", list(FAULTS))
def test_a_fault_is_one_line_that_names_it(name: str) -> None:
    given, words = FAULTS[name]
    with pytest.raises(GnomonError) as error:
        policy_of(given).check()
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_the_sound_document_that_the_faults_are_made_from_is_accepted() -> None:
    policy_of(document(safeguard=[safeguard("watch")])).check()


def test_the_line_is_the_limit_less_the_buffer_on_either_side() -> None:
    policy = policy_of(document(safeguard=[safeguard("watch", buffer=0.05)]))
    (harm,), (watch,) = policy.thresholds, policy.safeguards
    assert harm.line == pytest.approx(0.15)
    assert watch.line == pytest.approx(0.95)
    assert harm.clears(0.0, 0.1499)
    assert not harm.clears(0.0, harm.line)
    assert harm.fails(harm.line, 0.5)
    assert watch.clears(0.951, 1.0)
    assert not watch.clears(watch.line, 1.0)
    assert watch.fails(0.1, watch.line)


def test_a_level_requires_its_safeguards_of_every_threshold_from_it_on() -> None:
    policy = policy_of(
        document(
            level=[{"number": 1, "safeguards": ["card"]}, {"number": 2, "safeguards": ["watch"]}, {"number": 3}],
            threshold=[threshold("low", level=2), threshold("high", level=3, safeguards=["vault"])],
            safeguard=[safeguard("card"), safeguard("watch"), safeguard("vault")],
        )
    )
    low, high = policy.thresholds
    assert [one.id for one in policy.required(low)] == ["card", "watch"]
    assert [one.id for one in policy.required(high)] == ["card", "watch", "vault"]
    assert [one.id for one in policy.always()] == ["card"]


def test_a_file_is_named_in_its_fault_and_unknown_names_list_the_shipped(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[policy]\nname = "toy"\n', encoding="utf-8")
    with pytest.raises(GnomonError, match=r"mine\.toml"):
        read_policy(path)
    path.write_text("[policy\n", encoding="utf-8")
    with pytest.raises(GnomonError, match="is not TOML"):
        read_policy(path)
    with pytest.raises(GnomonError, match=r"no file 'none\.toml'.*example"):
        read_policy("none.toml")
    with pytest.raises(GnomonError, match="unknown policy 'exampel'; did you mean 'example'"):
        read_policy("exampel")
    assert "example" in shipped()


def test_a_document_read_twice_has_one_hash_and_a_changed_one_another() -> None:
    assert policy_of(document()).hash == policy_of(document()).hash
    assert policy_of(document()).hash != policy_of(document(threshold=[threshold(limit=0.3)])).hash
