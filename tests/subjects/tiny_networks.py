"""Small random networks of every kind that must work."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

VOCABULARY, WIDTH, CONTEXT, CLASSES = 64, 16, 32, 3
_COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": CONTEXT,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_GROUPED = {**_COMMON, "num_key_value_heads": 1, "head_dim": 8}
_GPT2 = {"vocab_size": VOCABULARY, "n_positions": CONTEXT, "n_embd": WIDTH, "n_layer": 2, "n_head": 2}
_OPT = {"vocab_size": VOCABULARY, "hidden_size": WIDTH, "ffn_dim": 24, "max_position_embeddings": CONTEXT}
_OPT |= {"num_hidden_layers": 2, "num_attention_heads": 2, "word_embed_proj_dim": WIDTH, "pad_token_id": 0}
_STATE = {"vocab_size": VOCABULARY, "hidden_size": WIDTH, "num_hidden_layers": 2}
_IMAGE = {k: _COMMON[k] for k in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")}
_IMAGE |= {"image_size": 8, "patch_size": 4, "num_channels": 3}

# name: (class of the model, class of its configuration, its settings)
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", _GPT2),
    "llama": ("LlamaForCausalLM", "LlamaConfig", _GROUPED),
    "neox": ("GPTNeoXForCausalLM", "GPTNeoXConfig", _COMMON),
    "opt": ("OPTForCausalLM", "OPTConfig", _OPT),
    "opt_post_norm": ("OPTForCausalLM", "OPTConfig", {**_OPT, "do_layer_norm_before": False, "word_embed_proj_dim": 8}),
    "gemma": ("GemmaForCausalLM", "GemmaConfig", _GROUPED),
    "gemma2": ("Gemma2ForCausalLM", "Gemma2Config", _GROUPED),
    "gemma3": ("Gemma3ForCausalLM", "Gemma3TextConfig", _GROUPED),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", {**_COMMON, "num_key_value_heads": 1}),
    "qwen3": ("Qwen3ForCausalLM", "Qwen3Config", _GROUPED),
    "mistral": ("MistralForCausalLM", "MistralConfig", _GROUPED),
    "mixtral": ("MixtralForCausalLM", "MixtralConfig", {**_GROUPED, "num_local_experts": 4}),
    "mamba": ("MambaForCausalLM", "MambaConfig", {**_STATE, "state_size": 4}),
    "rwkv": ("RwkvForCausalLM", "RwkvConfig", {**_STATE, "context_length": CONTEXT, "num_hidden_layers": 2}),
    "bert": ("BertForMaskedLM", "BertConfig", _COMMON),
    "bert_encoder": ("BertModel", "BertConfig", _COMMON),
    "bert_classifier": ("BertForSequenceClassification", "BertConfig", {**_COMMON, "num_labels": CLASSES}),
    "vit": ("ViTForImageClassification", "ViTConfig", {**_IMAGE, "num_labels": CLASSES}),
    "vit_encoder": ("ViTModel", "ViTConfig", _IMAGE),
}
NAMES = list(MODELS)
IMAGES = ("vit", "vit_encoder")


@functools.cache
def network(name: str) -> Any:
    """The model, made once a session and never changed; weights are large enough for every part to matter."""
    import transformers

    model_class, config_class, settings = MODELS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if name == "gpt2":
            settings = {**settings, "bos_token_id": 1, "eos_token_id": 2}
        model = getattr(transformers, model_class)(getattr(transformers, config_class)(**settings))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        return model.eval()


def reference_class(name: str) -> Any:
    """The transformers class of a model in the table."""
    return getattr(importlib.import_module("transformers"), MODELS[name][0])


class MLP(nn.Module):
    """A plain network whose sites are its leaf modules."""

    def __init__(self, activation: Callable[[Tensor], Tensor] = torch.tanh) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(5, 7), nn.Linear(7, 3)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.activation(self.first(x)))


class CNN(nn.Module):
    """Convolutions, normalisation and a linear read-out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm, self.act = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()
        self.conv2, self.head = nn.Conv2d(4, 6, 3, stride=2), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.conv2(self.act(self.norm(self.conv1(x)))))
        return self.head(hidden.mean(dim=(2, 3)))


class GRU(nn.Module):
    """A recurrent network: its layer returns a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.gru, self.head = nn.Embedding(11, 6), nn.GRU(6, 8, batch_first=True), nn.Linear(8, 11)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.gru(self.embedding(tokens))[0])


class Residual(nn.Module):
    """x + f(norm(x)), called by keyword."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(width), nn.MultiheadAttention(width, 2, batch_first=True)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, *, mask: Tensor | None = None, x: Tensor) -> Tensor:
        y = self.norm(x)
        x = x + self.attention(y, y, y, attn_mask=mask, need_weights=False)[0]
        return x + self.narrow(torch.relu(self.wide(x)))


class HomeMade(nn.Module):
    """A transformer of nobody's library."""

    def __init__(self, depth: int = 2) -> None:
        super().__init__()
        self.tokens = nn.Embedding(11, 8)
        self.blocks = nn.ModuleList(Residual(8) for _ in range(depth))
        self.unembed = nn.Linear(8, 11, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens)
        mask = torch.zeros(tokens.shape[1], tokens.shape[1])
        for block in self.blocks:
            x = block(mask=mask, x=x)
        return self.unembed(x)
