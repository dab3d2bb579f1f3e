"""What the quantities of this family have in common."""

from __future__ import annotations

AVERAGE = (
    "Categorical losses: f is the log-probability of the predicted class; others: the outer products of all outputs "
    "are added up. One prediction an example, drawn by a hash of its number, and differentiated at the prediction's "
    "own position where the network predicts at every position; the average over positions elsewhere."
)
SOURCE = "Radhakrishnan, Beaglehole, Pandit & Belkin, Science 383 (2024) 1461, arXiv:2212.13881"

SINGLE_PRECISION = 1e-5  # bound on the relative error of a gradient that is computed in float32
