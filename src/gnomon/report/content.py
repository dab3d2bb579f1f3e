"""What a report is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from gnomon.lab.affordable import LeftOut
from gnomon.measurement import Measurement, Provenance


class CalibrationRow(TypedDict):
    """One known answer of an instrument, as `gnomon calibrate` found it."""

    known_answer: str
    truth: Any
    mean: Any
    bias: Any
    spread: Any
    coverage: float | None
    nominal: float
    n: int
    passed: bool
    code_version: str
    fresh: bool


@dataclass(frozen=True, kw_only=True)
class SubjectFacts:
    """What the header says about the network and what it was fed.

    Parameters
    ----------
    name : name of the subject.
    parameters : number of weights.
    sites : all its sites, in forward order; the order of every axis over depth.
    device : where it ran.
    loss : name of the loss, or ``""`` for a network without one.
    data : description of the data, or ``""`` when there was none.
    examples : number of examples fed.
    tokens : number of tokens fed, where the data have tokens.
    """

    name: str
    parameters: int
    sites: tuple[str, ...] = ()
    device: str = "cpu"
    loss: str = ""
    data: str = ""
    examples: int = 0
    tokens: int | None = None


@dataclass(frozen=True, kw_only=True)
class Examination:
    """Everything that a report shows.

    Parameters
    ----------
    title : headline of the report.
    subject : facts about the network and its data.
    measurements : the readings, of any status.
    certificates : calibration rows by ``(estimator, quantity)``.
    left_out : estimators that were not run, with their price.
    history : readings along training; each has its step as ``labels["step"]``.
    observing : what observing along training has cost and skipped, in words.
    provenance : origin of the examination as a whole.
    seconds : wall time of the examination.
    """

    title: str
    subject: SubjectFacts
    measurements: Sequence[Measurement]
    certificates: Mapping[tuple[str, str], Sequence[CalibrationRow]] = field(default_factory=dict)
    left_out: Sequence[LeftOut] = ()
    history: Sequence[Measurement] = ()
    observing: str = ""
    provenance: Provenance | None = None
    seconds: float = 0.0
