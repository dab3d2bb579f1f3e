"""Directions: methods that recover what tells examples of a concept apart, and how sure they are."""

from gnomon.structure.directions.method import Method, method, methods, register

__all__ = ["Method", "method", "methods", "register"]
