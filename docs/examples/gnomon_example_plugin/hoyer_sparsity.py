"""Hoyer's sparsity of activations."""

import numpy as np
import torch
from gnomon import ArrayData, KnownAnswer, Measurement, Quantity, StreamingEstimator, Subject, register
from gnomon.measurement import cluster_mean
from gnomon.subjects import RowSample

SPARSITY = Quantity(
    name="hoyer_sparsity",
    symbol="H",
    definition=r"H = \mathbb{E}_x \frac{\sqrt d - \lVert h(x)\rVert_1 / \lVert h(x)\rVert_2}{\sqrt d - 1}",
    convention="0: all entries alike in size; 1: a single entry. Rows of zeros are left out.",
    source="Hoyer, JMLR 5 (2004) 1457",
    dims=("site",),
    invariances=("scaling", "feature_permutation"),
)


@register
class HoyerSparsity(StreamingEstimator):
    r"""Mean of :math:`(\sqrt d - \lVert h\rVert_1 / \lVert h\rVert_2) / (\sqrt d - 1)` over a sample of rows.

    The error is robust to dependence inside a cluster (a sequence). Source: Hoyer, JMLR 5 (2004) 1457.

    >>> from gnomon import Budget
    >>> from gnomon.randomness import Rng
    >>> subject, data = Subject(torch.nn.Identity()), ArrayData(torch.eye(16))
    >>> HoyerSparsity().measure(subject, data, sites=["logits"], budget=Budget(), rng=Rng(0))[0].value
    1.0
    """

    name = "hoyer_sparsity"
    quantities = (SPARSITY,)
    needs = frozenset({"activations"})
    rate = -0.5

    def sites(self, subject):
        return tuple(subject.sites)

    def statistics(self, subject, data, sites, budget):
        return {site: RowSample(site) for site in sites}

    def finish(self, subject, found, *, sites, budget, rng):
        return [self._read(site, found[site]) for site in sites]

    def _read(self, site, sample):
        used, root = sample.values.any(axis=1), sample.values.shape[1] ** 0.5
        rows, (_, cluster) = sample.values[used].astype(float), np.unique(sample.clusters[used], return_inverse=True)
        if len(set(cluster)) < 10 or root == 1:
            return Measurement.insufficient(SPARSITY, "needs 10 clusters and width ≥ 2", site=site, estimator=self.name)
        each = (root - np.abs(rows).sum(axis=1) / np.linalg.norm(rows, axis=1)) / (root - 1)
        value, uncertainty = cluster_mean(np.bincount(cluster, each), np.bincount(cluster))
        return Measurement.ok(SPARSITY, value, uncertainty, site=site, estimator=self.name)

    @classmethod
    def known_answers(cls):
        return (KnownAnswer(name="k of 16 alike", quantity="hoyer_sparsity", make=some_alike, site="logits"),)


def some_alike(rng):
    """The first k of 16 entries are 1, the others 0, with k uniform: H = E[(4 - √k) / 3]."""
    points, k = np.tri(16), rng.numpy().integers(16, size=1000)
    return Subject(torch.nn.Identity()), ArrayData(points[k]), (4 - np.sqrt(points.sum(axis=1))).mean() / 3
