"""The table of ``gnomon evaluate``."""

from __future__ import annotations

import pytest

from gnomon.assurance.asking import Answer, Question
from gnomon.assurance.explanations.quantities import STABILITY
from gnomon.cli.evaluate import _print
from gnomon.cli.main import run
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


def test_evaluations_are_named_apart_or_with_commas(capsys: pytest.CaptureFixture[str]) -> None:
    """The second name is the one found wanting, so that the first was read by itself."""
    for names in (["text_loss", "text_los"], ["text_loss,text_los"]):
        assert run(["evaluate", "nowhere", *names]) == 2
        assert "unknown evaluation 'text_los'; did you mean 'text_loss'" in capsys.readouterr().err
