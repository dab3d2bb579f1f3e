"""`check_challenge`: the contract of a challenge, one check a function."""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable, Sequence
from functools import partial

from gnomon.errors import GnomonError
from gnomon.lab.store import PointRecord
from gnomon.lab.sweep import Point, Results
from gnomon.lab.sweep.experiment import experiment_named
from gnomon.lab.sweep.work import Job, work
from gnomon.laws.ledger.measured import point_hashes
from gnomon.laws.ledger.prediction import Prediction
from gnomon.laws.ledger.score import score
from gnomon.predictions import Challenge
from gnomon.predictions.running import check_targets
from gnomon.testing.conformance import ConformanceError
from gnomon.testing.theories import random_states


def challenge_checks() -> dict[str, Callable[[type[Challenge]], None]]:
    """The checks that run no point, by name, e.g. for ``pytest.mark.parametrize``."""
    found = (check_words, check_points, check_pickles)
    return {check.__name__: check for check in found}


def check_challenge(kind: type[Challenge]) -> None:
    """Raise ConformanceError unless ``kind`` keeps the contract of `gnomon.predictions.Challenge`.

    All of its points are run here: make it small, or give `challenge_checks` to what takes long.
    """
    every: dict[str, Callable[[], None]] = {
        **{name: partial(check, kind) for name, check in challenge_checks().items()},
        "check_predictions": partial(check_predictions, kind),
    }
    problems = []
    for name, check in every.items():
        try:
            check()
        except Exception as error:  # noqa: BLE001 - whatever a challenge raises is a finding
            problems.append(f"{name}: {type(error).__name__}: {error}")
    if problems:
        raise ConformanceError(f"{kind.__name__} does not conform:\n" + "\n".join(f"  {p}" for p in problems))


def check_words(kind: type[Challenge]) -> None:
    """Its name is snake_case; title, question and source are stated."""
    assert re.fullmatch(r"[a-z][a-z0-9_]*", kind.name), f"the name {kind.name!r} is not snake_case"
    for field in ("title", "question", "source"):
        assert getattr(kind, field).strip(), f"it has no {field}"


def check_points(kind: type[Challenge]) -> None:
    """Its points are the same each time and survive JSON; those of a target are of one experiment and not known."""
    one, known = kind(), kind().known()
    targets = one.targets()
    assert targets, "it has no targets"
    assert [p.key for p in known] == [p.key for p in one.known()], "its known points change from call to call"
    again = one.targets()
    assert list(again) == list(targets), "its targets change from call to call"
    seen = point_hashes(known)
    for target, points in targets.items():
        assert re.fullmatch(r"[^/\s]+", target), f"the target {target!r} is no name"
        assert points, f"target {target!r} has no points"
        assert [p.key for p in points] == [p.key for p in again[target]], f"the points of {target!r} change"
        assert len({p.experiment for p in points}) == 1, f"the points of {target!r} are of several experiments"
        assert not point_hashes(points) & seen, f"points of {target!r} are known"
    for point in [*known, *(p for points in targets.values() for p in points)]:
        spec = experiment_named(point.experiment).spec
        assert spec.model_validate_json(point.spec.model_dump_json()) == point.spec, f"{point} does not survive JSON"


def check_pickles(kind: type[Challenge]) -> None:
    """It pickles, and is the same after that."""
    again = pickle.loads(pickle.dumps(kind()))
    assert list(again.targets()) == list(kind().targets()), "it is another after pickling"


def check_predictions(kind: type[Challenge]) -> None:
    """Every target is predicted, from what is known alone, the same each time; its measurement can be scored.

    Known points are run, then those of the targets. Where these are lost, nothing is measured in their place.
    """
    one = kind()
    known = _run(one.known())
    before = random_states()
    predictions = one.predict(Results(known))
    assert random_states() == before, "it draws from the global random state"
    check_targets(one, predictions)
    again = one.predict(Results(known))
    assert all(p.to_json() == again[target].to_json() for target, p in predictions.items()), (
        "it predicts something else each time"
    )
    for target, points in one.targets().items():
        assert Prediction.from_json(predictions[target].to_json()).name == predictions[target].name
        assert all(map(math.isfinite, predictions[target].distribution.interval(0.9))), f"{target}: endless interval"
        found = _run(points)
        measured = one.measure(target, Results(found))
        assert measured == one.measure(target, Results(found)), f"{target}: it measures something else each time"
        scored = score(predictions[target], measured)
        assert scored is not None or measured.reason, f"{target}: nothing is measured, without a reason"
        lost = one.measure(target, Results(_lost(r) for r in found))
        assert lost.status != "ok", f"{target}: a number is measured although every point failed"


def _run(points: Sequence[Point]) -> list[PointRecord]:
    found = [record for p in points for record in work(Job.of([p]))]
    broken = [r for r in found if r.status == "failed"]
    if broken:
        raise GnomonError(f"a point failed: {broken[0].reason}")
    return found


def _lost(record: PointRecord) -> PointRecord:
    return PointRecord(key=record.key, experiment=record.experiment, spec=record.spec, status="failed", reason="lost")
