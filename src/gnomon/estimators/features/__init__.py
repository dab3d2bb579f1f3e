"""Features: which directions of the activations a prediction depends on."""

from gnomon.estimators.features.agop import AverageGradientOuterProduct
from gnomon.estimators.features.local_dimension import LocalRelevantDimension

__all__ = ["AverageGradientOuterProduct", "LocalRelevantDimension"]
