"""Measurements: what a number means, how sure it is, and where it comes from."""

from gnomon.measurement.catalogue import Catalogue, catalogue
from gnomon.measurement.clusters import cluster_mean
from gnomon.measurement.cost import Cost
from gnomon.measurement.intervals import clopper_pearson
from gnomon.measurement.measurement import Measurement, Status
from gnomon.measurement.provenance import Provenance, hash_json
from gnomon.measurement.quantities import ACCURACY, LEARNING_COEFFICIENT, LOCAL_LEARNING_COEFFICIENT
from gnomon.measurement.quantity import Quantity
from gnomon.measurement.uncertainty import Randomness, Uncertainty
from gnomon.measurement.unit import DIMENSIONLESS, Unit
from gnomon.measurement.value import Value

__all__ = [
    "ACCURACY",
    "DIMENSIONLESS",
    "LEARNING_COEFFICIENT",
    "LOCAL_LEARNING_COEFFICIENT",
    "Catalogue",
    "Cost",
    "Measurement",
    "Provenance",
    "Quantity",
    "Randomness",
    "Status",
    "Uncertainty",
    "Unit",
    "Value",
    "catalogue",
    "clopper_pearson",
    "cluster_mean",
    "hash_json",
]
