"""Statistics of evaluations: intervals, comparisons, families and repetitions that keep the level they state."""

from gnomon.statistics.adjusted import benjamini_hochberg, benjamini_yekutieli, hochberg, holm
from gnomon.statistics.betting import betting_p_value, least_units
from gnomon.statistics.bounded import betting_interval
from gnomon.statistics.differences import difference, miettinen_nurminen
from gnomon.statistics.family import Family
from gnomon.statistics.means import mean
from gnomon.statistics.paired import mcnemar, paired_difference, tango
from gnomon.statistics.power import design_effect, needed, power
from gnomon.statistics.power_of_differences import needed_each, needed_means, needed_pairs, paired_power
from gnomon.statistics.proportions import cluster_proportion, proportion
from gnomon.statistics.sequences import rate_interval
from gnomon.statistics.spending import spent

__all__ = [
    "Family",
    "benjamini_hochberg",
    "benjamini_yekutieli",
    "betting_interval",
    "betting_p_value",
    "cluster_proportion",
    "design_effect",
    "difference",
    "hochberg",
    "holm",
    "least_units",
    "mcnemar",
    "mean",
    "miettinen_nurminen",
    "needed",
    "needed_each",
    "needed_means",
    "needed_pairs",
    "paired_difference",
    "paired_power",
    "power",
    "proportion",
    "rate_interval",
    "spent",
    "tango",
]
