"""Bias and fairness: amplification, sentence pairs, swaps, errors by group, and what safeguards change of them."""

from gnomon.assurance.fairness.amplification import BiasAmplification
from gnomon.assurance.fairness.comparable import Comparable
from gnomon.assurance.fairness.occupations import Occupations, read_occupations
from gnomon.assurance.fairness.rows import Rows

__all__ = ["BiasAmplification", "Comparable", "Occupations", "Rows", "read_occupations"]
