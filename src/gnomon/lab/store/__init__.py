"""The store of measurements, certificates and runs."""

from gnomon.lab.certificate import Certificate
from gnomon.lab.store.failures import NoStoreError
from gnomon.lab.store.point_record import Outcome, PointRecord
from gnomon.lab.store.recording import Recording, recording
from gnomon.lab.store.run import Run
from gnomon.lab.store.store import Store

__all__ = ["Certificate", "NoStoreError", "Outcome", "PointRecord", "Recording", "Run", "Store", "recording"]
