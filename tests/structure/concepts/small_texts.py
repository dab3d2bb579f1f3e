"""A vocabulary of words, a fast tokenizer with special tokens around every text, and small networks that read it."""

from __future__ import annotations

import functools
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)

from gnomon.subjects import CrossEntropy, MaskedToken, NextToken, Subject

WORDS = [
    "the",
    "sun",
    "is",
    "hot",
    "cold",
    "rome",
    "in",
    "italy",
    "peru",
    "far",
    "very",
    "true",
    "false",
    "new",
    "city",
]
CONTEXT = 12


@functools.cache
def tokenizer(*, framed: bool = True) -> Any:
    """One token a word; ``[CLS]`` before and ``[SEP]`` after every text where ``framed``."""
    vocabulary = {w: i for i, w in enumerate(["[PAD]", "[CLS]", "[SEP]", "[UNK]", *WORDS])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    if framed:
        inner.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )
    special = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, **special)


def subject(kind: str, *, dtype: torch.dtype = torch.float32, context: int = CONTEXT) -> Subject:
    """An ``encoder``, ``classifier``, ``masked`` or ``causal`` language model with random weights."""
    size = {"vocab_size": 4 + len(WORDS), "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
    bert = BertConfig(**size, num_attention_heads=2, max_position_embeddings=CONTEXT, num_labels=3)
    gpt = GPT2Config(vocab_size=4 + len(WORDS), n_positions=CONTEXT, n_embd=16, n_layer=2, n_head=2)
    bert.label2id = {"no": 0, "yes": 1, "maybe": 2}
    made: dict[str, tuple[Any, Any, Any]] = {
        "encoder": (BertModel, bert, None),
        "classifier": (BertForSequenceClassification, bert, CrossEntropy()),
        "masked": (BertForMaskedLM, bert, MaskedToken()),
        "causal": (GPT2LMHeadModel, gpt, NextToken()),
    }
    network, config, loss = made[kind]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = network(config).to(dtype).eval()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
    return Subject(module, loss=loss, context=context, tokenizer=tokenizer(framed=kind != "causal"), name=kind)
