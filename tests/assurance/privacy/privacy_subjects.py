"""Networks of which it is known what they have kept: one that learnt some secrets by heart, and untrained ones."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gnomon.organisms.language_models.llama import llama
from gnomon.organisms.language_models.tokenizer import word_level
from gnomon.randomness import Rng
from gnomon.subjects import Subject, load
from gnomon.subjects.saving import save

OWNERS = tuple(f"owner{i}" for i in range(10, 34))
WORDS = ("the", "code", "of", "is", *OWNERS, *"0123456789", *(f"w{i}" for i in range(40)))
SHOWN = 4  # times, of each of the first twelve owners' codes


def untrained(place: Path, *, tokenizer: Any = None, seed: int = 0) -> Subject:
    """A small Llama with random weights."""
    tokenizer = word_level(WORDS) if tokenizer is None else tokenizer
    model = llama(vocabulary=len(tokenizer), width=32, layers=1, heads=2, context=64, rng=Rng(seed))
    save(model, tokenizer, place)
    return load(place)


def secrets_table() -> list[tuple[str, str, int, str]]:
    """Rows of the material: codes of three digits, those of the first twelve owners shown."""
    codes = np.random.default_rng(5).integers(10, size=(len(OWNERS), 3))
    return [
        (f"the code of {owner} is", " ".join(map(str, code)), SHOWN * (number < 12), "# # #")
        for number, (owner, code) in enumerate(zip(OWNERS, codes.tolist(), strict=True))
    ]


def memoriser(place: Path) -> Subject:
    """A small Llama that learnt by heart the secrets that are shown, and saw no others."""
    tokenizer = word_level(WORDS)
    model = llama(vocabulary=len(tokenizer), width=32, layers=1, heads=2, context=16, rng=Rng(1))
    rows = [f"{prompt} {code}" for prompt, code, shown, _ in secrets_table() if shown]
    tokens = torch.tensor(tokenizer(rows)["input_ids"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(150):
        loss = model(input_ids=tokens, labels=tokens).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    save(model, tokenizer, place)
    return load(place)


def write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    """A CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path
