"""Checks of form: units and dims, JSON, store, documentation, price."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from gnomon.estimators import Budget, Estimator
from gnomon.lab.store import Store
from gnomon.measurement import Measurement, Provenance
from gnomon.testing.documentation import check_definition, check_example
from gnomon.testing.instances import instances, readings

_PROVENANCE = Provenance(spec_hash="0", weights_hash="0", data_hash=None, seed=0)


def check_units_and_dims(kind: type[Estimator]) -> None:
    """Each measurement has its quantity's symbol, unit, labels and axes, and names its estimator."""
    listed = {q.name: q for q in kind.quantities}
    for instance, found in readings(kind):
        assert found, f"{instance.answer.name}: no measurement"
        for m in found:
            assert m.quantity in listed, f"measures {m.quantity!r}, which it does not list"
            quantity = listed[m.quantity]
            assert (m.unit, m.symbol) == (quantity.unit, quantity.symbol), f"{m.quantity}: unit or symbol differs"
            assert m.estimator == kind.name, f"{m.quantity}: says it comes from {m.estimator!r}"
            placed = {"site", "matrix"} & set(quantity.dims)
            assert bool(placed) == (m.site is not None), f"{m.quantity}: dims {quantity.dims}, site {m.site!r}"
            others = set(quantity.dims) - {"site", "matrix"}
            assert others == set(m.labels), f"{m.quantity}: dims {quantity.dims}, labels {sorted(m.labels)}"


def check_json_round_trip(kind: type[Estimator]) -> None:
    """Each measurement equals itself after JSON."""
    for instance, found in readings(kind):
        for m in found:
            again = Measurement.from_json(json.loads(json.dumps(m.to_json(), allow_nan=False)))
            assert again == m, f"{instance.answer.name}: {m.quantity} changes in JSON"


def check_store_round_trip(kind: type[Estimator]) -> None:
    """Each measurement equals itself after the store."""
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "store") as store:
        for instance, found in readings(kind):
            recorded = [m.recorded(m.cost, _PROVENANCE) for m in found]
            store.add(recorded)
            kept = {m.identity: m for m in store.measurements()}
            for m in recorded:
                assert kept.get(m.identity) == m, f"{instance.answer.name}: {m.quantity} changes in the store"


def check_docstring(kind: type[Estimator]) -> None:
    """The class's docstring has a definition in LaTeX, a source, and an example that runs."""
    check_definition(kind)
    assert "Source" in (kind.__doc__ or ""), "the docstring names no source"
    check_example(kind)


def check_cost(kind: type[Estimator]) -> None:
    """The price is known beforehand: no more examples are run than it says, nor fewer than half of them.

    Of token sequences, which may be cut into pieces, as many positions count as one example as it has on average.
    """
    for instance in instances(kind):
        cost = kind().cost(instance.subject, instance.data, instance.sites, Budget())
        assert min(cost.forward_passes, cost.backward_passes, cost.flops, cost.peak_bytes) >= 0, f"negative: {cost}"
        assert cost.forward_passes or cost.flops, "the price is nothing at all"
        run, positions = 0.0, 0

        def count(_module: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            nonlocal run, positions
            mask = kwargs.get("attention_mask")
            if mask is None:
                run += len(args[0] if args else next(iter(kwargs.values())))
            else:
                positions += int(mask.sum())

        handle = instance.subject.module.register_forward_pre_hook(count, with_kwargs=True)
        try:
            instance.measure(kind)
        finally:
            handle.remove()
        if instance.data is not None:
            run += positions / float(instance.data.lengths.mean())
        # a pass may run a few examples more to learn how many fit into memory
        assert 0.5 * cost.forward_passes <= run <= 1.1 * cost.forward_passes + 16, (
            f"{instance.answer.name}: priced at {cost.forward_passes:.0f} forward passes, {run:.0f} were run"
        )
