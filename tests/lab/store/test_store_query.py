from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.lab.store import Store
from gnomon.lab.store.query import query
from gnomon.measurement import Catalogue, Cost, Measurement, Provenance, Quantity, Uncertainty, Unit

LOSS = Quantity(
    name="test_loss",
    symbol="L",
    definition="-log p",
    source="Shannon 1948",
    unit=Unit.parse("nat/token"),
    dims=("step",),
)
SPECTRUM = Quantity(
    name="test_spectrum", symbol="s", definition="s", source="Gauss 1809", dims=("site",), axes=("component",)
)
NORM = Quantity(name="test_norm", symbol="n", definition="|w|", source="Euclid", dims=("matrix",))


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    book = Catalogue()
    for quantity in (LOSS, SPECTRUM, NORM):
        book.add(quantity)
    monkeypatch.setattr("gnomon.lab.store.query.catalogue", book)


def origin(created: str = "2026-01-01T00:00:00+00:00", **where: object) -> Provenance:
    stated = {"subject": "net", "seed": 0, "data_hash": "d", "weights_hash": "w", **where}
    return Provenance(spec_hash="s", created=created, **stated)  # type: ignore[arg-type]


def loss(value: float, step: int, error: float = 0.1, **where: object) -> Measurement:
    u = Uncertainty.stderr(value, error, covers={"data"}, systematic=0.01)
    return Measurement.ok(LOSS, value, u, labels={"step": str(step)}, estimator="ruler").recorded(
        Cost(), origin(**where)
    )


def spectrum(site: str, n: int, **where: object) -> Measurement:
    values = np.arange(1.0, n + 1)
    u = Uncertainty.interval(values - 0.5, values + 1, covers={"probe"}, level=0.9)
    return Measurement.ok(SPECTRUM, values, u, site=site).recorded(Cost(), origin(**where))


def test_steps_are_numbers_in_order_whatever_the_order_of_storing(store: Store) -> None:
    store.add([loss(3.0, 100), loss(1.0, 9), loss(2.0, 20)])
    found = query("test_loss", store=store)
    assert found["test_loss"].dims == ("step",)
    assert found["step"].values.tolist() == [9, 20, 100]
    assert found["test_loss"].sel(step=20).item() == 2.0
    assert found["test_loss_high"].sel(step=100).item() == pytest.approx(3 + 0.1 * 1.959964)
    assert (found["test_loss_systematic"] == 0.01).all()
    attributes = found["test_loss"].attrs
    assert (attributes["units"], attributes["level"], attributes["covers"]) == ("nat/token", 0.95, "data")
    assert (attributes["subject"], attributes["seed"], attributes["definition"]) == ("net", "0", "-log p")


def test_sites_run_from_input_to_output_and_shorter_values_are_filled_up(store: Store) -> None:
    store.add([spectrum(s, n) for s, n in (("logits", 2), ("blocks.10", 3), ("embed", 1), ("blocks.2", 5))])
    found = query("test_spectrum", store=store)
    assert found["test_spectrum"].dims == ("site", "component")
    assert found["site"].values.tolist() == ["embed", "blocks.2", "blocks.10", "logits"]
    assert found.sizes["component"] == 5
    np.testing.assert_array_equal(found["test_spectrum"].sel(site="blocks.10"), [1, 2, 3, np.nan, np.nan])
    np.testing.assert_array_equal(found["test_spectrum_low"].sel(site="logits"), [0.5, 1.5, np.nan, np.nan, np.nan])
    assert query("test_spectrum", store=store, site="blocks.*")["site"].values.tolist() == ["blocks.2", "blocks.10"]


def test_what_is_not_ok_is_nan_and_says_so(store: Store) -> None:
    declined = Measurement.insufficient(SPECTRUM, "few rows", site="embed").recorded(Cost(), origin())
    broken = Measurement.failed(SPECTRUM, "NaN", site="logits").recorded(Cost(), origin(subject="other"))
    store.add([declined, spectrum("logits", 2), broken])
    found = query("test_spectrum", store=store)
    status = found["test_spectrum_status"]
    assert status.dims == ("subject", "site")
    assert status.sel(subject="net").values.tolist() == ["insufficient", "ok"]
    assert status.sel(subject="other").values.tolist() == ["missing", "failed"]
    assert np.isnan(found["test_spectrum"].where(status != "ok")).all()
    only = query("test_spectrum", store=store, site="embed")
    assert only["test_spectrum"].dims == ("site",)
    assert np.isnan(only["test_spectrum"]).all()


def test_an_unknown_error_is_nan_and_an_exact_value_is_its_own_interval(store: Store) -> None:
    matrices = {"embed:weight": Uncertainty.unknown(), "blocks.0:weight": Uncertainty.exact()}
    store.add([Measurement.ok(NORM, 2.0, u, site=s).recorded(Cost(), origin()) for s, u in matrices.items()])
    found = query("test_norm", store=store)
    assert found["matrix"].values.tolist() == ["embed:weight", "blocks.0:weight"]
    np.testing.assert_array_equal(found["test_norm"], [2, 2])
    np.testing.assert_array_equal(found["test_norm_low"], [np.nan, 2])
    np.testing.assert_array_equal(found["test_norm_systematic"], [np.nan, 0])


