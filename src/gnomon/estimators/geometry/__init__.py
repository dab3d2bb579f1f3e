"""Geometry: the shape of the cloud of activations at a site."""

from gnomon.estimators.geometry.gride import Gride
from gnomon.estimators.geometry.mle import LevinaBickel
from gnomon.estimators.geometry.neighbours import Neighbours, nearest_neighbours
from gnomon.estimators.geometry.twonn import TwoNN

__all__ = [
    "Gride",
    "LevinaBickel",
    "Neighbours",
    "TwoNN",
    "nearest_neighbours",
]
