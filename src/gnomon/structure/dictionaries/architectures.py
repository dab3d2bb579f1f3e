"""The kinds of dictionaries, made and kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.randomness import Rng
from gnomon.structure.artefact import Artefact
from gnomon.structure.dictionaries.batch_top_k import BatchTopK, BatchTopKSpec
from gnomon.structure.dictionaries.dictionary import Architecture, Dictionary
from gnomon.structure.dictionaries.jump_relu import JumpReLU, JumpReLUSpec
from gnomon.structure.dictionaries.matryoshka import Matryoshka, MatryoshkaSpec
from gnomon.structure.dictionaries.relu import ReLU, ReLUSpec
from gnomon.structure.dictionaries.top_k import TopK, TopKSpec

ARTEFACT = "dictionary"
KINDS: Mapping[str, tuple[type[Architecture], Any]] = {
    "relu": (ReLUSpec, ReLU),
    "top_k": (TopKSpec, TopK),
    "batch_top_k": (BatchTopKSpec, BatchTopK),
    "jump_relu": (JumpReLUSpec, JumpReLU),
    "matryoshka": (MatryoshkaSpec, Matryoshka),
}


def architecture(kind: str, **options: Any) -> Architecture:
    """The architecture of that kind. Raises UnknownNameError for an unknown kind, GnomonError for bad options.

    >>> architecture("top_k", latents=64, k=4).latents
    64
    """
    if kind not in KINDS:
        raise UnknownNameError("kind of dictionary", kind, KINDS)
    return KINDS[kind][0].model_validate({"kind": kind, **options})


def build(spec: Architecture, inputs: int, targets: int | None, rng: Rng) -> Dictionary:
    """A fresh dictionary on vectors of width ``inputs``; for a transcoder, to vectors of width ``targets``."""
    made: Dictionary = KINDS[spec.kind][1](spec, inputs, targets, rng)
    return made


def save_dictionary(
    dictionary: Dictionary, path: str | os.PathLike[str], document: Mapping[str, Any] | None = None
) -> Path:
    """Write it to the directory ``path``, with ``document`` (provenance, site, …) beside its architecture."""
    body = {
        **(document or {}),
        "architecture": dictionary.architecture.model_dump(mode="json"),
        "transcodes": dictionary.transcodes,
    }
    return Artefact(ARTEFACT, body, dictionary.state_dict()).save(path)


def load_dictionary(path: str | os.PathLike[str]) -> tuple[Dictionary, dict[str, Any]]:
    """What `save_dictionary` wrote, in evaluation mode, and its document. Raises GnomonError when it is none."""
    found = Artefact.load(path, ARTEFACT)
    dictionary = restored(found.document, found.tensors, str(path))
    return dictionary.eval(), dict(found.document)


def restored(document: Mapping[str, Any], tensors: Mapping[str, Any], where: str) -> Dictionary:
    """The dictionary that these describe. Raises GnomonError, naming ``where``, when they do not belong together."""
    try:
        spec = architecture(**document["architecture"])
        targets = len(tensors["decoder_bias"]) if document["transcodes"] else None
        dictionary = build(spec, tensors["encoder"].shape[1], targets, Rng(0))
        dictionary.to(tensors["encoder"].dtype).load_state_dict(dict(tensors))
    except (KeyError, TypeError, RuntimeError) as error:
        raise GnomonError(
            f"{where} is no whole dictionary: {str(error).splitlines()[0]}", mend="write it anew"
        ) from error
    return dictionary
