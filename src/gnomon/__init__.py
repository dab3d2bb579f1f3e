"""gnomon: a physics laboratory for neural networks."""
