"""Registering challenges, and scoring them: their points through the lab, their predictions through the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Literal

from gnomon.errors import GnomonError
from gnomon.lab.store import PointRecord
from gnomon.lab.sweep import Point, Results, Watch, run_points
from gnomon.lab.sweep.executors import Executor
from gnomon.laws.ledger.book import Book, Registered
from gnomon.laws.ledger.ledger import Ledger
from gnomon.laws.ledger.measured import made_at, point_hashes, spec_hashes
from gnomon.laws.ledger.prediction import Prediction
from gnomon.laws.ledger.registering import register
from gnomon.laws.ledger.scoring import enter
from gnomon.measurement import Cost, Measurement
from gnomon.measurement.provenance import record
from gnomon.predictions.challenge import Challenge
from gnomon.predictions.registry import challenge, challenges


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What came of registering a challenge.

    Parameters
    ----------
    state : ``registered``, ``present`` (nothing of it was new), or ``refused`` for a reason in one line.
    numbers : of its predictions in the ledger, by target.
    mended : what was found torn at the end of the ledger, see `Ledger.append`.
    """

    challenge: str
    state: Literal["registered", "present", "refused"]
    numbers: Mapping[str, int]
    reason: str = ""
    mended: str = ""


@dataclass(frozen=True, kw_only=True)
class Unscored:
    """A prediction that could not be scored, and why, in one line."""

    registered: Registered
    reason: str


def register_challenges(
    chosen: Sequence[Challenge], *, ledger: Ledger, executor: Executor, watch: Watch | None = None
) -> list[Registration]:
    """Run what each challenge may see, let it predict, and freeze its predictions, all or none of each.

    Where the targets of one are among the known points of another, the former is registered first. A target that is
    in the ledger by that name already is passed over. A challenge that is refused does not keep others from it.

    Raises GnomonError when known points and targets form a circle, and as `run_points` does.
    """
    found: dict[str, Registration] = {}
    clusters = _clusters([*chosen, *(kind() for kind in challenges().values())])
    for batch in _in_order(chosen):
        book = Book.read(ledger.entries())
        present = {r.registered.prediction.name: number for number, r in book.records.items()}
        new = [c for c in batch if {f"{c.name}/{t}" for t in c.targets()} - present.keys()]
        points = [p for one in new for p in one.known()]
        run = ledger.store.start_run("predict", subject=", ".join(c.name for c in new)) if new else ""
        results = (
            run_points(points, store=ledger.store, executor=executor, run=run, watch=watch) if points else Results([])
        )
        for one in batch:
            numbers = {t: n for t in one.targets() if (n := present.get(f"{one.name}/{t}")) is not None}
            found[one.name] = (
                _registered(one, ledger, results, numbers, clusters[one.name])
                if one in new
                else Registration(challenge=one.name, state="present", numbers=numbers)
            )
        if new:
            ledger.store.finish_run(run)
    return [found[one.name] for one in chosen]


def score_challenges(ledger: Ledger, *, executor: Executor, watch: Watch | None = None) -> list[Unscored]:
    """Run the target points of every challenge's predictions that have no score, and score them.

    Returns those that could not be: because their challenge is gone or has changed since, because points failed (they
    are run again the next time), or because they were measured before they were registered. Where the points are done
    but give no number, that is entered as the score. Raises GnomonError as `run_points` and `Ledger.append` do.
    """
    left: list[Unscored] = []
    todo: list[tuple[Registered, Challenge, Sequence[Point]]] = []
    for registered in Book.read(ledger.entries()).unscored():
        if not registered.challenge:
            continue
        try:
            one = challenge(registered.challenge)
            todo.append((registered, one, _points(registered, one)))
        except GnomonError as error:
            left.append(Unscored(registered=registered, reason=str(error)))
    if not todo:
        return left
    run = ledger.store.start_run("score", subject=", ".join(sorted({r.challenge for r, _, _ in todo})))
    points = [p for _, _, some in todo for p in some]
    results = run_points(points, store=ledger.store, executor=executor, run=run, watch=watch)
    for registered, one, some in todo:
        try:
            reason = _scored(registered, one, some, results, ledger, run)
        except GnomonError as error:
            reason = str(error)
        if reason is not None:
            left.append(Unscored(registered=registered, reason=reason))
    ledger.store.finish_run(run)
    return left


