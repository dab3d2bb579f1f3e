"""Texts as token sequences: encoding, what to do with overlong ones, and what a loss has nothing to predict in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.subjects.data import Masking, TokenData
from gnomon.subjects.losses import CrossEntropy, MaskedToken, NextToken
from gnomon.subjects.subject import Subject
from gnomon.subjects.texts import Text

Overlong = Literal["error", "truncate", "split"]


def token_data(
    texts: Sequence[Text],
    subject: Subject,
    *,
    overlong: Overlong,
    masking_rate: float,
    seed: int,
    name: str,
) -> TokenData:
    """``texts`` encoded by the subject's tokenizer with its default special tokens.

    Raises
    ------
    GnomonError : without a tokenizer; naming the place of a text that is longer than the context (``overlong`` is
        ``error``), holds a token that the network does not know, or has a label that is no class; and when nothing
        is predicted in any of them.
    """
    encoded = encode(subject, [t.text for t in texts])
    windows: list[list[int]] = []
    origin: list[int] = []
    cut = 0
    for number, (text, ids) in enumerate(zip(texts, encoded, strict=True)):
        pieces = fitted(ids, text.place, subject, overlong)
        cut += pieces != [ids]
        windows += pieces
        origin += [number] * len(pieces)
    return sequence_data(
        windows,
        subject,
        places=[texts[i].place for i in origin],
        labels=[texts[i].label for i in origin],
        clusters=_ids([number if texts[number].cluster is None else texts[number].cluster for number in origin]),
        masking_rate=masking_rate,
        seed=seed,
        description=_described(name, len(texts), len(windows), cut, overlong),
    )


def sequence_data(
    sequences: Sequence[Sequence[int]],
    subject: Subject,
    *,
    places: Sequence[str],
    labels: Sequence[Any],
    clusters: NDArray[np.int64],
    masking_rate: float,
    seed: int,
    description: str,
) -> TokenData:
    """Token sequences for ``subject``; those in which its loss predicts nothing are left out and counted."""
    special = frozenset(getattr(subject.tokenizer, "all_special_ids", ()))
    kept = [i for i, s in enumerate(sequences) if _predicts(s, subject, special)]
    if not kept:
        raise GnomonError(f"{description}: nothing is predicted in any of them", mend="give longer texts")
    check_known(subject, sequences, places)
    if len(kept) < len(sequences):
        description += f", {len(sequences) - len(kept)} too short to predict anything left out"
    pad = getattr(subject.tokenizer, "pad_token_id", None)
    return TokenData(
        [np.asarray(sequences[i], dtype=np.int64) for i in kept],
        pad=0 if pad is None else int(pad),
        targets=_targets(subject, [labels[i] for i in kept], [places[i] for i in kept]),
        masking=_masking(subject, masking_rate, seed),
        special=special,
        clusters=clusters[kept],
        description=description,
    )


def encode(subject: Subject, texts: list[str]) -> list[list[int]]:
    """Token ids of each text, with the tokenizer's default special tokens. Raises GnomonError without a tokenizer."""
    tokenizer = subject.tokenizer
    if tokenizer is None:
        raise GnomonError(f"{subject.name} has no tokenizer and cannot read texts", mend="give arrays (.npy, .npz)")
    if not texts:
        return []  # which some tokenizers fail at
    if hasattr(tokenizer, "all_special_ids"):
        found = tokenizer(texts, padding=False, truncation=False, return_attention_mask=False, verbose=False)
        return [list(ids) for ids in found["input_ids"]]
    return [[int(i) for i in tokenizer(text)] for text in texts]


def fitted(ids: list[int], place: str, subject: Subject, overlong: Overlong) -> list[list[int]]:
    """``ids``, or what is made of them to fit into the context: special tokens stand around every piece.

    Raises GnomonError that names ``place`` when they do not fit and ``overlong`` is ``error``.
    """
    context = subject.context
    if context is None or len(ids) <= context:
        return [ids]
    if overlong == "error":
        raise GnomonError(
            f"{place} has {len(ids)} tokens, the context of {subject.name} is {context}",
            mend="shorten it, or choose --overlong truncate or split",
        )
    before, after = frame(subject, ids)
    body = ids[len(before) : len(ids) - len(after)]
    room = context - len(before) - len(after)
    pieces = [body[i : i + room] for i in range(0, len(body), room)]
    return [before + piece + after for piece in (pieces if overlong == "split" else pieces[:1])]


