"""Concepts: labelled examples of one idea, checked, and read off a subject's sites."""

from gnomon.structure.concepts.concept import Concept

__all__ = ["Concept"]
