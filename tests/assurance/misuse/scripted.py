"""A language model whose every next word is written down, and a monitor that knows what it looks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import nn
from transformers import PreTrainedTokenizerFast

from gnomon.subjects import NextToken, Subject

Script = Callable[[tuple[str, ...]], Mapping[str, float]]
SPECIAL = ("<pad>", "<bos>", "<eos>", "<unk>")
END = "<eos>"


class Scripted(nn.Module):
    """``script`` gives the probabilities of the next word after the words so far; the others share what is left."""

    def __init__(self, vocabulary: Sequence[str], script: Script) -> None:
        super().__init__()
        self.body = nn.Linear(1, 1)
        self.vocabulary = list(vocabulary)
        self.script = script

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        del attention_mask
        rows = [[self._logits(row[: t + 1]) for t in range(len(row))] for row in input_ids.tolist()]
        return torch.tensor(rows)

    def generate(
        self, *, input_ids: torch.Tensor, max_new_tokens: int, do_sample: bool = False, **_: object
    ) -> torch.Tensor:
        rows = input_ids.tolist()
        for _step in range(max_new_tokens):
            for row in rows:
                p = torch.tensor(self._logits(row)).softmax(dim=0)
                row.append(int(torch.multinomial(p, 1)) if do_sample else int(p.argmax()))
        return torch.tensor(rows)

    def _logits(self, ids: Sequence[int]) -> list[float]:
        said = tuple(self.vocabulary[i] for i in ids if self.vocabulary[i] not in ("<pad>", "<bos>"))
        given = {END: 1.0} if END in said else self.script(said)
        left = max(1 - sum(given.values()), 0.0) / len(self.vocabulary) + 1e-6
        return [float(np.log(given.get(word, 0.0) + left)) for word in self.vocabulary]


def scripted(words: Sequence[str], script: Script, *, context: int = 64) -> Subject:
    """A subject that writes what ``script`` says."""
    vocabulary = [*SPECIAL, *dict.fromkeys(words)]
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", bos_token="<bos>", eos_token=END, unk_token="<unk>"
    )
    return Subject(Scripted(vocabulary, script).eval(), tokenizer=tokenizer, loss=NextToken(), context=context)


def continuing(replies: Callable[[str], str]) -> Script:
    """The script of a model that surely gives the reply to each prompt, which ends with a colon, and then ends."""

    def script(said: tuple[str, ...]) -> Mapping[str, float]:
        if ":" not in said:
            return {}
        last = len(said) - said[::-1].index(":")
        reply = replies(" ".join(said[:last])).split()
        written = said[last:]
        if list(written) != reply[: len(written)]:
            return {}
        return {reply[len(written)] if len(written) < len(reply) else END: 0.98}

    return script


class Watching:
    """A monitor that raises an alarm on texts in which a word stands."""

    def __init__(self, word: str) -> None:
        self.word = word

    def alarms(self, subject: Subject, texts: Sequence[str]) -> np.ndarray:
        del subject
        return np.array([self.word in text.split() for text in texts], dtype=np.bool_)
