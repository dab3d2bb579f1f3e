"""Mixtures of low-dimensional subspaces: on which directions a prediction rests, context by context."""
