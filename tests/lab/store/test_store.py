from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import GnomonError
from gnomon.lab.store import Certificate, PointRecord, Store
from gnomon.measurement import Cost, Measurement, Provenance, Quantity, Uncertainty
from random_measurements import measurements

NORM = Quantity(name="norm", symbol="n", definition="|w|", source="Euclid")
SPECTRUM = Quantity(name="spectrum", symbol="s", definition="s", source="Gauss 1809", axes=("component",))


def reading(value: float = 1.0, **where: object) -> Measurement:
    origin = {"subject": "net", "seed": 0, "data_hash": "d", "weights_hash": "w", **where}
    site = origin.pop("site", None)
    made = Measurement.ok(NORM, value, Uncertainty.exact(), site=site, estimator=str(origin.pop("estimator", "ruler")))  # type: ignore[arg-type]
    return made.recorded(Cost(), Provenance(spec_hash="s", **origin))  # type: ignore[arg-type]


def spectrum(n: int, seed: int = 0) -> Measurement:
    values = np.random.default_rng(seed).normal(size=n)
    return Measurement.ok(SPECTRUM, values, Uncertainty.stderr(values, np.full(n, 0.1), covers={"data"}))


def test_what_is_read_equals_what_was_written(store: Store) -> None:
    @settings(max_examples=50)
    @given(found=st.lists(measurements(), max_size=3))
    def check(found: list[Measurement]) -> None:
        assert store.add(found) == [m.identity for m in found]
        back = {m.identity: m for m in store.measurements()}
        assert all(back[m.identity] == m for m in found)

    check()


def test_the_order_is_kept_and_the_same_twice_is_one_row(store: Store) -> None:
    three = [reading(v) for v in (3.0, 1.0, 2.0)]
    store.add(three)
    store.add([three[1], reading(4.0), reading(4.0)])
    assert [m.value for m in store.measurements()] == [3.0, 1.0, 2.0, 4.0]
    assert store.add(three[0]) == [three[0].identity]
    assert store.add([]) == []


def test_large_arrays_are_files_of_their_content(store: Store) -> None:
    small, large = spectrum(256), spectrum(257)
    store.add([small])
    assert store.health()["arrays"] == 0
    store.add([large, replace(large, site="embed")])
    assert store.health()["arrays"] == 4  # value, low, high and error; the second measurement has the same
    found = store.measurements()
    assert found == [small, large, replace(large, site="embed")]
    assert isinstance(found[1].value, np.ndarray)
    assert not found[1].value.flags.writeable


@pytest.mark.parametrize(
    ("filters", "values"),
    [
        ({"quantity": "norm"}, [1, 2, 3, 4]),
        ({"quantity": "spectrum"}, []),
        ({"quantity": ["norm", "spectrum"], "seed": 1}, [2]),
        ({"site": "blocks.*"}, [2, 3]),
        ({"site": ["embed", "blocks.1?"]}, [1, 3]),
        ({"site": "Blocks.*"}, []),
        ({"site": "nowhere"}, []),
        ({"estimator": "scale"}, [4]),
        ({"subject": ["net", "other"]}, [1, 2, 3, 4]),
        ({"subject": "other"}, [3]),
        ({"seed": [0, 1]}, [1, 2, 3]),
        ({"seed": 2**70}, [4]),
        ({"data_hash": "e"}, [4]),
        ({"weights_hash": "w", "status": "insufficient"}, []),
        ({"status": ("ok",)}, [1, 2, 3, 4]),
        ({"quantity": []}, []),
    ],
)
def test_filters(store: Store, filters: dict[str, object], values: list[float]) -> None:
    store.add(
        [
            reading(1, site="embed"),
            reading(2, site="blocks.2", seed=1),
            reading(3, site="blocks.10", subject="other"),
            reading(4, estimator="scale", data_hash="e", seed=2**70),
        ]
    )
    assert [m.value for m in store.measurements(**filters)] == values  # type: ignore[arg-type]


def test_a_run_holds_together_what_belongs_together(store: Store) -> None:
    one = store.start_run("examine", subject="net", command="gnomon examine net", spec={"seed": 0, "sites": ["embed"]})
    two = store.start_run("measure")
    a, b, c = reading(1.0), reading(2.0), reading(3.0)
    store.add([a, b], run=one)
    store.add([b, c], run=two)
    store.add([a, b], run=one)
    store.finish_run(one)
    assert store.measurements(run=one) == [a, b]
    assert store.measurements(run=[one, two]) == [a, b, c]
    assert store.measurements(run="none") == []
    first, second = store.runs()
    assert (first.id, first.finished, first.spec) == (one, True, {"seed": 0, "sites": ["embed"]})
    assert (second.id, second.kind, second.finished) == (two, "measure", False)
    assert [r.id for r in store.runs(kind="examine", subject="net")] == [one]
    assert store.health()["unfinished_runs"] == 1


def test_a_run_that_was_not_started_is_refused_and_nothing_is_kept(store: Store) -> None:
    with pytest.raises(GnomonError, match="no run 'x'"):
        store.add([reading()], run="x")
    with pytest.raises(GnomonError, match="no run 'x'"):
        store.finish_run("x")
    assert store.measurements() == []


