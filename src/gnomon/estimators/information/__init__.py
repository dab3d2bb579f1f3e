"""How much the context tells about what comes next."""
