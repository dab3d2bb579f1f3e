"""Observers: quantities measured along a training run, within a share of its time, without changing its course.

The callbacks are imported when they are first used, so that a plain loop waits for no training framework.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from gnomon.lab.observer.events import Event, LossBelow, LossPlateau
from gnomon.lab.observer.governor import Governor, Thinned
from gnomon.lab.observer.observer import Observer
from gnomon.lab.observer.schedules import Every, log_spaced
from gnomon.lab.observer.undisturbed import undisturbed, unwrapped

if TYPE_CHECKING:
    from gnomon.lab.observer.lightning_callback import LightningCallback
    from gnomon.lab.observer.transformers_callback import TransformersCallback

__all__ = [
    "Event",
    "Every",
    "Governor",
    "LightningCallback",
    "LossBelow",
    "LossPlateau",
    "Observer",
    "Thinned",
    "TransformersCallback",
    "log_spaced",
    "undisturbed",
    "unwrapped",
]

_HOME = {
    "LightningCallback": "gnomon.lab.observer.lightning_callback",
    "TransformersCallback": "gnomon.lab.observer.transformers_callback",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'gnomon.lab.observer' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
