"""Loss: how well a network predicts, how sure it is, and whether it is as sure as it should be."""

from gnomon.estimators.loss.accuracy import Accuracy
from gnomon.estimators.loss.calibration_error import CalibrationError
from gnomon.estimators.loss.nll import NegativeLogLikelihood
from gnomon.estimators.loss.perplexity import Perplexity
from gnomon.estimators.loss.predictive_entropy import PredictiveEntropy
from gnomon.estimators.loss.squared_error import MeanSquaredError

__all__ = [
    "Accuracy",
    "CalibrationError",
    "MeanSquaredError",
    "NegativeLogLikelihood",
    "Perplexity",
    "PredictiveEntropy",
]
