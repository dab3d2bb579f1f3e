"""Efficiency: what a network takes, and what making it take less does to all else that is measured."""

from gnomon.assurance.efficiency.changes import Change, Changed, Pruned, Quantised, Smaller, change_of
from gnomon.assurance.efficiency.comparison import Compared, Comparison, RowChange, Saving, compare_changes
from gnomon.assurance.efficiency.efficiency import Efficiency
from gnomon.assurance.efficiency.energy import Power
from gnomon.assurance.efficiency.medians import median_interval
from gnomon.assurance.efficiency.spent import cost_of, spent
from gnomon.assurance.efficiency.text_loss import TextLoss

__all__ = [
    "Change",
    "Changed",
    "Compared",
    "Comparison",
    "Efficiency",
    "Power",
    "Pruned",
    "Quantised",
    "RowChange",
    "Saving",
    "Smaller",
    "TextLoss",
    "change_of",
    "compare_changes",
    "cost_of",
    "median_interval",
    "spent",
]
