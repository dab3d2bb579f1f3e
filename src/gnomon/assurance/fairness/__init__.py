"""Bias and fairness: amplification, sentence pairs, swaps, errors by group, and what controllers change of them."""

from gnomon.assurance.fairness.amplification import BiasAmplification
from gnomon.assurance.fairness.comparable import Comparable
from gnomon.assurance.fairness.disparities import Disparity, Rates, difference, ratio
from gnomon.assurance.fairness.graded import Graded, read_graded
from gnomon.assurance.fairness.groups import GroupErrors
from gnomon.assurance.fairness.mitigation import Compared, compare, neutral_cost
from gnomon.assurance.fairness.occupations import Occupations, read_occupations
from gnomon.assurance.fairness.pair_files import Pairs, SentencePair, read_pairs
from gnomon.assurance.fairness.pairs import BiasPairs
from gnomon.assurance.fairness.rows import Rows
from gnomon.assurance.fairness.swap_files import Swap, read_swap_texts, read_swaps
from gnomon.assurance.fairness.swaps import CounterfactualSwaps

__all__ = [
    "BiasAmplification",
    "BiasPairs",
    "Comparable",
    "Compared",
    "CounterfactualSwaps",
    "Disparity",
    "Graded",
    "GroupErrors",
    "Occupations",
    "Pairs",
    "Rates",
    "Rows",
    "SentencePair",
    "Swap",
    "compare",
    "difference",
    "neutral_cost",
    "ratio",
    "read_graded",
    "read_occupations",
    "read_pairs",
    "read_swap_texts",
    "read_swaps",
]
