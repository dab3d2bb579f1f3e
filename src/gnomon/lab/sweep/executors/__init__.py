"""Executors: where the jobs of a sweep are run."""

from gnomon.lab.sweep.executors.executor import HEARTBEAT_SECONDS, Executor
from gnomon.lab.sweep.executors.local import Local
from gnomon.lab.sweep.executors.ray import Ray
from gnomon.lab.sweep.executors.retries import Retries
from gnomon.lab.sweep.executors.slurm import Slurm

__all__ = ["HEARTBEAT_SECONDS", "Executor", "Local", "Ray", "Retries", "Slurm"]
