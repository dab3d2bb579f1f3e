"""Which sites the features are measured at when none are named."""

from __future__ import annotations

from gnomon.subjects import Subject

_BRANCHES = (".attention", ".mlp")


def stream(subject: Subject) -> tuple[str, ...]:
    """The sites that carry the representation from layer to layer: not the branches, nor the output itself.

    A network that has only its output gets that.
    """
    found = tuple(s for s in subject.sites if s != "logits" and not s.endswith(_BRANCHES))
    return found or tuple(subject.sites)
