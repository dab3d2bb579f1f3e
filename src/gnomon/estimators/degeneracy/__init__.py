"""Degeneracy: how many of a network's parameters the loss around them can feel."""

from gnomon.estimators.degeneracy.learning_coefficient import LearningCoefficient
from gnomon.estimators.degeneracy.local_learning_coefficient import LocalLearningCoefficient

__all__ = ["LearningCoefficient", "LocalLearningCoefficient"]