def check_targets(one: Challenge, predictions: Mapping[str, Prediction]) -> None:
    """Raise GnomonError unless ``predictions`` are those of the targets of ``one``, of which it knows no point."""
    targets = one.targets()
    known = point_hashes(one.known())
    if set(predictions) != set(targets) or not targets:
        raise GnomonError(f"challenge {one.name} predicts {sorted(predictions)}, but its targets are {sorted(targets)}")
    for target, points in targets.items():
        prediction = predictions[target]
        name = f"{one.name}/{target}"
        if prediction.name != name:
            raise GnomonError(f"the prediction of {name} is called {prediction.name!r}", mend=f"call it {name!r}")
        if spec_hashes(prediction.target) != point_hashes(points):
            raise GnomonError(f"the target of {name} is not made of its points", mend="use Target.of_points")
        if point_hashes(points) & known:
            raise GnomonError(f"points of {name} are among those that {one.name} knows", mend="predict others")


def _registered(
    one: Challenge, ledger: Ledger, results: Results, present: Mapping[str, int], cluster: str
) -> Registration:
    try:
        predictions = one.predict(results)
        check_targets(one, predictions)
        new = [target for target in predictions if target not in present]
        appended = register(ledger, [predictions[target] for target in new], challenge=one.name, cluster=cluster)
    except GnomonError as error:
        return Registration(challenge=one.name, state="refused", numbers=present, reason=str(error))
    numbers = {**present, **{target: e.number for target, e in zip(new, appended.entries, strict=True)}}
    return Registration(challenge=one.name, state="registered", numbers=numbers, mended=appended.mended)


def _clusters(every: Sequence[Challenge]) -> dict[str, str]:
    """For each challenge the first name among those that it shares points with, directly or through others."""
    points = {
        one.name: point_hashes([*one.known(), *(p for some in one.targets().values() for p in some)]) for one in every
    }
    groups: list[tuple[set[str], set[str]]] = []
    for name, own in points.items():
        names, hashes = {name}, set(own)
        apart = []
        for group in groups:
            if group[1] & hashes:
                names |= group[0]
                hashes |= group[1]
            else:
                apart.append(group)
        groups = [*apart, (names, hashes)]
    return {name: min(names) for names, _ in groups for name in names}


def _in_order(chosen: Sequence[Challenge]) -> Iterable[list[Challenge]]:
    """``chosen`` in batches: each after those whose targets it sees."""
    known = {one.name: point_hashes(one.known()) for one in chosen}
    targets = {
        one.name: frozenset(h for points in one.targets().values() for h in point_hashes(points)) for one in chosen
    }
    before = {one: {other for other in known if other != one and known[one] & targets[other]} for one in known}
    order = TopologicalSorter(before)
    try:
        order.prepare()
    except CycleError as error:
        names = ", ".join(dict.fromkeys(error.args[1]))
        raise GnomonError(f"challenges {names} each know what another predicts", mend="register them apart") from None
    by_name = {one.name: one for one in chosen}
    while order.is_active():
        ready = order.get_ready()
        yield [by_name[name] for name in sorted(ready)]
        order.done(*ready)


def _points(registered: Registered, one: Challenge) -> Sequence[Point]:
    """The points of the target, which are those that were frozen. Raises GnomonError where they are not."""
    points = one.targets().get(registered.target, ())
    if not points or point_hashes(points) != spec_hashes(registered.prediction.target):
        raise GnomonError(
            f"challenge {one.name} has changed: the points of {registered.target!r} are not those that were frozen",
            mend="score it with the code that registered it",
        )
    return points


def _scored(
    registered: Registered, one: Challenge, points: Sequence[Point], results: Results, ledger: Ledger, run: str
) -> str | None:
    """Measure and enter; why that cannot be done, if so."""
    measurement = one.measure(registered.target, results)
    records = [results.record(p) for p in points]
    failed = [r for r in records if r.status == "failed"]
    if measurement.status != "ok" and failed:
        return f"{len(failed)} of its {len(records)} points failed: {failed[0].reason}"
    recorded = _recorded(measurement, registered, records)
    ledger.store.add(recorded, run=run)
    enter(
        ledger,
        registered,
        recorded,
        measured_at=min(made_at(r.created) for r in records),
        origin={"points": [r.key for r in records], "run": run},
    )
    return None


def _recorded(measurement: Measurement, registered: Registered, records: Sequence[PointRecord]) -> Measurement:
    """The measurement with what its points cost, and where it comes from."""
    seconds = sum(r.seconds for r in records)
    provenance = record(
        spec=registered.prediction.target.to_json(),
        subject=registered.challenge,
        weights_hash="",
        data_hash=None,
        seed=None,
        wall_seconds=seconds,
        flops=0.0,
        parents=tuple(r.key for r in records),
    )
    labels = {**measurement.labels, "prediction": registered.prediction.name}
    return replace(measurement, labels=labels).recorded(Cost(seconds=seconds), provenance)
