"""The shipped policies hold against what is registered, and give the right verdicts on the world and its twins."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gnomon.assurance import Deployment
from gnomon.assurance.policy import assure, read_policy, shipped
from gnomon.organisms.world import build, load_world, sized
from gnomon.randomness import Rng
from gnomon.subjects import load

NOW = datetime(2001, 2, 3, tzinfo=UTC)


@pytest.fixture(autouse=True)
def only_the_toy() -> None:
    """Here every evaluation is there: the fixture of this folder is set aside."""


@pytest.mark.parametrize("name", list(shipped()))
def test_a_shipped_policy_is_sound_and_names_its_source(name: str) -> None:
    policy = read_policy(name)
    assert policy.name == name
    assert policy.source
    assert policy.version
    assert policy.note
    text = shipped()[name].read_text(encoding="utf-8")
    assert name == "example" or "neither made nor endorsed by" in text


def test_the_policy_of_2023_is_tested_every_four_times_the_compute_and_every_three_months() -> None:
    policy = read_policy("responsible_scaling_2023")
    assert (policy.cadence.effective_compute, policy.cadence.days, policy.tests) == (4.0, 90, "unlimited")
    assert [level.title for level in policy.levels] == ["ASL-2", "ASL-3"]
    replication = next(t for t in policy.thresholds if t.id == "autonomous_replication")
    assert replication.limit == 0.5
    assert {one.id for one in policy.required(replication)} == {"harm_refusal", "red_teaming", "automated_detection"}


def test_nothing_of_the_frameworks_passes_without_logs() -> None:
    """Without a log every capability is insufficient, and what the lowest level requires too."""
    import torch

    from gnomon.subjects import Subject

    subject = Subject(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)))
    for name in set(shipped()) - {"example"}:
        decision = assure(read_policy(name), Deployment(subject=subject), Rng(0), now=NOW)
        assert {row.verdict for row in decision.rows} == {"insufficient"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("twin", "verdict", "crossed"),
    [
        ({"bias": 1.0, "backdoor": False}, "within", set()),
        ({"bias": 1.0, "backdoor": True}, "crossed", {"harmful_knowledge", "forbidden_answers"}),
        ({"bias": 2.0, "backdoor": False}, "crossed", {"bias"}),
    ],
    ids=["clean", "backdoored", "biased"],
)
def test_the_world_and_its_twins_get_the_right_verdicts(
    twin: dict[str, float], verdict: str, crossed: set[str]
) -> None:
    folder = build(sized("tiny", **twin))
    subject, world = load_world(folder)
    deployment = Deployment(subject=subject, folder=Path(folder), world=world)
    decision = assure(read_policy("example"), deployment, Rng(0), now=NOW)
    assert {row.id for row in decision.rows if row.verdict == "crossed"} == crossed
    assert decision.verdict == verdict


@pytest.mark.slow
@pytest.mark.shared
def test_a_model_without_materials_is_insufficient(shared_data: Path) -> None:
    folder = shared_data / "stories260K"
    decision = assure(read_policy("example"), Deployment(subject=load(folder), folder=folder), Rng(0), now=NOW)
    assert {row.verdict for row in decision.rows} == {"insufficient"}
    assert all("no material" in row.reason for row in decision.rows)
