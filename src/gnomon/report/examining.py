"""Examining: measure all that applies to a subject, and write the report."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

from gnomon.estimators import Budget
from gnomon.lab.measuring import Progress, measure
from gnomon.lab.store import Store, recording
from gnomon.measurement import Measurement
from gnomon.measurement.provenance import code_version
from gnomon.report.content import CalibrationRow, Examination, SubjectFacts
from gnomon.report.page import write_report
from gnomon.subjects import Data, Subject, TokenData


def examine(
    subject: Subject,
    data: Data | None,
    out: Path,
    *,
    sites: Sequence[str] = (),
    budget: Budget | None = None,
    seed: int = 0,
    store: Store | None = None,
    history: Sequence[Measurement] = (),
    observing: str = "",
    progress: Progress | None = None,
) -> tuple[Examination, Path]:
    """Measure every quantity that applies to ``subject`` within ``budget``; the examination and its report's path.

    With a ``store``, measurements are kept there as they finish, and its calibration certificates are shown beside
    them. ``history`` adds readings along training, and ``observing`` what is said about them (`Observer.statement`).
    Raises GnomonError on data that does not fit the subject.
    """
    started = time.perf_counter()
    data = data if data is not None else subject.data
    with contextlib.ExitStack() as stack:
        sink = None
        if store is not None:
            spec = {"sites": list(sites), "seed": seed, "data": "" if data is None else data.description}
            sink = stack.enter_context(recording(store, "examine", subject=subject.name, spec=spec))
            sink.add(history)
        session = measure(subject, data=data, sites=sites, budget=budget, seed=seed, sink=sink, progress=progress)
    examination = Examination(
        title=f"{subject.name}: examination",
        subject=_facts(subject, data, session.examples, session.positions),
        measurements=session.measurements,
        certificates={} if store is None else certificates_of(store),
        left_out=session.left_out,
        history=history,
        observing=observing,
        provenance=next((m.provenance for m in session.measurements if m.provenance is not None), None),
        seconds=time.perf_counter() - started,
    )
    return examination, write_report(examination, out)


def certificates_of(store: Store) -> dict[tuple[str, str], list[CalibrationRow]]:
    """The newest calibration rows in ``store`` by estimator and quantity; ``fresh`` where the code is today's."""
    current = code_version()
    newest = {}
    for c in sorted(store.certificates(), key=lambda c: (c.code_version == current, c.created)):
        newest[c.estimator, c.quantity, c.known_answer] = c
    rows: dict[tuple[str, str], list[CalibrationRow]] = {}
    for c in newest.values():
        row = CalibrationRow(
            known_answer=c.known_answer,
            truth=c.truth,
            mean=c.mean,
            bias=c.bias,
            spread=c.spread,
            coverage=c.coverage,
            nominal=c.nominal,
            n=c.n,
            passed=c.passed,
            code_version=c.code_version,
            fresh=c.code_version == current,
        )
        rows.setdefault((c.estimator, c.quantity), []).append(row)
    return rows


def _facts(subject: Subject, data: Data | None, examples: int, positions: int) -> SubjectFacts:
    return SubjectFacts(
        name=subject.name,
        parameters=sum(p.numel() for p in subject.module.parameters()),
        sites=tuple(subject.sites),
        device=str(subject.device),
        loss="" if subject.loss is None else subject.loss.name,
        data="" if data is None else data.description,
        examples=examples,
        tokens=positions if isinstance(data, TokenData) else None,
    )
