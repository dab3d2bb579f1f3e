"""Cases: claims, arguments and evidence, checked, compared and exported."""

from gnomon.assurance.case.build import build
from gnomon.assurance.case.case import Case, Named
from gnomon.assurance.case.files import load, save
from gnomon.assurance.case.node import AnyNode, Argument, Claim, Context, Criterion, Doubt, Evidence, Observation, State

__all__ = [
    "AnyNode",
    "Argument",
    "Case",
    "Claim",
    "Context",
    "Criterion",
    "Doubt",
    "Evidence",
    "Named",
    "Observation",
    "State",
    "build",
    "load",
    "save",
]
