"""Running a phenomenon: its points through the lab, its verdict into the store."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.lab.store import PointRecord, Store
from gnomon.lab.sweep import Results, Watch, run_points
from gnomon.lab.sweep.executors import Executor
from gnomon.measurement import Cost, Measurement
from gnomon.measurement.provenance import record
from gnomon.phenomena.claim import Claim, Verdict, control_verdict, verdict_of
from gnomon.phenomena.phenomenon import Finding, Phenomenon, Preset


class NotJudgedError(GnomonError):
    """Nothing can be said about a phenomenon. Others, in the same store and by the same executor, are not concerned."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """A phenomenon that was run: what was found, and what it took.

    Parameters
    ----------
    seconds : time that its points took on their workers, whenever that was; ``waited`` is how long this run took.
    """

    phenomenon: Phenomenon
    preset: Preset
    settings: Spec
    seeds: tuple[int, ...]
    finding: Finding
    failed: tuple[PointRecord, ...]
    points: int
    seconds: float
    waited: float
    run: str

    @property
    def verdict(self) -> Verdict:
        """The verdict on the claims."""
        return verdict_of(self.finding.claims)

    @property
    def control(self) -> Verdict:
        """The verdict on the controls: ``not shown`` is what a sound experiment gives."""
        return control_verdict(self.finding.controls.values())

    def to_json(self, figures: Sequence[str] = ()) -> dict[str, Any]:
        """JSON object, as `gnomon run --json` prints it."""
        arms = self.finding.controls.items()
        return {
            "phenomenon": self.phenomenon.name,
            "verdict": self.verdict,
            "claims": [c.to_json() for c in self.finding.claims],
            "control": {
                "verdict": self.control,
                "claims": [{"arm": arm, **c.to_json()} for arm, claims in arms for c in claims],
            },
            "figures": list(figures),
            "run": self.run,
            "preset": self.preset,
            "settings": self.settings.model_dump(mode="json"),
            "seeds": list(self.seeds),
            "points": self.points,
            "failed": [{"experiment": r.experiment, "spec": dict(r.spec), "reason": r.reason} for r in self.failed],
            "notes": list(self.finding.notes),
            "curves": {name: dict(columns) for name, columns in self.finding.curves.items()},
            "seconds": self.seconds,
            "waited": self.waited,
        }


def run(
    phenomenon: Phenomenon,
    *,
    store: Store,
    executor: Executor,
    preset: Preset = "quick",
    changes: Mapping[str, Any] | None = None,
    seeds: int | None = None,
    watch: Watch | None = None,
) -> Report:
    """Run ``phenomenon`` and judge it.

    Parameters
    ----------
    changes : fields of the preset's settings to change, names dotted.
    seeds : how many, from 0; default: what the preset uses.
    watch : called with the state of its sweep, see `run_points`.

    Raises
    ------
    NotJudgedError : when every point failed.
    GnomonError : on settings that do not fit, on no seeds, and as `run_points` does.
    """
    started = time.perf_counter()
    settings = phenomenon.presets[preset].changed(changes or {})
    chosen = tuple(range(phenomenon.seeds[preset] if seeds is None else seeds))
    if not chosen:
        raise GnomonError("a phenomenon needs seeds", mend="give --seeds 5 or more")
    points = phenomenon.points(settings, chosen)
    spec = {
        "phenomenon": phenomenon.name,
        "preset": preset,
        "settings": settings.model_dump(mode="json"),
        "seeds": list(chosen),
    }
    name = store.start_run("phenomenon", subject=phenomenon.name, spec=spec)
    results = run_points(points, store=store, executor=executor, run=name, watch=watch)
    if results.failed and len(results.failed) == len({p.key for p in points}):
        raise NotJudgedError(f"every point of {phenomenon.name} failed: {results.failed[0].reason}")
    found = phenomenon.judge(settings, chosen, results)
    finding = _recorded(found, phenomenon, spec, results, points=tuple(p.key for p in points))
    store.add([c.measurement for c in _claims(finding)], run=name)
    store.finish_run(name)
    return Report(
        phenomenon=phenomenon,
        preset=preset,
        settings=settings,
        seeds=chosen,
        finding=finding,
        failed=tuple(results.failed),
        points=len({p.key for p in points}),
        seconds=results.seconds,
        waited=time.perf_counter() - started,
        run=name,
    )


def _claims(finding: Finding) -> list[Claim]:
    return [*finding.claims, *(c for claims in finding.controls.values() for c in claims)]


def _recorded(
    finding: Finding, phenomenon: Phenomenon, spec: Mapping[str, Any], results: Results, points: tuple[str, ...]
) -> Finding:
    """The finding, whose measurements carry their cost, their arm and where they come from."""
    share = results.seconds / max(1, len(_claims(finding)))
    provenance = record(
        spec=spec,
        subject=phenomenon.name,
        weights_hash="",
        data_hash=None,
        seed=None,
        wall_seconds=share,
        flops=0.0,
        parents=points,
    )

    def kept(claim: Claim, arm: str) -> Claim:
        labels = {"claim": claim.name, "arm": arm, **claim.measurement.labels}
        placed: Measurement = replace(claim.measurement, labels=labels)
        return replace(claim, measurement=placed.recorded(Cost(seconds=share), provenance))

    return replace(
        finding,
        claims=tuple(kept(c, "claim") for c in finding.claims),
        controls={arm: tuple(kept(c, arm) for c in claims) for arm, claims in finding.controls.items()},
    )
