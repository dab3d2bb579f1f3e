"""Features of a real trained language model: what they read, and what they cost."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch

from gnomon.estimators import Budget
from gnomon.estimators.features import AverageGradientOuterProduct, LocalRelevantDimension
from gnomon.randomness import Rng
from gnomon.subjects import load, load_data


@pytest.mark.shared
@pytest.mark.slow
def test_price_and_readings(shared_data: Path) -> None:
    subject = load(shared_data / "stories260K")
    data = load_data(shared_data / "stories_sampled.txt", subject).sample(256, Rng(0))
    started = time.process_time()
    with torch.no_grad():
        for batch in data.batches(max_positions=8192):
            subject.output(batch)
    plain = time.process_time() - started
    spent, found = {}, {}
    for estimator in (AverageGradientOuterProduct(), LocalRelevantDimension()):
        started = time.process_time()
        sites = estimator.sites(subject)
        found[estimator.name] = estimator.measure(subject, data, sites=sites, budget=Budget(), rng=Rng(0))
        spent[estimator.name] = time.process_time() - started
    assert spent["agop"] < 3 * plain
    assert spent["local_relevant_dimension"] < 6 * plain
    dimensions = {m.site: m for m in found["local_relevant_dimension"]}
    assert all(m.status == "ok" for m in dimensions.values())
    median = np.asarray(dimensions["final_norm"].value)[2]
    average = next(m for m in found["agop"] if (m.quantity, m.site) == ("agop_effective_dimension", "final_norm"))
    # many directions over all contexts, few at each
    assert average.status == "ok"
    assert average.uncertainty.low > 2 * median
