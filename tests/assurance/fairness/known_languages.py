"""Language models of which every probability is known, and a small masked one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from gnomon.organisms.language_models.tokenizer import word_level
from gnomon.subjects import MaskedToken, NextToken, Subject

FLOOR = 1e-6


class _Table(nn.Module):
    """What comes next depends on the last word alone."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Embedding.from_pretrained(logits.clone())])
        self.head = nn.Linear(logits.shape[1], logits.shape[1], bias=False)
        with torch.no_grad():
            self.head.weight.copy_(torch.eye(logits.shape[1]))

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks[0](input_ids))


def bigram(words: Sequence[str], after: Mapping[str, Mapping[str, float]]) -> Subject:
    """A causal language model of ``words``, in which ``after[a][b]`` is the probability of b after a.

    What is left over is spread evenly over all other tokens.
    """
    tokenizer = word_level(words)
    ids = tokenizer.get_vocab()
    table = torch.full((len(ids), len(ids)), 1 / len(ids))
    for first, row in after.items():
        left = 1 - sum(row.values())
        table[ids[first]] = max(left, FLOOR) / (len(ids) - len(row))
        for second, probability in row.items():
            table[ids[first], ids[second]] = probability
    return Subject(_Table(table.log()), loss=NextToken(), tokenizer=tokenizer, context=64, name="bigram")


def masked(words: Sequence[str]) -> Subject:
    """A masked language model with random weights."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    vocabulary = {w: i for i, w in enumerate(["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]", *words])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    names: dict[str, Any] = {f"{n.lower()}_token": f"[{n}]" for n in ("PAD", "CLS", "SEP", "UNK", "MASK")}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, **names)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=32,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = BertForMaskedLM(config).eval()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
    return Subject(module, loss=MaskedToken(), tokenizer=tokenizer, context=32, name="masked")


def logit(p: float) -> float:
    """Log-odds."""
    return math.log(p / (1 - p))
