"""Statistics of evaluations: intervals, comparisons, families and repetitions that keep the level they state."""
