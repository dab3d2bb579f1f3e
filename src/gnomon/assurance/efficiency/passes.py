"""One sequence through a language model: the prompt at once, then token by token."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.subjects import Subject


def no_language_model(subject: Subject) -> str:
    """Why ``subject`` cannot be given tokens, in one phrase; empty when it can."""
    embeddings = getattr(subject.module, "get_input_embeddings", None)
    if embeddings is None or getattr(subject.module, "main_input_name", "input_ids") != "input_ids":
        return "it reads no tokens"
    return ""


def drawn_prompt(subject: Subject, length: int, rng: Rng) -> Tensor:
    """Ids of a sequence, ``(1, length)``, drawn evenly from all tokens: no count depends on which they are."""
    module: Any = subject.module
    known = int(module.get_input_embeddings().weight.shape[0])
    return torch.from_numpy(rng.numpy().integers(0, known, (1, length))).to(subject.device)


def prefill(subject: Subject, prompt: Tensor, *, keep: bool = False) -> Any:
    """The network's output for ``prompt``; with ``keep``, what is to be kept for later tokens is in it."""
    module: Any = subject.module
    settings = {"use_cache": True} if keep else {}
    return module(input_ids=prompt, attention_mask=torch.ones_like(prompt), **settings)


class Decoding:
    """Tokens after a prompt, each in a pass of its own. Raises GnomonError where nothing is kept between passes."""

    def __init__(self, subject: Subject, prompt: Tensor) -> None:
        module: Any = subject.module
        if not callable(getattr(module, "generate", None)) or not getattr(module, "can_generate", lambda: True)():
            raise GnomonError(f"{subject.name} writes no text", mend="give a causal language model")
        self._module, self._prompt = module, prompt
        self._kept = getattr(prefill(subject, prompt, keep=True), "past_key_values", None)
        if self._kept is None:
            raise GnomonError(f"{subject.name} keeps nothing of earlier tokens", mend="its decoding is its prefill")

    @property
    def kept_bytes(self) -> int:
        """Of all tensors that are kept after the prompt."""
        return sum(t.numel() * t.element_size() for t in _tensors(self._kept))

    def writing(self, tokens: int) -> Callable[[], None]:
        """What passes on ``tokens`` more after the prompt; it can be called once."""
        kept = copy.deepcopy(self._kept)
        length = self._prompt.shape[1]

        def write() -> None:
            held = kept
            for number in range(1, tokens + 1):
                seen = self._prompt.new_ones((1, length + number))
                settings = {"attention_mask": seen, "past_key_values": held, "use_cache": True}
                held = self._module(input_ids=self._prompt[:, -1:], **settings).past_key_values

        return write


def _tensors(kept: Any, depth: int = 0) -> Iterator[Tensor]:
    """Tensors in what transformers keeps: lists of layers, each with its own."""
    if isinstance(kept, Tensor):
        yield kept
    elif isinstance(kept, (list, tuple)):
        for part in kept:
            yield from _tensors(part, depth + 1)
    elif hasattr(kept, "__dict__") and depth < 4:
        for part in vars(kept).values():
            yield from _tensors(part, depth + 1)
