"""Reported scores: what logs of other evaluation tools state, with intervals that hold."""

from gnomon.assurance.reported.comparison import Comparison, compare
from gnomon.assurance.reported.evaluation import Reported
from gnomon.assurance.reported.interval import measured
from gnomon.assurance.reported.read import read_log
from gnomon.assurance.reported.score import Points, Score

__all__ = ["Comparison", "Points", "Reported", "Score", "compare", "measured", "read_log"]
