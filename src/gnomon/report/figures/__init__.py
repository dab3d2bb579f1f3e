"""Figures: Vega-Lite specifications, one kind of figure a file."""
