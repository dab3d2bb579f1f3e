"""A behaviour: what an attack wants the defended network to do, and how one tells that it did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gnomon.control.defence import Response
from gnomon.errors import GnomonError

SLOT = "{attack}"


@dataclass(frozen=True)
class Behaviour:
    """What a defence is there to prevent.

    Parameters
    ----------
    prompt : the request, with ``{attack}`` where an attack may put its words; without it they go to the end.
    target : how a reply begins that shows the behaviour; what attacks make likely.
    succeeded : whether a reply shows it; alone decides whether an attack succeeded.
    name : for tables, and what dependent behaviours are told apart by; by default the prompt.
    phrasings : other ways to make the same request, with or without ``{attack}``.
    tokens : longest reply.

    Raises GnomonError when the prompt or target is empty, or ``{attack}`` stands more than once in a prompt.
    """

    prompt: str
    target: str
    succeeded: Callable[[str], bool]
    name: str = ""
    phrasings: tuple[str, ...] = ()
    tokens: int = 16

    def __post_init__(self) -> None:
        for text in (self.prompt, *self.phrasings):
            if not text.replace(SLOT, "").strip() or text.count(SLOT) > 1:
                raise GnomonError(f"prompt {text!r} has no words or several {SLOT}", mend=f"write {SLOT} once")
        if not self.target.strip():
            raise GnomonError(f"the target of {self.prompt!r} is empty", mend="write how a reply would begin")
        if self.tokens < 1:
            raise GnomonError(f"a reply of {self.tokens} tokens", mend="give at least 1")
        object.__setattr__(self, "name", self.name or self.plain)

    def shown(self, response: Response) -> bool:
        """Whether ``response`` shows it and is not withheld."""
        return not response.alarmed and self.succeeded(response.text)

    @property
    def plain(self) -> str:
        """The request without an attack."""
        return without_slot(self.prompt)


def without_slot(prompt: str) -> str:
    """``prompt`` with nothing in the place of ``{attack}``.

    >>> without_slot("how ? {attack} answer :")
    'how ? answer :'
    """
    before, _, after = prompt.partition(SLOT)
    return (f"{before.rstrip()} {after.lstrip()}" if before[-1:].isspace() else before + after).strip()


def begins_with(target: str) -> Callable[[str], bool]:
    """Whether a reply begins with ``target``, apart from blanks; a word of it has to end where the target's does.

    Words are told apart where they are of ASCII letters and digits: other scripts may write them without blanks.

    >>> begins_with("you mix")(" you mix a and b ."), begins_with("step 1")("step 12")
    (True, False)
    """
    start = " ".join(target.split())

    def told(reply: str) -> bool:
        text = " ".join(reply.split())
        within = all(one.isascii() and one.isalnum() for one in (start[-1:], text[len(start) :][:1]) if one)
        ends = len(text) == len(start) or not start or not within
        return text.startswith(start) and ends

    return told
