"""Monitors of streams: alarms whose false alarms are bounded over an endless time, looked at after every text."""

from gnomon.control.monitors.online.drift_monitor import Drift, DriftMonitor
from gnomon.control.monitors.online.rate import RateMonitor
from gnomon.control.monitors.online.streaming import Streamed, peaks, stream
from gnomon.control.monitors.online.watch import Watch, Watched

__all__ = [
    "Drift",
    "DriftMonitor",
    "RateMonitor",
    "Streamed",
    "Watch",
    "Watched",
    "peaks",
    "stream",
]
