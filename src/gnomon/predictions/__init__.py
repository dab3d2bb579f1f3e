"""Predictions about phenomena: frozen in the ledger before the measurement is made, and scored after it."""

from gnomon.predictions.challenge import Challenge
from gnomon.predictions.registry import challenge, challenges, register

__all__ = ["Challenge", "challenge", "challenges", "register"]
