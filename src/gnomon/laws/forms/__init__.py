"""Forms, one a file."""
