"""A prediction: a statement about a measurement that nobody has made yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from gnomon.errors import GnomonError
from gnomon.lab.sweep import Point
from gnomon.laws.comparison import Comparison
from gnomon.laws.distribution import Mixture
from gnomon.laws.fit import Fit
from gnomon.measurement import Quantity, hash_json
from gnomon.measurement.value import plain_json
from gnomon.theory import Theory

BASELINES = ("nearest_point", "log_linear")
"""What every prediction is compared with, at least."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is to be measured, and under which conditions.

    Parameters
    ----------
    quantity, unit : as in the catalogue, or the quantity of a challenge.
    conditions : JSON values that identify the measurement. For points of an experiment: ``experiment``, ``specs`` (the
        whole specs, as JSON) and ``statistic`` (how the outcomes become one number), see `of_points`; else the columns
        of the table that the law was fitted to, or fields of stored measurements (``subject``, ``site``,
        ``data_hash``, labels).
    """

    quantity: str
    unit: str
    conditions: Mapping[str, Any]

    @classmethod
    def of_points(cls, quantity: Quantity, points: Sequence[Point], statistic: str) -> Self:
        """What the outcomes of ``points``, all of one experiment, come to by ``statistic`` (in words).

        Raises GnomonError where there are no points or they are of several experiments.
        """
        if len({p.experiment for p in points}) != 1:
            raise GnomonError("the points of a target are of one experiment", mend="make a target for each experiment")
        specs = [p.spec.model_dump(mode="json") for p in points]
        conditions = {"experiment": points[0].experiment, "specs": specs, "statistic": statistic}
        return cls(quantity=quantity.name, unit=str(quantity.unit), conditions=conditions)

    def to_json(self) -> dict[str, Any]:
        """JSON object; the inverse of ``Target(**data)``."""
        return {"quantity": self.quantity, "unit": self.unit, "conditions": plain_json(self.conditions)}


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What is frozen in the ledger; the ledger adds number, time, code version and hashes.

    Parameters
    ----------
    name : what it is called, e.g. ``grokking_at_weight_decay/0.7``.
    by : what it rests on: ``kind`` (``law`` or ``theory``), ``name``, ``hash``, and its document where that is small;
        see `by_theory` and `by_law`.
    domain : where the law or theory claims to hold, in words.
    outside : why the target is outside that domain; empty inside. Such predictions are scored apart.
    inputs : what the law or theory was given: hash of the table or the numbers.
    target : see `Target`.
    distribution : what is believed of the number.
    baselines : by name, what simpler ways believe of it; at least ``nearest_point`` and ``log_linear``.

    Raises
    ------
    GnomonError : when a part is missing.
    """

    name: str
    by: Mapping[str, Any]
    domain: str
    target: Target
    distribution: Mixture
    baselines: Mapping[str, Mixture]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outside: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        told = {"name": self.name, "domain": self.domain, "quantity": self.target.quantity}
        for what, text in told.items():
            if not text.strip():
                raise GnomonError(f"prediction {self.name!r} has no {what}", mend=f"state its {what}")
        if self.by.get("kind") not in ("law", "theory") or not all(self.by.get(k) for k in ("name", "hash")):
            raise GnomonError(
                f"prediction {self.name!r} does not say what it rests on", mend="make `by` with by_law or by_theory"
            )
        lacking = [name for name in BASELINES if name not in self.baselines]
        if lacking:
            raise GnomonError(f"prediction {self.name!r} lacks the baseline {lacking[0]!r}", mend="add it")

    def to_json(self) -> dict[str, Any]:
        """JSON object; the inverse of `from_json`."""
        return {
            "name": self.name,
            "by": plain_json(self.by),
            "domain": self.domain,
            "outside": list(self.outside),
            "inputs": plain_json(self.inputs),
            "target": self.target.to_json(),
            "distribution": self.distribution.to_json(),
            "baselines": {name: one.to_json() for name, one in self.baselines.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; other fields are passed over."""
        return cls(
            name=data["name"],
            by=data["by"],
            domain=data["domain"],
            outside=tuple(data["outside"]),
            inputs=data["inputs"],
            target=Target(**data["target"]),
            distribution=Mixture.from_json(data["distribution"]),
            baselines={name: Mixture.from_json(one) for name, one in data["baselines"].items()},
        )


def by_theory(theory: Theory) -> dict[str, Any]:
    """What a prediction of ``theory`` rests on: its name, its hash and its inputs."""
    return {"kind": "theory", "name": theory.name, "hash": theory.hash, "inputs": theory.inputs()}


def by_law(fit: Fit) -> dict[str, Any]:
    """What a prediction of ``fit`` rests on: form, noise and parameters, and the hash of these and of all draws."""
    noise = {name: getattr(fit.noise, name) for name in ("kind", "scale", "delta", "spread")}
    told = {
        "form": fit.form.name,
        "noise": noise,
        "parameters": {name: one.value for name, one in fit.parameters.items()},
    }
    drawn = {"theta": fit.theta.tolist(), "draws": fit.draws.tolist()}
    return {"kind": "law", "name": fit.form.name, "hash": hash_json({**told, **drawn}), **told}


def by_laws(comparison: Comparison) -> dict[str, Any]:
    """What a prediction of several fits rests on: the best of them, as `by_law`, and the weights of all."""
    every = {fit.form.name: by_law(fit) for fit in comparison.fits}
    weights = dict(comparison.weights)
    digest = hash_json({"weights": weights, "laws": {name: law["hash"] for name, law in every.items()}})
    laws = {name: law["parameters"] for name, law in every.items()}
    return {**every[comparison.best], "hash": digest, "weights": weights, "laws": laws}
