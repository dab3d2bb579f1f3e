"""Theories: closed-form predictors, each with the domain in which it holds."""

from gnomon.theory.registry import register, theories, theory
from gnomon.theory.theory import OutOfDomainError, Theory

__all__ = ["OutOfDomainError", "Theory", "register", "theories", "theory"]
