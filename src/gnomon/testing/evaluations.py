"""`check_evaluation`: the contract of an evaluation, one check a function."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from gnomon.assurance import Deployment, Evaluation
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.testing.conformance import ConformanceError
from gnomon.testing.purity import state

_LEVEL, _STRICTER = 0.8, 0.99


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """An evaluation, and a deployment that it can be put to.

    Parameters
    ----------
    kind : the evaluation.
    deployment : with the materials that it reads.
    options : of the evaluation; defaults for those left out.
    """

    kind: type[Evaluation]
    deployment: Deployment
    options: Mapping[str, Any] = field(default_factory=dict)

    def answers(self, level: float = _LEVEL) -> list[Measurement]:
        """What it measures now, always with the same rng."""
        return self.kind.model_validate(dict(self.options)).run(self.deployment, Rng(0).child("check"), level=level)

    @cached_property
    def found(self) -> list[Measurement]:
        """`answers`, measured once for all checks."""
        return self.answers()


def evaluation_checks() -> dict[str, Callable[[Asked], None]]:
    """The checks by name, e.g. for ``pytest.mark.parametrize``.

    What a subject is left like is looked at before anything else has run: a second run finds nothing left to change.
    """
    found = (check_words, check_lacking, check_untouched, check_rows, check_same_rng, check_level)
    return {check.__name__: check for check in found}


def check_evaluation(kind: type[Evaluation], deployment: Deployment, options: Mapping[str, Any] | None = None) -> None:
    """Raise ConformanceError unless ``kind`` keeps the contract of `gnomon.assurance.Evaluation`.

    It is run four times. That its intervals hold the truth as often as they say is not looked at, for nobody knows the
    truth of ``deployment`` here: test it where you know.

    Parameters
    ----------
    deployment : one that it can be put to, with the materials that it reads.
    options : that make it cheap.
    """
    asked = Asked(kind=kind, deployment=deployment, options=options or {})
    problems = []
    for name, check in evaluation_checks().items():
        try:
            check(asked)
        except Exception as error:  # noqa: BLE001 - whatever an evaluation raises is a finding
            problems.append(f"{name}: {type(error).__name__}: {error}")
    if problems:
        raise ConformanceError(f"{kind.__name__} does not conform:\n" + "\n".join(f"  {p}" for p in problems))


def check_words(asked: Asked) -> None:
    """Its name is snake_case, its quantities are declared once each, and it says what it measures."""
    kind = asked.kind
    assert re.fullmatch(r"[a-z][a-z0-9_]*", kind.name), f"the name {kind.name!r} is not snake_case"
    names = [quantity.name for quantity in kind.quantities]
    assert names, "it declares no quantity"
    assert len(set(names)) == len(names), "it declares a quantity twice"
    assert (kind.__dict__.get("__doc__") or "").strip(), "it has no docstring"


def check_lacking(asked: Asked) -> None:
    """Without materials it says which one it lacks, and with them nothing."""
    one = asked.kind.model_validate(dict(asked.options))
    assert not one.inapplicable(asked.deployment), f"it cannot be asked: {one.inapplicable(asked.deployment)}"
    if one.reads:
        reason = one.inapplicable(replace(asked.deployment, folder=None, materials={}, world=None))
        assert any(name in reason for name in one.reads), f"without materials it lacks {reason!r}: name one"


def check_rows(asked: Asked) -> None:
    """It measures declared quantities, tells the rows of one apart by labels, and they survive JSON."""
    assert asked.found, "it returns no measurement: what cannot be told is insufficient, with a reason"
    declared = {quantity.name for quantity in asked.kind.quantities}
    known = [(m.quantity, m.site, tuple(sorted(m.labels.items()))) for m in asked.found]
    for m, key in zip(asked.found, known, strict=True):
        assert m.quantity in declared, f"{m.quantity} is not among its quantities"
        assert known.count(key) == 1, f"{m.quantity} with the labels {dict(m.labels)} is there twice"
        assert m.status == "ok" or m.reason, f"{m.quantity} is {m.status} without a reason"
        written = json.loads(json.dumps(m.to_json(), allow_nan=False))
        assert Measurement.from_json(written).to_json() == m.to_json(), f"{m.quantity} does not survive JSON"


def check_same_rng(asked: Asked) -> None:
    """With the same rng it gives the same answer, number for number; only costs may differ."""
    assert _plain(asked.found) == _plain(asked.answers()), "two runs with one rng differ"


def check_level(asked: Asked) -> None:
    """Intervals are at the level that is asked for, and a stricter one makes none of them narrower."""
    widths = []
    for level, found in ((_LEVEL, asked.found), (_STRICTER, asked.answers(_STRICTER))):
        bounded = [m for m in found if m.status == "ok" and m.uncertainty.level is not None]
        for m in bounded:
            assert m.uncertainty.level is not None
            assert m.uncertainty.level >= level - 1e-9, f"{m.quantity} is at {m.uncertainty.level}, not {level}"
        widths.append({(m.quantity, m.site, *sorted(m.labels.items())): m.uncertainty.half_width for m in bounded})
    wide, wider = widths
    for key in wide.keys() & wider.keys():
        assert np.all(np.asarray(wider[key]) >= np.asarray(wide[key])), f"{key[0]} is narrower at {_STRICTER}"
    assert not wide or any(
        np.any(np.asarray(wider[key]) > np.asarray(wide[key])) for key in wide.keys() & wider.keys()
    ), "no interval is wider at a stricter level"


def check_untouched(asked: Asked) -> None:
    """The subject, global random states, torch's settings and the materials stay as they were."""
    before = _around(asked.deployment)
    asked.answers()
    after = _around(asked.deployment)
    changed = [name for name in before if before[name] != after[name]]
    assert not changed, f"measuring changed {', '.join(changed)}"


def _around(deployment: Deployment) -> dict[str, Any]:
    files = {
        f"the material {name!r}": hashlib.sha256(p.read_bytes()).digest() for name, p in deployment.materials.items()
    }
    return {**state(deployment.subject), **files}


def _plain(found: list[Measurement]) -> list[dict[str, Any]]:
    return [{k: v for k, v in m.to_json().items() if k not in ("cost", "provenance")} for m in found]
