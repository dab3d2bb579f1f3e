"""Forecasts: when thresholds will be crossed, and when the next test is due."""

from gnomon.assurance.forecast.crossing import Crossing, crossing
from gnomon.assurance.forecast.due import due
from gnomon.assurance.forecast.ladder import Ladder, Rung
from gnomon.assurance.forecast.quantities import CROSSING

__all__ = ["CROSSING", "Crossing", "Ladder", "Rung", "crossing", "due"]
