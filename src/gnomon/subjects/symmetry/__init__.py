"""Symmetry: finite groups, their irreducible representations, and where a subject has to do with one."""

from gnomon.subjects.symmetry.action import Action, Composition, Permutations
from gnomon.subjects.symmetry.cyclic import Cyclic
from gnomon.subjects.symmetry.declared import ElementWeights, Symmetry
from gnomon.subjects.symmetry.dihedral import Dihedral
from gnomon.subjects.symmetry.group import Group, Irrep
from gnomon.subjects.symmetry.operands import OneHot, Operand, TokenAt
from gnomon.subjects.symmetry.symmetric import Symmetric

__all__ = [
    "Action",
    "Composition",
    "Cyclic",
    "Dihedral",
    "ElementWeights",
    "Group",
    "Irrep",
    "OneHot",
    "Operand",
    "Permutations",
    "Symmetric",
    "Symmetry",
    "TokenAt",
]
