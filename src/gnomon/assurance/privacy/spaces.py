"""The secrets that could have been: a pattern, and every text that it stands for."""

from __future__ import annotations

import itertools
import math
import re
import string
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError

_PART = re.compile(r"\[([^\]]*)\]|(.)", re.DOTALL)
_CLASSES = {"#": string.digits, "@": string.ascii_lowercase}


@dataclass(frozen=True)
class Space:
    """The candidates of a secret, of which it was drawn uniformly.

    In ``pattern`` a ``#`` is any digit, ``@`` any letter from a to z, ``[red|green]`` any of these; all else stands for
    itself.

    Raises GnomonError when a pattern stands for fewer than two texts.

    >>> Space("[red|green] #").size, Space("# #").text(41)
    (20, '4 1')
    """

    pattern: str

    def __post_init__(self) -> None:
        if self.size < 2:
            raise GnomonError(
                f"candidates {self.pattern!r} are no choice", mend="write # for any digit, or [red|green] for any word"
            )

    @property
    def parts(self) -> tuple[tuple[str, ...], ...]:
        """What may stand in each place."""
        found: list[tuple[str, ...]] = []
        for match in _PART.finditer(self.pattern):
            listed, one = match.group(1), match.group(2)
            if listed is not None:
                found.append(tuple(dict.fromkeys(listed.split("|"))))
            else:
                found.append(tuple(_CLASSES.get(one, one)))
        return tuple(found)

    @property
    def size(self) -> int:
        """How many texts it stands for."""
        return math.prod(map(len, self.parts))

    def text(self, number: int) -> str:
        """The candidate of that number; the last place changes fastest."""
        words = []
        for part in reversed(self.parts):
            number, place = divmod(number, len(part))
            words.append(part[place])
        return "".join(reversed(words))

    def texts(self) -> list[str]:
        """All candidates by number."""
        return ["".join(words) for words in itertools.product(*self.parts)]

    def holds(self, secret: str) -> bool:
        """Whether ``secret`` is a candidate."""
        alternatives = ("|".join(map(re.escape, sorted(part, key=len, reverse=True))) for part in self.parts)
        return re.fullmatch("".join(f"(?:{part})" for part in alternatives), secret) is not None

    def drawn(self, count: int, without: str, generator: np.random.Generator) -> list[str]:
        """``count`` different candidates other than ``without``, uniformly; all of them where there are no more."""
        if self.size <= count + 1:
            return [text for text in self.texts() if text != without]
        found: dict[str, None] = {}
        while len(found) < count:
            for number in self._numbers(count, generator):
                text = self.text(int(number))
                if text != without and len(found) < count:
                    found[text] = None
        return list(found)

    def _numbers(self, count: int, generator: np.random.Generator) -> list[int] | NDArray[np.int64]:
        if self.size < 2**63:
            return generator.integers(self.size, size=count)
        # beyond 64 bits a number is drawn place by place
        places = [generator.integers(len(part), size=count) for part in self.parts]
        numbers = [0] * count
        for part, drawn in zip(self.parts, places, strict=True):
            numbers = [number * len(part) + int(place) for number, place in zip(numbers, drawn, strict=True)]
        return numbers
