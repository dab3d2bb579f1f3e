from __future__ import annotations

import json

from hypothesis import given

from gnomon.measurement import Provenance, hash_json
from gnomon.measurement.provenance import code_version, record
from random_measurements import provenances


def made(**stated: object) -> Provenance:
    return Provenance(**{"spec_hash": "s", "weights_hash": "w", "data_hash": None, "seed": None, **stated})  # type: ignore[arg-type]


@given(provenances)
def test_it_comes_back_from_json(provenance: Provenance) -> None:
    assert Provenance.from_json(json.loads(json.dumps(provenance.to_json()))) == provenance


def test_a_document_from_before_inheritance_is_read() -> None:
    old = {k: v for k, v in made(seed=1).to_json().items() if not k.startswith("inherited")}
    assert Provenance.from_json(old) == made(seed=1)


def test_what_two_share() -> None:
    assert made(seed=0, data_hash="d").shares_with(made(seed=0, data_hash="d")) == {"seed", "data"}
    assert made(seed=0, data_hash="d").shares_with(made(seed=1, data_hash="d")) == {"data"}
    assert made(seed=0, data_hash="d").shares_with(made(seed=0, data_hash="e")) == {"seed"}
    assert made(seed=0, data_hash="d").shares_with(made(seed=1, data_hash="e")) == set()


def test_without_seed_or_data_nothing_is_shared() -> None:
    assert made().shares_with(made()) == set()


def test_what_is_inherited_is_shared() -> None:
    combined = made(inherited_seeds=(0, 1), inherited_data=("d",))
    assert combined.shares_with(made(seed=1, data_hash="e")) == {"seed"}
    assert made(seed=5, data_hash="d").shares_with(combined) == {"data"}


def test_the_hash_of_json_ignores_order_and_nothing_else() -> None:
    assert hash_json({"a": [1, 2], "b": None}) == hash_json({"b": None, "a": [1, 2]})
    assert hash_json({"a": [1, 2]}) != hash_json({"a": [2, 1]})


def test_what_is_recorded_here_and_now() -> None:
    found = record(
        spec={"x": 1}, subject="s", weights_hash="w", data_hash="d", seed=3, wall_seconds=1.0, flops=2.0, parents=("p",)
    )
    assert found.spec_hash == hash_json({"x": 1})
    assert found.code_version == code_version()
    assert dict(found.packages)["numpy"]
    assert found.created.endswith("+00:00")
    assert found.parents == ("p",)
