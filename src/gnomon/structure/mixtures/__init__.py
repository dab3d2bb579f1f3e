"""Mixtures of low-dimensional subspaces: on which directions a prediction rests, context by context."""

from gnomon.structure.mixtures.gradients import Gradients
from gnomon.structure.mixtures.mixture import Mixture
from gnomon.structure.mixtures.strands import Strands, find_strands

__all__ = ["Gradients", "Mixture", "Strands", "find_strands"]
