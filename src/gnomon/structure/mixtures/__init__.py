"""Mixtures of low-dimensional subspaces: on which directions a prediction rests, context by context."""

from gnomon.structure.mixtures.gradients import Gradients
from gnomon.structure.mixtures.intervention import step_effects, strand_effects
from gnomon.structure.mixtures.jacobians import context_jacobians
from gnomon.structure.mixtures.mixture import Mixture
from gnomon.structure.mixtures.strands import Strands, find_strands

__all__ = [
    "Gradients",
    "Mixture",
    "Strands",
    "context_jacobians",
    "find_strands",
    "step_effects",
    "strand_effects",
]
