"""Explanations as evidence: how faithful, stable and complete one is, and whether a case may cite it."""

from gnomon.assurance.explanations.criteria import Criteria, citable
from gnomon.assurance.explanations.evidence import evidence
from gnomon.assurance.explanations.explanation import Explanation
from gnomon.assurance.explanations.outcome import OwnContrast, WordContrast

__all__ = ["Criteria", "Explanation", "OwnContrast", "WordContrast", "citable", "evidence"]
