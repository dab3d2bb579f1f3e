"""Tables from files and from the store, and the one line that bad ones are refused with."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.lab.store import PointRecord, Store
from gnomon.laws.reading import read_frame
from gnomon.laws.stored import read_runs
from gnomon.measurement import Measurement, Provenance, Quantity, Uncertainty

_CSV = "Model Size, loss,kind\n1e6,4.0,mlp\n\n1e7,3.0,rnn\n1e8,2.5,mlp\n"


def _file(folder: Path, text: str, name: str = "runs.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv(tmp_path: Path) -> None:
    frame = read_frame(_file(tmp_path, _CSV))
    table = frame.table(["Model Size"], "loss", "kind")
    np.testing.assert_array_equal(table.x, [[1e6], [1e7], [1e8]])
    np.testing.assert_array_equal(table.y, [4.0, 3.0, 2.5])
    assert table.groups is not None
    assert table.groups.tolist() == [0, 1, 0]
    assert (table.columns, table.target) == (("Model Size",), "loss")


def test_a_csv_with_a_byte_order_mark_and_a_tsv(tmp_path: Path) -> None:
    marked = _file(tmp_path, "\ufeffN,loss\n1,2\n2,3\n")
    tabbed = _file(tmp_path, "N\tloss\n1\t2\n2\t3\n", "runs.tsv")
    for path in (marked, tabbed):
        np.testing.assert_array_equal(read_frame(path).table(["N"], "loss").y, [2.0, 3.0])


def test_columns_are_derived_and_rows_left_out(tmp_path: Path) -> None:
    frame = read_frame(_file(tmp_path, _CSV)).derived("flop = 6 * [Model Size]").where("flop < 1e8 and kind == 'mlp'")
    assert frame.numbers("flop").tolist() == [6e6]
    with pytest.raises(GnomonError, match="single row"):
        frame.table(["flop"], "loss")


def test_rows_keep_their_names_when_others_are_left_out(tmp_path: Path) -> None:
    frame = read_frame(_file(tmp_path, "N,loss\n1,2\n2,3\n3,x\n")).where("N > 1")
    with pytest.raises(GnomonError, match=r"row 3 \(line 4\): column 'loss' holds 'x'"):
        frame.table(["N"], "loss")


def test_parquet_is_read_as_csv(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    from pyarrow import parquet

    path = tmp_path / "runs.parquet"
    parquet.write_table(arrow.table({"N": [1, 2, 3], "loss": [2.0, 1.5, None], "on": [True, False, True]}), path)
    frame = read_frame(path)
    assert frame.where("loss > 0").table(["N"], "loss", "on").y.tolist() == [2.0, 1.5]
    with pytest.raises(GnomonError, match="row 3: column 'loss' holds nothing"):
        frame.table(["N"], "loss")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(GnomonError, match="is not Parquet"):
        read_frame(tmp_path / "bad.parquet")


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "runs.parquet").write_bytes(b"")
    with pytest.raises(GnomonError, match=r"pip install 'gnomon\[parquet\]'"):
        read_frame(tmp_path / "runs.parquet")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no rows"),
        ("N,loss\n", "has no rows"),
        ("N,loss\n1,2\n", "single row"),
        ("N,loss\n1,2\n2,low\n", r"row 2 \(line 3\): column 'loss' holds 'low', which is no number"),
        ("N,loss\n1,2\n2,\n", r"row 2 \(line 3\): column 'loss' holds nothing"),
        ("N,loss\n1,2\n2,NaN\n", "holds nothing"),
        ("N,loss\n1,2\n2,inf\n", "holds an infinity"),
        ("N,loss\n1,2\n2\n", "line 3 has 1 fields, the header has 2"),
        ("N,N\n1,2\n", "two columns are called 'N'"),
        ("N,los\n1,2\n2,3\n", "did you mean 'los'"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(GnomonError, match=said) as refused:
        read_frame(path).table(["N"], "loss")
    assert "\n" not in str(refused.value)


def test_no_file_and_no_table(tmp_path: Path) -> None:
    with pytest.raises(GnomonError, match="no file"):
        read_frame(tmp_path / "none.csv")
    with pytest.raises(GnomonError, match=r"\.parquet"):
        read_frame(_file(tmp_path, "N", "runs.xlsx"))


@pytest.mark.parametrize("definition", ["loss", "=1", "D == 3", "D=kind == 'mlp'", "D=kind"])
def test_what_is_no_column(tmp_path: Path, definition: str) -> None:
    with pytest.raises(GnomonError):
        read_frame(_file(tmp_path, _CSV)).derived(definition)


def test_what_is_no_condition(tmp_path: Path) -> None:
    frame = read_frame(_file(tmp_path, _CSV))
    with pytest.raises(GnomonError, match="is no condition"):
        frame.where("loss + 1")
    with pytest.raises(GnomonError, match="no row has loss > 9"):
        frame.where("loss > 9")
    with pytest.raises(GnomonError, match="named twice"):
        frame.table(["loss"], "loss")
    with pytest.raises(UnknownNameError, match="Model Size"):
        frame.table(["Model size"], "loss")


def _point(key: str, size: int, seed: int, loss: float | None, status: str = "done") -> PointRecord:
    return PointRecord(
        key=key,
        experiment="toy",
        spec={"recipe": {"size": size}, "loss": "mse", "seed": seed},
        status=status,  # type: ignore[arg-type]
        outcome={"loss": loss, "levels": [1.0, 2.0], "curve": [0.0] * 100} if status == "done" else {},
    )


def test_the_points_of_a_run(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        run, other = (store.start_run("sweep") for _ in range(2))
        store.add_points(
            [_point("a", 1, 0, 3.0), _point("b", 2, 0, None), _point("c", 4, 1, 2.0), _point("d", 8, 1, 0.0, "failed")],
            run=run,
        )
        store.add_points([_point("e", 16, 0, 9.0)], run=other)
        frame = read_runs(store, [run])
        assert len(frame) == 3
        table = frame.where("[outcome.loss] > 0 and loss == 'mse'").table(["recipe.size", "levels.1"], "outcome.loss")
        assert table.x.tolist() == [[1.0, 2.0], [4.0, 2.0]]
        assert table.y.tolist() == [3.0, 2.0]
        assert "curve.0" not in frame.cells
        with pytest.raises(GnomonError, match=r"row 2 \(point b\): column 'outcome\.loss' holds nothing"):
            frame.table(["recipe.size"], "outcome.loss")
        assert len(read_runs(store, [run, other])) == 4
        with pytest.raises(UnknownNameError, match="unknown run"):
            read_runs(store, ["20990101"])
        with pytest.raises(GnomonError, match="no outcomes and no measurements"):
            read_runs(store, [store.start_run("sweep")])


def test_the_measurements_of_a_run(tmp_path: Path) -> None:
    loss, norm = (Quantity(name=n, symbol="l", definition="l", source="here") for n in ("toy_loss", "toy_norm"))
    array = Quantity(name="toy_list", symbol="l", definition="l", source="here", axes=("entry",))
    exact = Uncertainty.exact()
    with Store.open(tmp_path) as store:
        run = store.start_run("observe")
        for step in (1, 10, 100):
            for seed in (0, 1):
                origin = Provenance(spec_hash="s", weights_hash=f"w{step}", data_hash=None, seed=seed, subject="net")
                labels = {"step": str(step)}
                found = [
                    Measurement.ok(loss, 5.0 / step + seed, exact, estimator="plain", labels=labels),
                    Measurement.ok(norm, float(step), exact, estimator="one", site="blocks.0", labels=labels),
                    Measurement.ok(norm, 2.0 * step, exact, estimator="two", site="blocks.0", labels=labels),
                    Measurement.ok(loss, step / 9, exact, estimator="mine", site="blocks.0", labels=labels),
                    Measurement.ok(array, np.ones(3), exact, labels=labels),
                ]
                store.add([dataclasses.replace(m, provenance=origin) for m in found], run=run)
        frame = read_runs(store, [run])
    assert set(frame.cells) == {
        "subject",
        "site",
        "seed",
        "step",
        "toy_loss.plain",
        "toy_loss.mine",
        "toy_norm.one",
        "toy_norm.two",
    }
    table = frame.where("toy_loss.plain > 0").table(["step"], "toy_loss.plain", "seed")
    assert sorted(zip(table.x[:, 0].tolist(), table.y.tolist(), strict=True)) == sorted(
        (float(step), 5.0 / step + seed) for step in (1, 10, 100) for seed in (0, 1)
    )
    both = frame.where("site == 'blocks.0'").table(["toy_norm.one"], "toy_norm.two")
    np.testing.assert_array_equal(both.y, 2 * both.x[:, 0])
    assert len(both) == 6
