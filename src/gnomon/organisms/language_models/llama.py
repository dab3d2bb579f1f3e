"""The network: a small Llama with random weights."""

from __future__ import annotations

import math
from typing import Any

import torch

from gnomon.organisms.language_models.tokenizer import BOS, EOS, PAD
from gnomon.randomness import Rng
from gnomon.subjects.untouched import seeded


def feed_forward(width: int) -> int:
    """Width of the feed-forward layers: 8/3 of the network's, rounded up to 32."""
    return 32 * math.ceil(8 * width / 3 / 32)


def weights_of_blocks(width: int, layers: int) -> int:
    """Weights without the embeddings and the readout, which grow with the vocabulary."""
    return layers * (4 * width**2 + 3 * width * feed_forward(width) + 2 * width) + width


def llama(*, vocabulary: int, width: int, layers: int, heads: int, context: int, rng: Rng) -> Any:
    """A Llama with random weights drawn from ``rng``; the global random state is left as it was."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=feed_forward(width),
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=2 * context,
        tie_word_embeddings=False,
        bos_token_id=BOS,
        eos_token_id=EOS,
        pad_token_id=PAD,
        initializer_range=width**-0.5,
    )
    with seeded(rng.key >> 1, torch.device("cpu")):
        return LlamaForCausalLM(config)
