"""What a dictionary is worth: reconstruction, loss recovered, recovery, absorption, stability, probing."""

from gnomon.structure.dictionaries.evaluation.evaluate import evaluate
from gnomon.structure.dictionaries.evaluation.source import ArraySource, PlantedSource, Rows, SiteSource, Source

__all__ = ["ArraySource", "PlantedSource", "Rows", "SiteSource", "Source", "evaluate"]
