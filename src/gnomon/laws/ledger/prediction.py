"""A prediction: a statement about a measurement that nobody has made yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gnomon.laws.distribution import Mixture


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is to be measured, and under which conditions.

    Parameters
    ----------
    quantity, unit : as in the catalogue, or the quantity of a challenge.
    conditions : JSON values that identify the measurement. For points of an experiment: ``experiment``, ``specs`` (the
        whole specs, as JSON) and ``statistic`` (how the outcomes become one number); else the columns of the table
        that the law was fitted to, or fields of stored measurements (``subject``, ``site``, ``data_hash``, labels).
    """

    quantity: str
    unit: str
    conditions: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What is frozen in the ledger; the ledger adds number, time, code version and hashes.

    Parameters
    ----------
    name : what it is called, e.g. ``grokking_at_weight_decay/0.7``.
    by : ``law`` or ``theory``, its name, its hash, and its document where it is small.
    domain : where the law or theory claims to hold, in words.
    outside : why the target is outside that domain; empty inside. Such predictions are scored apart.
    inputs : what the law or theory was given: hash of the table or the numbers.
    target : see `Target`.
    distribution : what is believed of the number.
    baselines : by name, what simpler ways believe of it; at least ``nearest_point`` and ``log_linear``.
    """

    name: str
    by: Mapping[str, Any]
    domain: str
    target: Target
    distribution: Mixture
    baselines: Mapping[str, Mixture]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outside: tuple[str, ...] = ()
