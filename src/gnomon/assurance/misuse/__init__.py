"""Misuse and misinformation: what a deployment gives to one who should not have it, and what it says that is not so."""