def frame(subject: Subject, ids: list[int]) -> tuple[list[int], list[int]]:
    """The special tokens that the tokenizer puts before and after a text."""
    empty = encode(subject, [""])[0]
    same = next((i for i, (a, b) in enumerate(zip(empty, ids, strict=False)) if a != b), len(empty))
    before, after = empty[:same], empty[same:]
    return before, after if after and ids[-len(after) :] == after else []


def _predicts(sequence: Sequence[int], subject: Subject, special: frozenset[int]) -> bool:
    if isinstance(subject.loss, NextToken):
        return len(sequence) > 1
    if isinstance(subject.loss, MaskedToken):
        return any(token not in special for token in sequence)
    return len(sequence) > 0


def check_known(subject: Subject, sequences: Sequence[Sequence[int]], places: Sequence[str]) -> None:
    """Raises GnomonError that names the first place with a token that the network does not know."""
    embeddings = getattr(subject.module, "get_input_embeddings", lambda: None)()
    if embeddings is None:
        return
    rows = embeddings.weight.shape[0]
    for sequence, place in zip(sequences, places, strict=True):
        if len(sequence) and not 0 <= min(sequence) <= max(sequence) < rows:
            raise GnomonError(
                f"{place} holds token {max(sequence)}, {subject.name} knows {rows}",
                mend="use the tokenizer that it was trained with",
            )


def _masking(subject: Subject, rate: float, seed: int) -> Masking | None:
    if not isinstance(subject.loss, MaskedToken):
        return None
    token = getattr(subject.tokenizer, "mask_token_id", None)
    if token is None:
        raise GnomonError(f"the tokenizer of {subject.name} has no mask token", mend="add one to its configuration")
    if not 0 < rate <= 1:
        raise GnomonError(f"masking rate {rate} is not between 0 and 1", mend="0.15 is usual")
    return Masking(int(token), rate, seed)


def _targets(subject: Subject, labels: Sequence[Any], places: Sequence[str]) -> NDArray[np.generic] | None:
    """Class indices from numbers or class names; numbers as they are for a regression."""
    if all(label is None for label in labels):
        return None
    if subject.loss is not None and not subject.loss.categorical:
        return np.array([_number(v, p) for v, p in zip(labels, places, strict=True)], dtype=np.float32)
    names: dict[Any, int] = getattr(getattr(subject.module, "config", None), "label2id", None) or {}
    classes = subject.widths.get("logits") if isinstance(subject.loss, CrossEntropy) else None
    if classes is None and not all(_is_index(v) for v in labels):
        return _ids(labels)
    indices = []
    for value, place in zip(labels, places, strict=True):
        index = int(value) if _is_index(value) else names.get(value, -1)
        if index < 0 or (classes is not None and index >= classes):
            raise GnomonError(f"{place}: label {value!r} is no class of {subject.name}", mend=_known(names, classes))
        indices.append(index)
    return np.array(indices, dtype=np.int64)


def _known(names: dict[Any, int], classes: int | None) -> str:
    return f"it has {classes} classes: {', '.join(map(str, list(names)[:8]))}"


def _is_index(value: Any) -> bool:
    return (isinstance(value, (int, np.integer))) or (isinstance(value, str) and value.strip().isdecimal())


def _number(value: Any, place: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not np.isfinite(number):
        raise GnomonError(f"{place}: label {value!r} is no finite number", mend="the loss is a squared error")
    return number


def _ids(values: Sequence[Any]) -> NDArray[np.int64]:
    """A number for each distinct value, in order of first appearance."""
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(v, len(numbers)) for v in values], dtype=np.int64)


def _described(name: str, texts: int, windows: int, cut: int, overlong: Overlong) -> str:
    text = f"{name}: {texts} text{'s' if texts != 1 else ''}"
    if cut and overlong == "split":
        text += f" in {windows} windows"
    elif cut:
        text += f", {cut} cut to the context"
    return text
