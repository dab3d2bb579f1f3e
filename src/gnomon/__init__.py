"""gnomon: a physics laboratory for neural networks.

The names below are imported when they are first used, so that ``import gnomon`` costs nothing.

>>> import gnomon
>>> gnomon.Budget(seconds=30).seconds
30
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gnomon.errors import GnomonError
    from gnomon.estimators import Budget, Estimator, KnownAnswer, StreamingEstimator, register
    from gnomon.lab.calibration import calibrate
    from gnomon.lab.measuring import measure
    from gnomon.lab.observer import Observer
    from gnomon.lab.store import Store
    from gnomon.lab.store.query import query
    from gnomon.measurement import Measurement, Quantity, Uncertainty, Unit, catalogue
    from gnomon.report import examine
    from gnomon.subjects import ArrayData, Data, Subject, TokenData, load, load_data

_HOME = {
    "ArrayData": "gnomon.subjects",
    "Budget": "gnomon.estimators",
    "Data": "gnomon.subjects",
    "Estimator": "gnomon.estimators",
    "GnomonError": "gnomon.errors",
    "KnownAnswer": "gnomon.estimators",
    "Measurement": "gnomon.measurement",
    "Observer": "gnomon.lab.observer",
    "Quantity": "gnomon.measurement",
    "Store": "gnomon.lab.store",
    "StreamingEstimator": "gnomon.estimators",
    "Subject": "gnomon.subjects",
    "TokenData": "gnomon.subjects",
    "Uncertainty": "gnomon.measurement",
    "Unit": "gnomon.measurement",
    "calibrate": "gnomon.lab.calibration",
    "catalogue": "gnomon.measurement",
    "examine": "gnomon.report",
    "load": "gnomon.subjects",
    "load_data": "gnomon.subjects",
    "measure": "gnomon.lab.measuring",
    "query": "gnomon.lab.store.query",
    "register": "gnomon.estimators",
}

__all__ = [
    "ArrayData",
    "Budget",
    "Data",
    "Estimator",
    "GnomonError",
    "KnownAnswer",
    "Measurement",
    "Observer",
    "Quantity",
    "Store",
    "StreamingEstimator",
    "Subject",
    "TokenData",
    "Uncertainty",
    "Unit",
    "calibrate",
    "catalogue",
    "examine",
    "load",
    "load_data",
    "measure",
    "query",
    "register",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'gnomon' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
