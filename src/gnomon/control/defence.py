"""A subject behind its controls, as the one who asks meets it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gnomon.control.controller import Controller
from gnomon.control.monitors.monitor import Monitor
from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.subjects import Subject
from gnomon.subjects.generation import generate


@dataclass(frozen=True)
class Response:
    """What comes back.

    Parameters
    ----------
    text : what the one who asks sees; nothing where it was withheld.
    alarmed : whether it was withheld, by the monitor or by the filter.
    written : what the subject wrote.
    """

    text: str
    alarmed: bool
    written: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Defence:
    """A subject behind its controls. Any of them may be absent; with none it is the bare subject.

    Parameters
    ----------
    name : for tables.
    subject : what answers; for a control by fine-tuning, the tuned copy.
    controller : its edits are active in every pass, those of the monitor included.
    instruction : words put before every prompt.
    banned : ids of tokens that are never written.
    filter : which replies are withheld by their words alone.
    monitor : which are withheld by what the subject's activations say.
    reads : what the monitor reads: the prompt with the instruction before it, or that and the reply to it.

    Raises GnomonError for a monitor with a threshold for each group: of what group a request is, nobody says.
    """

    name: str
    subject: Subject
    controller: Controller | None = None
    instruction: str = ""
    banned: Sequence[int] = ()
    filter: Callable[[str], bool] | None = None
    monitor: Monitor | None = None
    reads: Literal["prompt", "exchange"] = "exchange"

    def __post_init__(self) -> None:
        if isinstance(self.monitor, Monitor) and self.monitor.guarantee.grouped:
            raise GnomonError(
                f"the monitor of defence {self.name!r} has a threshold for each group, and nobody says the group here",
                mend="fit it without groups",
            )

    @contextlib.contextmanager
    def on(self) -> Iterator[Subject]:
        """The subject with the controller's edits active."""
        with contextlib.nullcontext() if self.controller is None else self.controller.on(self.subject):
            yield self.subject

    def prompt(self, text: str) -> str:
        """``text`` as the subject is given it: after the instruction."""
        return f"{self.instruction} {text}" if self.instruction else text

    def respond(
        self, prompts: Sequence[str], tokens: int, *, temperature: float = 0.0, rng: Rng | None = None
    ) -> list[Response]:
        """What comes back for each prompt: the likeliest reply of at most ``tokens``, or nothing where it is withheld.

        With a ``temperature`` replies are drawn with ``rng``, see `generate`. Raises GnomonError as it does.

        Cost: `generate`, and with a monitor one more pass over what it reads.
        """
        given = [self.prompt(text) for text in prompts]
        with self.on() as subject:
            written = generate(subject, given, tokens=tokens, temperature=temperature, rng=rng, banned=self.banned)
            alarmed = self._alarmed(given, written)
        return [Response("" if a else w, bool(a), w) for w, a in zip(written, alarmed, strict=True)]

    def monitored(self, given: Sequence[str], written: Sequence[str]) -> list[str]:
        """The texts that the monitor reads, of prompts as the subject is given them and what it wrote.

        A monitor is calibrated on these, of prompts that are allowed, while the defence is `on`: then its false alarms
        are those of use.
        """
        if self.reads == "prompt":
            return list(given)
        return [f"{prompt} {reply}".rstrip() for prompt, reply in zip(given, written, strict=True)]

    def _alarmed(self, given: Sequence[str], written: Sequence[str]) -> NDArray[np.bool_]:
        found = np.zeros(len(given), dtype=np.bool_)
        if self.filter is not None:
            found |= np.array([self.filter(reply) for reply in written], dtype=np.bool_)
        if self.monitor is not None and len(given):
            found |= self.monitor.alarms(self.subject, self.monitored(given, written))
        return found
