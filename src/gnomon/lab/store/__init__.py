"""The store of measurements, certificates and runs."""

from gnomon.lab.certificate import Certificate
from gnomon.lab.store.run import Run
from gnomon.lab.store.store import Store

__all__ = ["Certificate", "Run", "Store"]
