"""Geometry: the shape of the cloud of activations at a site."""

from gnomon.estimators.geometry.activation_norm import ActivationNorm
from gnomon.estimators.geometry.anisotropy import Anisotropy
from gnomon.estimators.geometry.cka import LinearCKA, compare_subjects
from gnomon.estimators.geometry.effective_rank import ActivationEffectiveRank
from gnomon.estimators.geometry.gride import Gride
from gnomon.estimators.geometry.kurtosis import ActivationKurtosis
from gnomon.estimators.geometry.mle import LevinaBickel
from gnomon.estimators.geometry.neighbours import Neighbours, nearest_neighbours
from gnomon.estimators.geometry.participation_ratio import ParticipationRatio
from gnomon.estimators.geometry.top_variance_share import TopVarianceShare
from gnomon.estimators.geometry.twonn import TwoNN

__all__ = [
    "ActivationEffectiveRank",
    "ActivationKurtosis",
    "ActivationNorm",
    "Anisotropy",
    "Gride",
    "LevinaBickel",
    "LinearCKA",
    "Neighbours",
    "ParticipationRatio",
    "TopVarianceShare",
    "TwoNN",
    "compare_subjects",
    "nearest_neighbours",
]
