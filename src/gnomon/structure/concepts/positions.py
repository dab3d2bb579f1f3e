"""Where in a text its vector is read: at its last token, over all of it, or over a span that is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.structure.concepts.concept import Concept
from gnomon.subjects.data import TokenData
from gnomon.subjects.subject import Subject
from gnomon.subjects.tokens import check_known, encode, fitted, frame

Position = Literal["last", "mean", "span"]
Cut = Literal["error", "truncate"]


def located(
    subject: Subject, concept: Concept, position: Position, *, overlong: Cut
) -> tuple[TokenData, NDArray[np.int64]]:
    """The texts of ``concept`` as the subject's tokens, and the interval of tokens that each is read over.

    Only a text's own tokens count: those that the tokenizer puts around every text (``[CLS]``, ``[SEP]``, a beginning
    or an end of text) do not, because what they carry is partly the same for all texts and partly their number.

    - ``last`` is the last of the text's own tokens;
    - ``mean`` is the mean over all of them;
    - ``span`` is the mean over those that hold any character of the span that the concept names.

    Parameters
    ----------
    overlong : what to do with a text longer than the context: ``error``, or ``truncate``, which keeps its beginning.

    Returns the data, and ``(n, 2)``: the first token of each interval and the one after its last.

    Raises
    ------
    GnomonError : naming the place of a text that is too long, has no token of its own, holds one that the network
        does not know, or whose span was cut off; when the concept names no spans; for spans, when the tokenizer does
        not tell where in a text its tokens stand (is not a fast one); UnknownNameError for an unknown position.
    """
    for option, value, known in (("position", position, get_args(Position)), ("overlong", overlong, get_args(Cut))):
        if value not in known:
            raise UnknownNameError(option, value, known)
    encoded = encode(subject, list(concept.texts))
    sequences = [fitted(ids, p, subject, overlong)[0] for ids, p in zip(encoded, concept.places, strict=True)]
    check_known(subject, sequences, concept.places)
    own = np.array([_own(subject, s, p) for s, p in zip(sequences, concept.places, strict=True)], dtype=np.int64)
    if position == "last":
        intervals = np.stack([own[:, 1] - 1, own[:, 1]], axis=1)
    elif position == "mean":
        intervals = own
    else:
        intervals = _spans(subject, concept, own)
    pad = getattr(subject.tokenizer, "pad_token_id", None)
    data = TokenData(
        [np.asarray(s, dtype=np.int64) for s in sequences],
        pad=0 if pad is None else int(pad),
        clusters=concept.clusters,
        description=f"{concept.name}: {len(concept)} texts at {position}",
    )
    return data, intervals


def _own(subject: Subject, sequence: list[int], place: str) -> tuple[int, int]:
    before, after = frame(subject, sequence)
    begin, end = len(before), len(sequence) - len(after)
    if begin >= end:
        raise GnomonError(f"{place} has no token of its own", mend="remove the text")
    return begin, end


def _spans(subject: Subject, concept: Concept, own: NDArray[np.int64]) -> NDArray[np.int64]:
    if concept.spans is None:
        raise GnomonError(f"concept {concept.name!r} names no spans", mend="give --span COLUMN, or another position")
    if not getattr(subject.tokenizer, "is_fast", False):
        raise GnomonError(
            f"the tokenizer of {subject.name} does not tell where its tokens stand in a text",
            mend="use a fast tokenizer (tokenizer.json), or position last or mean",
        )
    found = subject.tokenizer(
        list(concept.texts), padding=False, truncation=False, return_offsets_mapping=True, verbose=False
    )
    rows = zip(found["offset_mapping"], concept.spans, own, concept.places, strict=True)
    return np.array([_overlap(*row) for row in rows], dtype=np.int64)


def _overlap(offsets: Sequence[Any], span: NDArray[np.int64], own: NDArray[np.int64], place: str) -> tuple[int, int]:
    """The tokens that hold any character of ``span``."""
    begin, end = int(span[0]), int(span[1])
    inside = [
        t for t in range(int(own[0]), len(offsets)) if offsets[t][0] < end and max(begin, offsets[t][0]) < offsets[t][1]
    ]
    if not inside or inside[-1] >= own[1]:
        reason = "lies beyond the context" if inside else "holds no token"
        raise GnomonError(f"{place}: the span {begin}:{end} {reason}", mend="shorten the text, or mend the span")
    return inside[0], inside[-1] + 1
