"""Concepts: labelled examples of one idea, checked, and read off a subject's sites."""

from gnomon.structure.concepts.activations import Vectors, read_examples, read_vectors
from gnomon.structure.concepts.concept import Concept
from gnomon.structure.concepts.positions import Position
from gnomon.structure.concepts.reading import load_examples, read_concept

__all__ = ["Concept", "Position", "Vectors", "load_examples", "read_concept", "read_examples", "read_vectors"]
