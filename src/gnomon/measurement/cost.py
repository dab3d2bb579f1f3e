"""What a measurement costs, known before it is paid and recorded after."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Price of one estimator on one subject and data set.

    ``forward_passes`` and ``backward_passes`` count passes over one example each (a pass over n examples
    costs n); ``flops`` is an estimate; ``peak_bytes`` is the memory held beyond the subject itself;
    ``seconds`` is wall time.
    """

    forward_passes: float = 0.0
    backward_passes: float = 0.0
    flops: float = 0.0
    peak_bytes: int = 0
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        """Costs of two jobs done one after the other: everything adds, except that peaks do not coincide."""
        return Cost(
            forward_passes=self.forward_passes + other.forward_passes,
            backward_passes=self.backward_passes + other.backward_passes,
            flops=self.flops + other.flops,
            peak_bytes=max(self.peak_bytes, other.peak_bytes),
            seconds=self.seconds + other.seconds,
        )

    def to_json(self) -> dict[str, Any]:
        """JSON object; the inverse of ``Cost(**data)``."""
        return asdict(self)
