"""Small networks that read sequences: one skeleton, and the parts that may carry information along it."""

from gnomon.organisms.sequences.attention import CausalAttention
from gnomon.organisms.sequences.feed_forward import FeedForward
from gnomon.organisms.sequences.network import FlatNetwork, SequenceNetwork
from gnomon.organisms.sequences.recurrence import GatedRecurrence
from gnomon.organisms.sequences.state_space import StateSpace

__all__ = ["CausalAttention", "FeedForward", "FlatNetwork", "GatedRecurrence", "SequenceNetwork", "StateSpace"]
