"""Networks and batches that several tests share."""

from __future__ import annotations

import pytest
import torch
from tiny_networks import IMAGES, network

from gnomon.subjects import Batch, Subject


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def padded_batch() -> Batch:
    """Three texts of 11, 8 and 5 tokens."""
    generator = torch.Generator().manual_seed(7)
    ids = torch.randint(3, 64, (3, 11), generator=generator)
    mask = torch.ones(3, 11, dtype=torch.bool)
    mask[1, 8:] = mask[2, 5:] = False
    ids[~mask] = 0
    kwargs = {"input_ids": ids, "attention_mask": mask.long()}
    return Batch(args=(), kwargs=kwargs, examples=torch.arange(3), mask=mask)


def image_batch() -> Batch:
    """Three images."""
    pixels = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(7))
    return Batch(args=(pixels,), examples=torch.arange(3))


@pytest.fixture(scope="session")
def subject_of():
    """The subject around a tiny network, made once."""
    made: dict[str, Subject] = {}

    def get(name: str) -> Subject:
        if name not in made:
            made[name] = Subject(network(name), name=name)
        return made[name]

    return get


@pytest.fixture(scope="session")
def batch_of():
    return lambda name: image_batch() if name in IMAGES else padded_batch()
