"""Phenomena: claims about learning, the experiments that show them, and the controls in which they must not appear."""

from gnomon.phenomena.claim import Claim, Verdict, verdict_of
from gnomon.phenomena.phenomenon import Finding, Phenomenon, Preset
from gnomon.phenomena.picture import Curve, Heatmap, Picture, Rule
from gnomon.phenomena.registry import phenomena, phenomenon, register
from gnomon.phenomena.running import NotJudgedError, Report, run

__all__ = [
    "Claim",
    "Curve",
    "Finding",
    "Heatmap",
    "NotJudgedError",
    "Phenomenon",
    "Picture",
    "Preset",
    "Report",
    "Rule",
    "Verdict",
    "phenomena",
    "phenomenon",
    "register",
    "run",
    "verdict_of",
]
