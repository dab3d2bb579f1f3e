"""The empirical neural tangent kernel, and what it says of training."""