def test_dims_are_added_only_where_measurements_would_fall_together(store: Store) -> None:
    store.add([loss(1.0, 0, subject="a", data_hash="x"), loss(2.0, 0, subject="b", data_hash="y")])
    assert query("test_loss", store=store)["test_loss"].dims == ("subject", "step")
    store.add([loss(3.0, 0, subject="b", data_hash="y", seed=11), loss(4.0, 0, subject="b", data_hash="y", seed=2)])
    found = query("test_loss", store=store)["test_loss"]
    assert set(found.dims) == {"subject", "seed", "step"}
    assert found["seed"].values.tolist() == [0, 2, 11]
    assert found.sel(subject="b", seed=11, step=0).item() == 3.0
    assert np.isnan(found.sel(subject="a", seed=11, step=0).item())
    assert query("test_loss", store=store, subject="a", dims=["data_hash"])["test_loss"].dims == ("data_hash", "step")


def test_two_networks_of_one_name_are_not_mixed(store: Store) -> None:
    store.add([spectrum("embed", 2, weights_hash="w"), spectrum("embed", 3, weights_hash="v")])
    assert query("test_spectrum", store=store)["test_spectrum"].dims == ("weights_hash", "site", "component")


def test_of_the_same_measured_twice_the_newest_wins_unless_runs_are_asked_for(store: Store) -> None:
    first, second = store.start_run("examine"), store.start_run("examine")
    store.add([loss(2.0, 0, created="2026-01-02T00:00:00+00:00")], run=first)
    store.add([loss(1.0, 0), loss(5.0, 1)], run=second)  # measured before, stored after
    store.add([loss(7.0, 1, created="2026-01-03T00:00:00+00:00")])
    assert query("test_loss", store=store)["test_loss"].values.tolist() == [2.0, 7.0]
    found = query("test_loss", store=store, dims=["run"])["test_loss"]
    assert found.dims == ("run", "step")
    assert found["run"].values.tolist() == ["", first, second]
    assert found.sel(run=second).values.tolist() == [1.0, 5.0]
    assert query("test_loss", store=store, dims=["run"], run=first)["run"].values.tolist() == [first]
    assert query("test_loss", store=store, run=second)["test_loss"].values.tolist() == [1.0, 5.0]


def test_several_quantities_share_their_dims(store: Store, location: str) -> None:
    store.add([loss(1.0, 0), spectrum("embed", 2), spectrum("logits", 2, subject="other")])
    found = query(store=store)
    assert set(found.data_vars) == {
        f"{q}{s}" for q in ("test_loss", "test_spectrum") for s in ("", "_low", "_high", "_systematic", "_status")
    }
    assert query(["test_loss", "test_spectrum"], store=location).equals(found)


def test_a_quantity_that_nobody_defines_any_more_is_still_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gnomon.estimators.estimators", dict)
    gone = Quantity(
        name="test_gone", symbol="g", definition="g", source="Gauss 1809", axes=("k",), unit=Unit.parse("bit")
    )
    m = Measurement.ok(gone, [1.0, 2.0], Uncertainty.exact(), site="embed", labels={"head": "0"})
    store.add(m.recorded(Cost(), origin()))
    found = query("test_gone", store=store)["test_gone"]
    assert found.dims == ("site", "head", "test_gone_axis0")
    assert found.attrs["units"] == "bit"


def test_another_unit_of_the_same_dimension_is_converted(store: Store) -> None:
    bits = Quantity(name="test_loss", symbol="L", definition="L", source="Shannon 1948", unit=Unit.parse("bit/token"))
    u = Uncertainty.interval(0.5, 2.0, covers={"data"}, systematic=0.1)
    store.add([loss(1.0, 0), Measurement.ok(bits, 1.0, u, labels={"step": "1"}).recorded(Cost(), origin())])
    found = query("test_loss", store=store).sel(step=1)
    names = ("test_loss", "test_loss_low", "test_loss_high", "test_loss_systematic")
    assert [found[n].item() for n in names] == pytest.approx([np.log(2) * x for x in (1.0, 0.5, 2.0, 0.1)])


def test_what_is_not_there(store: Store, tmp_path: Path) -> None:
    store.add(loss(1.0, 0))
    with pytest.raises(GnomonError, match="no such measurement of test_norm"):
        query("test_norm", store=store)
    with pytest.raises(GnomonError, match="there is no store"):
        query("test_loss", store=tmp_path / "none")
    with pytest.raises(UnknownNameError, match="did you mean 'seed'"):
        query("test_loss", store=store, dims=["seeds"])


def test_the_dataset_can_be_written_and_read(store: Store) -> None:
    store.add([loss(1.0, 0), spectrum("embed", 2)])
    xarray = pytest.importorskip("xarray")
    found = query(store=store)
    assert xarray.Dataset.from_dict(found.to_dict()).identical(found)


def test_the_store_is_opened_without_torch_or_xarray() -> None:
    code = (
        "import sys, gnomon.lab.store, gnomon.lab.store.query; print({'torch', 'xarray', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
