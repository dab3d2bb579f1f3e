"""Fits as a document: what `gnomon fit` prints and saves, and all that a forecast needs."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.delimited import read_text
from gnomon.errors import GnomonError
from gnomon.laws.comparison import Comparison
from gnomon.laws.fit import Estimate, Fit, Noise
from gnomon.laws.registry import form
from gnomon.laws.table import Table

Array = NDArray[np.float64]


def to_document(comparison: Comparison) -> dict[str, Any]:
    """JSON object with ``fits``, ``best``, ``weights`` and all else that `from_document` needs.

    A value or an end of an interval that is infinite is ``None``. Draws are float64 in little-endian order, in base64:
    they are the same after reading, and a thousand draws of five parameters take 53 kB.
    """
    table = comparison.fits[0].table
    return {
        "fits": [_fit_to_json(one) for one in comparison.fits],
        "best": comparison.best,
        "weights": dict(comparison.weights),
        "rivals": list(comparison.rivals),
        "log_scores": dict(comparison.log_scores),
        "table": {
            "columns": list(table.columns),
            "target": table.target,
            "x": table.x.tolist(),
            "y": table.y.tolist(),
            "groups": None if table.groups is None else table.groups.tolist(),
        },
    }


def from_document(document: Mapping[str, Any]) -> Comparison:
    """The fits that `to_document` wrote.

    Raises
    ------
    UnknownNameError : for a form that no installed package has.
    GnomonError : when it is no such document, or a form has other parameters than it had.
    """
    try:
        written = document["table"]
        groups = written["groups"]
        table = Table(
            x=np.array(written["x"], dtype=np.float64).reshape(len(written["y"]), -1),
            y=np.array(written["y"], dtype=np.float64),
            columns=tuple(written["columns"]),
            target=written["target"],
            groups=None if groups is None else np.array(groups, dtype=np.int64),
        )
        fits = tuple(_fit_from_json(one, table) for one in document["fits"])
        names = [one.form.name for one in fits]
        weights = {name: float(document["weights"][name]) for name in names}
        if document["best"] not in names:
            raise ValueError(f"the best form {document['best']!r} is not among the fits")
        return Comparison(
            fits=fits,
            log_scores=dict(document["log_scores"]),
            weights=weights,
            best=document["best"],
            rivals=tuple(document["rivals"]),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, binascii.Error) as error:
        why = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise GnomonError(f"no document of fits: {why}", mend="make one with gnomon fit … --out FILE") from None


def read_document(path: Path | str) -> Comparison:
    """The fits in the file at ``path``. Raises GnomonError when there is none, or it holds no fits."""
    place = Path(path)
    if not place.is_file():
        raise GnomonError(f"no file {str(path)!r}", mend="make one with gnomon fit … --out FILE")
    try:
        document = json.loads(read_text(place))
    except (json.JSONDecodeError, RecursionError) as error:
        raise GnomonError(f"{path} is not JSON: {error}", mend="make one with gnomon fit … --out FILE") from None
    if not isinstance(document, dict):
        raise GnomonError(f"{path} is no document of fits", mend="make one with gnomon fit … --out FILE")
    try:
        return from_document(document)
    except GnomonError as error:
        raise GnomonError(f"{path}: {error.cause}", mend=error.mend) from None


def _fit_to_json(one: Fit) -> dict[str, Any]:
    return {
        "form": one.form.name,
        "parameters": {name: _estimate_to_json(estimate) for name, estimate in one.parameters.items()},
        "objective": one.objective,
        "heldout": one.heldout,
        "aic": one.aic,
        "bic": one.bic,
        "identifiable": one.identifiable,
        "unidentified": list(one.unidentified),
        "stated": one.stated,
        "level": one.level,
        "log_likelihood": one.log_likelihood,
        "noise": asdict(one.noise),
        "theta": one.theta.tolist(),
        "draws": {
            "shape": list(one.draws.shape),
            "float64": base64.b64encode(one.draws.astype("<f8").tobytes()).decode("ascii"),
        },
    }


def _fit_from_json(data: Mapping[str, Any], table: Table) -> Fit:
    kind = form(data["form"])
    written, heldout = data["parameters"], data["heldout"]
    if list(written) != list(kind.parameters):
        raise GnomonError(
            f"form {kind.name!r} has the parameters {', '.join(kind.parameters)}, the fit has {', '.join(written)}",
            mend="fit anew",
        )
    p = len(written)
    theta = np.array(data["theta"], dtype=np.float64).reshape(p)
    draws = np.frombuffer(base64.b64decode(data["draws"]["float64"], validate=True), dtype="<f8")
    return Fit(
        form=kind,
        table=table,
        noise=Noise(**data["noise"]),
        theta=theta,
        draws=draws.astype(np.float64).reshape(-1, p),
        parameters={
            name: _estimate_from_json(one, float(value))
            for (name, one), value in zip(written.items(), kind.natural(theta), strict=True)
        },
        level=float(data["level"]),
        objective=float(data["objective"]),
        log_likelihood=float(data["log_likelihood"]),
        aic=float(data["aic"]),
        bic=float(data["bic"]),
        heldout=None if heldout is None else float(heldout),
        unidentified=tuple(data["unidentified"]),
        stated=data.get("stated", "bootstrap"),
    )


def _estimate_to_json(one: Estimate) -> dict[str, Any]:
    return {
        "value": _finite(one.value),
        "low": _finite(one.low),
        "high": _finite(one.high),
        "bootstrap": None if one.bootstrap is None else [_finite(end) for end in one.bootstrap],
        "profile": None if one.profile is None else [_finite(end) for end in one.profile],
    }


def _estimate_from_json(data: Mapping[str, Any], value: float) -> Estimate:
    def ends(of: Sequence[float | None]) -> tuple[float, float]:
        low, high = of
        return -math.inf if low is None else float(low), math.inf if high is None else float(high)

    low, high = ends((data["low"], data["high"]))
    return Estimate(
        value=value,
        low=low,
        high=high,
        bootstrap=None if data["bootstrap"] is None else ends(data["bootstrap"]),
        profile=None if data["profile"] is None else ends(data["profile"]),
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
