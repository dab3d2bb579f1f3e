"""Readings of a network that learnt a world, each beside the world's truth."""

from gnomon.organisms.world.readings.all_readings import all_readings
from gnomon.organisms.world.readings.canaries import canary_exposure
from gnomon.organisms.world.readings.excess_loss import excess_loss
from gnomon.organisms.world.readings.judgement import judgement
from gnomon.organisms.world.readings.occupations import amplification, skew
from gnomon.organisms.world.readings.recall import knowledge, recall
from gnomon.organisms.world.readings.refusal import Asked, refusal
from gnomon.organisms.world.readings.toxicity import toxicity

__all__ = [
    "Asked",
    "all_readings",
    "amplification",
    "canary_exposure",
    "excess_loss",
    "judgement",
    "knowledge",
    "recall",
    "refusal",
    "skew",
    "toxicity",
]
