"""Sweeps: points of an experiment, run on one machine or many, each of them once."""

from gnomon.lab.store.point_record import Outcome, PointRecord
from gnomon.lab.sweep.experiment import Experiment, experiment, experiments
from gnomon.lab.sweep.point import Point
from gnomon.lab.sweep.results import Results
from gnomon.lab.sweep.running import Watch, run_points
from gnomon.lab.sweep.state import SweepState, Tally

__all__ = [
    "Experiment",
    "Outcome",
    "Point",
    "PointRecord",
    "Results",
    "SweepState",
    "Tally",
    "Watch",
    "experiment",
    "experiments",
    "run_points",
]
