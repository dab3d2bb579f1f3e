"""Organisms: small networks that are trained here, so that all they know is known."""

from gnomon.organisms.ensemble import Each, Ensemble
from gnomon.organisms.modular import ModularAddition, ModularMultiplication
from gnomon.organisms.organism import History, Organism
from gnomon.organisms.recipe import Recipe
from gnomon.organisms.together import train_together
from gnomon.organisms.training import train
from gnomon.organisms.transformer import ModularTransformer

__all__ = [
    "Each",
    "Ensemble",
    "History",
    "ModularAddition",
    "ModularMultiplication",
    "ModularTransformer",
    "Organism",
    "Recipe",
    "train",
    "train_together",
]
