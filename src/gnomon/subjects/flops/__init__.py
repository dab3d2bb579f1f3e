"""How much arithmetic a computation does: every matrix product, convolution and attention, on any device."""

from gnomon.subjects.flops.counter import FlopCounter
from gnomon.subjects.flops.products import Flops

__all__ = ["FlopCounter", "Flops"]
