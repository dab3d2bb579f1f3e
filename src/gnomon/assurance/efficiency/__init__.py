"""Efficiency: what a network takes, and what making it take less does to all else that is measured."""

from gnomon.assurance.efficiency.efficiency import Efficiency
from gnomon.assurance.efficiency.energy import Power

__all__ = ["Efficiency", "Power"]
