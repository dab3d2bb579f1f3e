"""Errors that a person is meant to read: one line that names the cause and the mend."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

_FEW = 3


class GnomonError(Exception):
    """Bad input. The command line prints it as one line and exits with code 2.

    Parameters
    ----------
    cause : what is wrong, naming the file, field or name.
    mend : what the reader can do about it.

    >>> str(GnomonError("no file 'x.csv'", mend="give the path of an existing file"))
    "no file 'x.csv'; give the path of an existing file"
    """

    exit_code = 2

    def __init__(self, cause: str, *, mend: str = "") -> None:
        super().__init__(" ".join(f"{cause}; {mend}".split()) if mend else " ".join(cause.split()))
        self.cause = cause
        self.mend = mend


class UnknownNameError(GnomonError):
    """A name that is not registered; the message lists the nearest ones.

    Parameters
    ----------
    kind, name, known : what is named, how, and what could be.
    described : what is said of names; where few are spoken of in the words of ``name``, these are listed too.

    >>> print(UnknownNameError("quantity", "twon", ["twonn_dimension", "loss"]))
    unknown quantity 'twon'; did you mean 'twonn_dimension'?
    >>> print(UnknownNameError("quantity", "error", ["top1", "terror"], described={"top1": "The error of ranks."}))
    unknown quantity 'error'; did you mean 'terror' or 'top1'?
    """

    def __init__(
        self, kind: str, name: str, known: Iterable[str], *, described: Mapping[str, str] | None = None
    ) -> None:
        names = sorted(set(known))
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or [k for k in names if name and name in k][:3]
        word = re.compile(rf"\b{re.escape(name.replace('_', ' '))}\b", re.IGNORECASE)
        told = [k for k, text in (described or {}).items() if name and word.search(text)]
        if len(told) <= _FEW:
            near = list(dict.fromkeys([*near[:1], *told, *near[1:]]))[:_FEW]
        if near:
            mend = f"did you mean {' or '.join(repr(n) for n in near)}?"
        else:
            shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
            mend = f"known: {shown or 'none'}"
        super().__init__(f"unknown {kind} {name!r}", mend=mend)


class InsufficientEvidenceError(GnomonError):
    """The question cannot be answered with the evidence at hand. Exit code 3."""

    exit_code = 3


class CorrelatedMeasurementsError(GnomonError):
    """Two measurements share a source of randomness and nobody said how they co-vary."""