def certificate(**stated: object) -> Certificate:
    fields = {
        "estimator": "ruler",
        "quantity": "norm",
        "known_answer": "unit vector",
        "truth": 1.0,
        "mean": 1.01,
        "bias": 0.01,
        "spread": 0.1,
        "coverage": 0.95,
        "nominal": 0.95,
        "n": 100,
        "read": 100,
        "insufficient": 0,
        "passed": True,
        "reason": "",
        "code_version": "abc",
        "created": "2026-01-01T00:00:00+00:00",
    }
    return Certificate(**{**fields, **stated})  # type: ignore[arg-type]


def test_certificates_come_back_oldest_first(store: Store) -> None:
    new = certificate(created="2026-02-01T00:00:00+00:00", code_version="def")
    unread = certificate(truth=None, mean=None, bias=None, spread=None, coverage=None, passed=False, estimator="scale")
    store.add_certificates([new, certificate(), unread, certificate()])
    store.add_certificates([certificate()])
    store.add_certificates([])
    assert store.certificates() == [certificate(), unread, new]
    assert store.certificates(estimator="ruler", code_version="def") == [new]
    assert store.certificates(quantity="loss") == []
    assert store.health()["certificates"] == 3


def test_health(store: Store, location: str) -> None:
    store.add([reading(), spectrum(300)])
    store.add_points([PointRecord(key="k", experiment="trial", spec={}, status="done")])
    found = store.health()
    assert (found["intact"], found["integrity"], found["writable"]) == (True, "ok", True)
    assert (found["measurements"], found["points"], found["arrays"]) == (2, 1, 4)
    assert found["path"] == store.place
    assert "correct" not in found["path"]
    assert found["bytes"] > 0
    assert found["array_bytes"] == 4 * (128 + 8 * 300)
    assert found["database"].split()[0] == ("PostgreSQL" if "://" in location else "SQLite")


def test_health_of_a_folder(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.add(spectrum(300))
        found = store.health()
        assert (found["journal"], found["path"], found["abandoned_files"]) == ("wal", str(tmp_path), 0)
        assert found["free_bytes"] > 0
        left = tmp_path / "arrays" / "ab" / ".writing-1-ff.npy"
        left.parent.mkdir(exist_ok=True)
        left.write_bytes(b"half")
        assert store.health()["abandoned_files"] == 0  # it may be being written
        os.utime(left, (1, 1))
        assert store.health()["abandoned_files"] == 1


def test_it_crosses_a_process_boundary_by_its_place(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store.add(reading())
    monkeypatch.chdir(tmp_path)
    with pickle.loads(pickle.dumps(store)) as again:
        assert again.measurements() == [reading()]
        again.add(reading(2.0))
    assert len(store.measurements()) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_opens_connections_of_its_own(store: Store) -> None:
    store.add(reading(1.0))
    parents = store._database.engine.pool
    child = os.fork()
    if child == 0:
        code = 1
        try:
            store.add(reading(2.0))
            code = int(store._database.engine.pool is parents)
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    store.add(reading(3.0))
    assert len(store.measurements()) == 3
    assert store.health()["intact"]


def test_it_can_be_used_after_it_was_closed(store: Store) -> None:
    store.add(reading())
    store.close()
    assert len(store.measurements()) == 1


class TestPlaces:
    def test_the_environment_and_the_working_directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("GNOMON_STORE", raising=False)
        with Store.open() as store:
            assert Path(store.place) == tmp_path / ".gnomon"
        monkeypatch.setenv("GNOMON_STORE", str(tmp_path / "from environment"))
        with Store.open() as store:
            assert Path(store.place) == tmp_path / "from environment"
        with Store.open(tmp_path / "argument") as store:
            assert Path(store.place) == tmp_path / "argument"

    def test_a_url(self, tmp_path: Path) -> None:
        with Store.open(f"sqlite:///{tmp_path}/mine.sqlite") as store:
            store.add(reading())
        assert (tmp_path / "mine.sqlite").is_file()
        for url in (
            "mysql://u:secret@host/db",
            "postgresql://u:secret@host:x/db",
            "sqlite://",
            "sqlite:///:memory:",
            "nonsense://x",
        ):
            with pytest.raises(GnomonError) as caught:
                Store.open(url)
            assert "secret" not in str(caught.value)
            assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("name", ["with space", "50%", "a?b#c", "ünï", "it's"])
    def test_odd_names(self, tmp_path: Path, name: str) -> None:
        with Store.open(tmp_path / name) as store:
            store.add([reading(), spectrum(300)])
            with pickle.loads(pickle.dumps(store)) as again:
                assert len(again.measurements()) == 2
        assert (tmp_path / name / "store.sqlite").is_file()

    def test_what_is_not_there_is_not_made_unless_asked(self, tmp_path: Path) -> None:
        with pytest.raises(GnomonError, match="there is no store"):
            Store.open(tmp_path / "none", create=False)
        assert not (tmp_path / "none").exists()
