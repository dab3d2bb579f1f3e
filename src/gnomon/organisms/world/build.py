"""Building a world's network, and opening it again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from gnomon.errors import GnomonError
from gnomon.organisms import world as package
from gnomon.organisms.language_models import cache
from gnomon.organisms.language_models.llama import llama
from gnomon.organisms.language_models.packing import Packed, pack
from gnomon.organisms.language_models.tokenizer import BOS, EOS, PAD, word_level
from gnomon.organisms.language_models.training import Progress, Schedule, train
from gnomon.organisms.world import corpus
from gnomon.organisms.world.files import write_texts
from gnomon.organisms.world.recipe import World
from gnomon.randomness import Rng
from gnomon.subjects import Subject, load
from gnomon.subjects.saving import save

FILE = "world.json"


def build(
    world: World, *, cache_folder: str | os.PathLike[str] | None = None, progress: Progress | None = None
) -> Path:
    """The folder of the network of ``world``: from the cache, or trained and put there.

    It holds a Hugging Face model with its tokenizer, ``world.json`` with the recipe, and texts of the world (see
    `gnomon.organisms.world.files`). On one machine the same recipe gives the same weights to the bit.

    Parameters
    ----------
    cache_folder : where built organisms are kept; by default ``$GNOMON_CACHE`` or ``~/.cache/gnomon``.
    progress : called as ``progress(step, steps)`` while it trains.

    Raises
    ------
    GnomonError : when the cache cannot be written, or training diverges.

    Cost: 6 floating-point operations for each token and weight, the embedding's left off, as ``world.json`` states
    them: 4e12 for ``tiny``, some two minutes of one core; 5e13 for ``small`` and 4e14 for ``base``.
    """
    root = None if cache_folder is None else Path(cache_folder)
    name = cache.key("world", world.model_dump(mode="json"), package)
    return cache.kept(name, lambda place: _grow(world, place, progress), root=root)


def load_world(path: str | os.PathLike[str], *, device: str = "cpu") -> tuple[Subject, World]:
    """The network in ``path`` as a subject, and the world that it was taught.

    Raises GnomonError when the folder holds no built world.
    """
    world = read_world(path)
    return load(path, name=Path(path).name, device=device), world


def read_world(path: str | os.PathLike[str]) -> World:
    """The recipe in ``path``, without the network. Raises GnomonError when there is none."""
    file = Path(path) / FILE
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        return World.model_validate(document["recipe"])
    except (FileNotFoundError, NotADirectoryError):
        raise GnomonError(
            f"{str(path)!r} holds no world", mend="give a folder that `gnomon organism build` made"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise GnomonError(f"{file} is damaged: {error}", mend="build the world anew") from error


def packed(world: World) -> Packed:
    """All of the training text as the network reads it."""
    ids = _tokenizer(world).get_vocab()
    encoded = [[BOS, *(ids[word] for word in text.split()), EOS] for text in corpus.documents(world)]
    return pack(encoded, world.context, PAD)


def _tokenizer(world: World) -> Any:
    return word_level(corpus.vocabulary(world))


def _grow(world: World, place: Path, progress: Progress | None) -> None:
    tokenizer = _tokenizer(world)
    text = packed(world)
    model = llama(
        vocabulary=len(tokenizer),
        width=world.width,
        layers=world.layers,
        heads=world.heads,
        context=world.context,
        rng=Rng(world.seed).child("weights"),
    )
    schedule = Schedule(
        rows=world.rows, learning_rate=world.learning_rate, weight_decay=world.weight_decay, warmup=world.warmup
    )
    loss = train(model, text, schedule, progress=progress)
    save(model, tokenizer, place)
    write_texts(world, place)
    document = {
        "recipe": world.model_dump(mode="json"),
        "training": {
            "tokens": int((text.document > 0).sum()),
            "steps": -(-len(text.tokens) // world.rows),
            "parameters": sum(p.numel() for p in model.parameters()),
            "flops": 6.0 * int((text.document > 0).sum()) * (world.parameters + len(tokenizer) * world.width),
            "last_loss": loss,
        },
    }
    (place / FILE).write_text(json.dumps(document, indent=2), encoding="utf-8")
