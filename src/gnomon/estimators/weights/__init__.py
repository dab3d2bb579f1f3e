"""Weights: the spectrum of every weight matrix, against what a matrix of independent entries would show."""

from gnomon.estimators.weights.effective_rank import EffectiveRank
from gnomon.estimators.weights.frobenius_norm import FrobeniusNorm
from gnomon.estimators.weights.marchenko_pastur_bulk import MarchenkoPasturBulk
from gnomon.estimators.weights.spectral_norm import SpectralNorm
from gnomon.estimators.weights.stable_rank import StableRank
from gnomon.estimators.weights.tail_exponent import TailExponent

__all__ = [
    "EffectiveRank",
    "FrobeniusNorm",
    "MarchenkoPasturBulk",
    "SpectralNorm",
    "StableRank",
    "TailExponent",
]
