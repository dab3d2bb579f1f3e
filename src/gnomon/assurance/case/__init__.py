"""Cases: claims, arguments and evidence, checked, compared and exported."""

from gnomon.assurance.case.case import Case, Named
from gnomon.assurance.case.files import load, save
from gnomon.assurance.case.node import Argument, Claim, Context, Criterion, Doubt, Evidence, Node, State

__all__ = [
    "Argument",
    "Case",
    "Claim",
    "Context",
    "Criterion",
    "Doubt",
    "Evidence",
    "Named",
    "Node",
    "State",
    "load",
    "save",
]
