"""The table of ``gnomon evaluate``."""

from __future__ import annotations

import pytest

from gnomon.assurance.asking import Answer, Question
from gnomon.assurance.explanations.quantities import STABILITY
from gnomon.cli.evaluate import _print
from gnomon.measurement import Measurement, Uncertainty


def test_an_interval_of_another_level_than_the_heading_s_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Of five seeds the least and the largest are an interval at 4/6."""
    rows = [
        Measurement.ok(STABILITY, 0.9, Uncertainty.interval(0.85, 0.95, level=level, covers={"seed"}))
        for level in (0.95, 4 / 6)
    ]
    _print([Answer(question=Question("explanation", "{}"), level=0.95, measurements=tuple(rows))], 0.95)
    lines = [line for line in capsys.readouterr().out.splitlines() if "explanation_stability" in line]
    assert ["(66.67 %)" in line for line in lines] == [False, True]
