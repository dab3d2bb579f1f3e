"""Observers: quantities measured along a training run, within a budget, without changing its course."""

from gnomon.lab.observer.observer import Observer, log_spaced

__all__ = ["Observer", "log_spaced"]
