"""The contract of a phenomenon."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Point, Results
from gnomon.phenomena.claim import Claim
from gnomon.phenomena.picture import Heatmap, Picture

Preset = Literal["quick", "full"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a phenomenon makes of its outcomes.

    Parameters
    ----------
    claims : all of them must be passed for the phenomenon to be shown.
    controls : by name of the arm, the same claims (or those that matter) measured where the phenomenon must not
        appear; at least one of each arm must be refuted.
    pictures : drawn in this order.
    curves : measured curves for the laws to come, as columns of equal length, by name.
    notes : sentences for the page: what was tried, what does not reproduce.
    """

    claims: tuple[Claim, ...]
    controls: Mapping[str, tuple[Claim, ...]]
    pictures: tuple[Picture | Heatmap, ...] = ()
    curves: Mapping[str, Mapping[str, Sequence[Any]]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Phenomenon(abc.ABC):
    """A claim, the experiment that shows it, the control in which it must not appear, and the verdict over seeds.

    A subclass states the class variables, turns settings and seeds into points of registered experiments, and
    judges their outcomes. Both methods are pure: what is judged is only what the points found.

    Attributes
    ----------
    name : snake_case; what `gnomon run` calls it.
    title : a few words.
    claim, control : one or two sentences each.
    source : papers.
    presets : settings of the presets. ``quick`` takes at most a minute on two cores with its seeds; ``full`` is what
        a paper would show.
    seeds : how many seeds each preset uses by default, at least 5.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    claim: ClassVar[str]
    control: ClassVar[str]
    source: ClassVar[str]
    presets: ClassVar[Mapping[Preset, Spec]]
    seeds: ClassVar[Mapping[Preset, int]] = {"quick": 5, "full": 8}

    @abc.abstractmethod
    def points(self, settings: Any, seeds: Sequence[int]) -> Sequence[Point]:
        """Every point that the verdict needs, controls included."""

    @abc.abstractmethod
    def judge(self, settings: Any, seeds: Sequence[int], results: Results) -> Finding:
        """The claims, the controls and the pictures, from the outcomes of `points`."""
