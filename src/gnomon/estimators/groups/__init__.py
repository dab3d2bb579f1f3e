"""Symmetry: power in the irreducible representations of finite groups, and equivariance."""
