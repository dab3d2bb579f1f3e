from __future__ import annotations

import itertools
import secrets
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from gnomon.errors import GnomonError
from gnomon.lab.store import PointRecord, Store
from gnomon.lab.store.point_record import Outcome


def point(key: str, status: str = "done", **fields: object) -> PointRecord:
    stated: dict[str, object] = {"experiment": "trial", "spec": {"seed": 0}, **fields}
    return PointRecord(key=key, status=status, **stated)  # type: ignore[arg-type]


def test_what_is_done_stays_and_what_failed_may_be_replaced(store: Store) -> None:
    """All orders of two failures and two successes: the first success stays, else the last failure."""
    given_ = [
        point("k", "failed", reason="first"),
        point("k", "failed", reason="second"),
        point("k", outcome={"loss": 1.0}),
        point("k", outcome={"loss": 2.0}),
    ]
    for number, order in enumerate(itertools.permutations(range(4))):
        for at_once in (True, False):
            key = f"{number} {at_once}"
            records = [replace(given_[i], key=key) for i in order]
            done: PointRecord | None = None
            for batch in [records] if at_once else [[r] for r in records]:
                store.add_points(batch)
                for record in batch:
                    done = record if done is None or done.status == "failed" else done
                if not at_once:
                    assert store.points(keys=[key]) == [done]
            assert store.points(keys=[key]) == [done]
    assert store.health()["points"] == 2 * 24


def test_only_failures_keep_the_last(store: Store) -> None:
    store.add_points([point("k", "failed", reason="one"), point("k", "failed", reason="two")])
    store.add_points([point("k", "failed", reason="three")])
    assert [r.reason for r in store.points()] == ["three"]


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
outcomes = st.dictionaries(
    st.text(),
    st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8),
    max_size=4,
)


def rows(kind: type, shape: tuple[int, ...], seed: int = 0) -> list[object]:
    drawn = np.random.default_rng(seed).normal(scale=1e6, size=shape)
    found: list[object] = drawn.astype(kind).tolist()
    return found


def test_any_outcome_comes_back_as_it_was(store: Store) -> None:
    @settings(max_examples=50)
    @given(outcome=outcomes)
    def check(outcome: Outcome) -> None:
        key = secrets.token_hex(8)
        store.add_points([point(key, outcome=outcome)])
        (found,) = store.points(keys=[key])
        assert found.outcome == outcome

    check()


@pytest.mark.parametrize(
    ("value", "files"),
    [
        (rows(float, (256,)), 0),
        (rows(float, (257,)), 1),
        (rows(float, (3, 10, 10)), 1),
        (rows(int, (20, 20)), 1),
        ([rows(float, (300,)), rows(float, (301,), 1)], 2),  # ragged: two arrays
        ({"array": rows(float, (300,)), "b": [{"c": rows(int, (400,))}]}, 2),
        ([*rows(float, (300,)), None], 0),
        ([*rows(float, (300,)), 1], 0),
        ([True] * 300, 0),
        ([True, *rows(int, (300,))], 0),
        ([10**30] * 300, 0),
        (["x"] * 300, 0),
        ([[]] * 300, 0),
        ([-0.0] * 300, 1),
        ({"array": "0" * 64}, 0),
    ],
)
def test_large_arrays_are_files_and_come_back_as_the_same_lists(store: Store, value: object, files: int) -> None:
    store.add_points([point("k", outcome={"x.y": value})])
    assert repr(store.points()[0].outcome) == repr({"x.y": value})
    assert store.health()["arrays"] == files


def test_an_outcome_that_is_not_json_is_refused_in_one_line_and_nothing_is_kept(store: Store) -> None:
    for outcome in ({"x": float("nan")}, {"x": [float("inf")] * 300}, {"x": np.zeros(3)}, {"x": {1, 2}}):
        with pytest.raises(GnomonError, match="the outcome of a point of trial cannot be stored as JSON") as caught:
            store.add_points([point("a"), point("k", outcome=outcome)])
        assert "\n" not in str(caught.value)
    assert store.points() == []
    assert store.health()["arrays"] == 0


def test_filters_and_order(store: Store) -> None:
    store.add_points([point("c"), point("a", "failed", reason="r")])
    store.add_points([point("b", experiment="other")])
    keys = lambda **filters: [r.key for r in store.points(**filters)]  # noqa: E731
    assert keys() == ["c", "a", "b"]
    assert keys(status="done") == ["c", "b"]
    assert keys(experiment="other") == ["b"]
    assert keys(experiment=["other", "trial"], status=["failed"]) == ["a"]
    assert keys(keys=["b", "a", "a", "unknown"]) == ["a", "b"]
    assert keys(keys=[]) == []


def test_many_keys_are_looked_up_and_the_others_are_not_read(store: Store) -> None:
    """SQLite tells whether it scans the table, and so reads every document."""
    store.add_points(point(f"{i:05}") for i in range(5000))
    statements: list[tuple[str, object]] = []
    event.listen(
        store._database.engine,
        "before_cursor_execute",
        lambda c, cursor, text, parameters, *_: statements.append((text, parameters)),
    )
    wanted = [f"{i:05}" for i in range(0, 5000, 2)] + ["unknown"]
    assert [r.key for r in store.points(keys=wanted)] == wanted[:-1]
    asked = [(text, p) for text, p in statements if "FROM points" in text]
    assert len(asked) == 3
    if store.place.startswith("postgresql:"):  # its planner reads a table this small as a whole
        return
    with store._database.engine.connect().execution_options(begin="") as connection:
        for text, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", parameters).fetchall()  # type: ignore[arg-type]
            assert all("SEARCH points USING INDEX" in row[3] for row in plan), plan


def test_points_belong_to_runs(store: Store) -> None:
    one, two = store.start_run("sweep"), store.start_run("sweep")
    store.add_points([point("a"), point("b")], run=one)
    store.add_points([point("b"), point("c")], run=two)
    store.add_points([point("b")], run=two)
    assert [r.key for r in store.points(run=one)] == ["a", "b"]
    assert [r.key for r in store.points(run=[one, two])] == ["a", "b", "c"]
    assert [r.key for r in store.points(run=two, keys=["a", "b"])] == ["b"]
    assert store.points(run="none") == []
    with pytest.raises(GnomonError, match="no run 'x'"):
        store.add_points([point("d")], run="x")
    with pytest.raises(GnomonError, match="no run 'x'"):
        store.add_points([], run="x")
    assert [r.key for r in store.points()] == ["a", "b", "c"]


def test_without_outcomes_no_array_is_read(store: Store) -> None:
    one = point("k", outcome={"curve": rows(float, (300,)), "loss": 1.0}, spec={"seed": 3}, created="2026-01-01")
    store.add_points([one])
    assert store.points(outcomes=False) == [replace(one, outcome={})]
