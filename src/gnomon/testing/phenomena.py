"""`check_phenomenon`: the contract of a phenomenon, one check a function."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from itertools import groupby
from typing import Any

from gnomon.lab.store import PointRecord
from gnomon.lab.sweep import Point, Results
from gnomon.lab.sweep.experiment import experiment_named
from gnomon.lab.sweep.work import Job, work
from gnomon.phenomena import Finding, Phenomenon, verdict_of
from gnomon.testing.conformance import ConformanceError

_SEEDS = range(5)
_RELATIVE = 1e-3


def phenomenon_checks() -> dict[str, Callable[[type[Phenomenon]], None]]:
    """The checks that run no point, by name, e.g. for ``pytest.mark.parametrize``."""
    found = (check_words, check_presets, check_points)
    return {check.__name__: check for check in found}


def check_phenomenon(kind: type[Phenomenon], changes: Mapping[str, Any] | None = None) -> None:
    """Raise ConformanceError unless ``kind`` keeps the contract of `gnomon.phenomena.Phenomenon`.

    Parameters
    ----------
    changes : fields of the quick preset that make it small: all of its points are run here, the first ones twice.
    """
    every: dict[str, Callable[[], None]] = {
        **{name: partial(check, kind) for name, check in phenomenon_checks().items()},
        "check_outcomes": partial(check_outcomes, kind, changes),
        "check_together": partial(check_together, kind, changes),
    }
    problems = []
    for name, check in every.items():
        try:
            check()
        except Exception as error:  # noqa: BLE001 - whatever a phenomenon raises is a finding
            problems.append(f"{name}: {type(error).__name__}: {error}")
    if problems:
        raise ConformanceError(f"{kind.__name__} does not conform:\n" + "\n".join(f"  {p}" for p in problems))


def check_words(kind: type[Phenomenon]) -> None:
    """Its name is snake_case; title, claim, control and source are stated."""
    assert re.fullmatch(r"[a-z][a-z0-9_]*", kind.name), f"the name {kind.name!r} is not snake_case"
    for field in ("title", "claim", "control", "source"):
        assert getattr(kind, field).strip(), f"it has no {field}"


def check_presets(kind: type[Phenomenon]) -> None:
    """It has the presets quick and full, of one type, and at least five seeds in each."""
    assert set(kind.presets) == {"quick", "full"}, f"its presets are {sorted(kind.presets)}"
    assert len({type(p) for p in kind.presets.values()}) == 1, "its presets are of two types"
    for preset, n in kind.seeds.items():
        assert n >= 5, f"{n} seeds in {preset} bound no median"


def check_points(kind: type[Phenomenon]) -> None:
    """Its points are the same each time, survive JSON, and every seed brings new ones."""
    one, settings = kind(), kind.presets["quick"]
    points = one.points(settings, _SEEDS)
    assert points, "it has no points"
    assert [p.key for p in points] == [p.key for p in one.points(settings, _SEEDS)], (
        "its points change from call to call"
    )
    for point in points:
        spec = experiment_named(point.experiment).spec
        assert spec.model_validate_json(point.spec.model_dump_json()) == point.spec, f"{point} does not survive JSON"
    fewer = {p.key for p in one.points(settings, _SEEDS[:-1])}
    assert {p.key for p in points} - fewer, "another seed brings no new point"


def check_outcomes(kind: type[Phenomenon], changes: Mapping[str, Any] | None = None) -> None:
    """The same point gives the same outcome; its verdict is made of JSON, and no lost outcome speaks for it."""
    one, settings = kind(), kind.presets["quick"].changed(changes or {})
    points = one.points(settings, _SEEDS)
    records = [record for p in points for record in work(Job.of([p]))]
    broken = [r for r in records if r.status == "failed"]
    assert not broken, f"a point failed: {broken[0].reason}"
    (again,) = work(Job.of(points[:1]))
    assert _close(again.outcome, records[0].outcome), "the same point gave two outcomes"
    _check_finding(one.judge(settings, _SEEDS, Results(records)))
    failed = [
        PointRecord(key=r.key, experiment=r.experiment, spec=r.spec, status="failed", reason="lost") for r in records
    ]
    nothing = one.judge(settings, _SEEDS, Results(failed))
    assert verdict_of(nothing.claims) != "shown", "it is shown although every point failed"
    others = {p.key for p in one.points(settings, _SEEDS[1:])}
    _check_lost_seed(
        one.judge(settings, _SEEDS, Results(r if r.key in others else f for r, f in zip(records, failed, strict=True)))
    )


def _check_finding(finding: Finding) -> None:
    assert finding.claims, "it makes no claim"
    assert finding.controls, "it has no control"
    for arm, claims in {"claim": finding.claims, **finding.controls}.items():
        names = [c.name for c in claims]
        assert names, f"arm {arm!r} makes no claim"
        assert len(set(names)) == len(names), f"arm {arm!r} has two claims of one name"
        for claim in claims:
            json.dumps(claim.to_json(), allow_nan=False)
    json.dumps({name: dict(columns) for name, columns in finding.curves.items()}, allow_nan=False)
    for name, columns in finding.curves.items():
        assert len({len(c) for c in columns.values()}) == 1, f"the columns of {name!r} differ in length"


def _check_lost_seed(finding: Finding) -> None:
    """A seed that failed may have failed for what it would have shown: it cannot be left out."""
    for claim in finding.claims:
        counted = claim.measurement.uncertainty.effective_samples
        assert claim.measurement.status != "ok" or counted is None or counted >= len(_SEEDS), (
            f"claim {claim.name!r} leaves out a seed whose points failed"
        )


def check_together(kind: type[Phenomenon], changes: Mapping[str, Any] | None = None) -> None:
    """Points that are run together find what they find alone, within a thousandth."""
    settings = kind.presets["quick"].changed(changes or {})
    points = kind().points(settings, _SEEDS)

    def group(point: Point) -> str:
        one = experiment_named(point.experiment)
        return f"{one.name} {one.alike(point.spec) if one.alike is not None else ''}"

    compared: set[str] = set()
    for _, members in groupby(sorted(points, key=group), key=group):
        pair = list(members)[:2]
        name = pair[0].experiment
        if experiment_named(name).together is None or len(pair) < 2 or name in compared:
            continue
        compared.add(name)
        alone = [work(Job.of([p]))[0].outcome for p in pair]
        together = [r.outcome for r in work(Job.of(pair))]
        assert all(map(_close, alone, together)), f"{name}: together is not what each is alone"


def _close(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_close(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return isinstance(b, list | tuple) and len(a) == len(b) and all(map(_close, a, b))
    if isinstance(a, float) and isinstance(b, float | int):
        return math.isclose(a, b, rel_tol=_RELATIVE, abs_tol=_RELATIVE)
    return bool(a == b)
