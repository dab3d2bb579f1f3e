"""How singular the minimum is that training found: the local learning coefficient."""
