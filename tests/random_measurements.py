"""Hypothesis strategies: any measurement that the contract allows."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gnomon.measurement import Cost, Measurement, Provenance, Uncertainty, Unit

words = st.text(max_size=12)
names = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
numbers = st.floats(allow_nan=False)
finite = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=0, allow_nan=False)
shapes = st.one_of(
    st.just(()), st.just((0,)), hnp.array_shapes(max_dims=3, max_side=6), st.just((257,)), st.just((20, 20))
)
units = st.builds(
    lambda powers: Unit._of(powers),
    st.dictionaries(st.sampled_from(["nat", "bit", "token", "output", "s"]), st.integers(-3, 3), max_size=3),
)
randomness = st.frozensets(st.sampled_from(["probe", "data", "seed", "chain"]), min_size=1)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)


def arrays(shape: tuple[int, ...], elements: st.SearchStrategy[float] = numbers) -> st.SearchStrategy[Any]:
    """A float for the shape ``()``, an array otherwise."""
    return elements if shape == () else hnp.arrays(np.float64, shape, elements=elements)


@st.composite
def uncertainties(draw: st.DrawFn, shape: tuple[int, ...]) -> Uncertainty:
    kind = draw(st.sampled_from(["exact", "unknown", "interval", "stderr"]))
    systematic, source = draw(st.none() | positive), draw(words)
    if kind == "unknown":
        return Uncertainty.unknown()
    if kind == "exact":
        return Uncertainty.exact(systematic=systematic, systematic_source=source)
    ends = [np.asarray(draw(arrays(shape))), np.asarray(draw(arrays(shape)))]
    low, high = (float(e) if shape == () else e for e in (np.minimum(*ends), np.maximum(*ends)))
    return Uncertainty(
        kind=kind,
        low=low,
        high=high,
        level=draw(st.floats(0.01, 0.99)),
        error=draw(arrays(shape, positive)) if kind == "stderr" else None,
        effective_samples=draw(st.none() | positive),
        covers=draw(randomness),
        systematic=systematic,
        systematic_source=source,
    )


provenances = st.builds(
    Provenance,
    spec_hash=words,
    weights_hash=words,
    data_hash=st.none() | words,
    seed=st.none() | st.integers(),
    subject=words,
    code_version=words,
    code_commit=st.none() | words,
    code_dirty=st.none() | st.booleans(),
    packages=st.dictionaries(names, words, max_size=3).map(lambda d: tuple(sorted(d.items()))),
    hardware=words,
    wall_seconds=st.floats(0, 1e9),
    flops=st.floats(0, 1e30),
    created=st.sampled_from(["", "2026-01-02T03:04:05+00:00"]),
    parents=st.lists(words, max_size=2).map(tuple),
    inherited_seeds=st.lists(st.integers(), max_size=2).map(tuple),
    inherited_data=st.lists(words, max_size=2).map(tuple),
)


@st.composite
def measurements(draw: st.DrawFn) -> Measurement:
    status = draw(st.sampled_from(["ok", "ok", "insufficient", "failed"]))
    shape = draw(shapes)
    ok = status == "ok"
    return Measurement(
        quantity=draw(names),
        symbol=draw(words),
        unit=draw(units),
        value=draw(arrays(shape)) if ok else None,
        uncertainty=draw(uncertainties(shape)) if ok else Uncertainty.unknown(),
        site=draw(st.none() | words),
        labels=draw(st.dictionaries(words, words, max_size=3)),
        status=status,
        reason="" if ok else draw(st.text(min_size=1, max_size=12)),
        suffices={} if ok else draw(st.dictionaries(names, st.integers(1, 10**9) | positive, max_size=2)),
        estimator=draw(words),
        diagnostics=draw(st.dictionaries(words, json_values, max_size=3)),
        cost=Cost(forward_passes=draw(st.floats(0, 1e9)), peak_bytes=draw(st.integers(0, 2**50))),
        provenance=draw(st.none() | provenances),
    )
