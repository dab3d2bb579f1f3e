"""Executors: where the jobs of a sweep are run."""

from gnomon.lab.sweep.executors.executor import Executor
from gnomon.lab.sweep.executors.local import Local

__all__ = ["Executor", "Local"]
