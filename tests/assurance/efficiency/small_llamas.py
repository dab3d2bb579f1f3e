"""A small Llama that reads words."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from gnomon.organisms.language_models.tokenizer import word_level
from gnomon.subjects import NextToken, Subject

WORDS = ["the", "sun", "is", "hot", "cold", "rome", "in", "italy", "peru", "far", "very", "new", "city", "old"]


def small_llama(**changes: Any) -> Subject:
    """Two layers, four heads of queries and two of keys, random weights."""
    tokenizer = word_level(WORDS)
    sizes: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    sizes |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}
    config = LlamaConfig(vocab_size=len(tokenizer.get_vocab()), pad_token_id=0, **(sizes | changes))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = LlamaForCausalLM(config).eval()
    return Subject(module, loss=NextToken(), name="small", context=64, tokenizer=tokenizer)


@cache
def one_llama() -> Subject:
    """`small_llama`, made once: for tests that leave it as it is."""
    return small_llama()
