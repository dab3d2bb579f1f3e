"""Statistics of evaluations: intervals, comparisons, families and repetitions that keep the level they state."""

from gnomon.statistics.bounded import betting_interval
from gnomon.statistics.means import mean
from gnomon.statistics.paired import mcnemar, paired_difference
from gnomon.statistics.power import design_effect, needed, power
from gnomon.statistics.proportions import cluster_proportion, proportion
from gnomon.statistics.spending import spent

__all__ = [
    "betting_interval",
    "cluster_proportion",
    "design_effect",
    "mcnemar",
    "mean",
    "needed",
    "paired_difference",
    "power",
    "proportion",
    "spent",
]
