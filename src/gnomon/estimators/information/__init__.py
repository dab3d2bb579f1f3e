"""Information: what a network knows of what comes next, against how much of what came before it is shown."""

from gnomon.estimators.information.context_entropy import ContextEntropy
from gnomon.estimators.information.description_length import DescriptionLength
from gnomon.estimators.information.in_context import InContextLearning

__all__ = ["ContextEntropy", "DescriptionLength", "InContextLearning"]
