"""Structure: the few directions that a prediction rests on."""
