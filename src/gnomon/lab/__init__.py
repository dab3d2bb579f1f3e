"""The lab: estimators put to work."""

from gnomon.lab.observer import Observer, log_spaced

__all__ = ["Observer", "log_spaced"]
