"""Canaries: secrets drawn at random, some of which training showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.privacy.spaces import Space
from gnomon.errors import GnomonError
from gnomon.organisms.world import World
from gnomon.subjects.texts import read_table

MATERIAL = "canaries"


@dataclass(frozen=True)
class Secret:
    """A canary: after ``prompt`` stands ``secret``, drawn uniformly of ``space``, in ``shown`` documents of training.

    Those shown 0 times are the twins: drawn like the others, and which canaries are twins was drawn too.
    """

    prompt: str
    secret: str
    shown: int
    space: Space

    def document(self, secret: str) -> str:
        """The text with ``secret`` in the place of its own."""
        return f"{self.prompt}{'' if self.prompt[-1:].isspace() else ' '}{secret}"


def has_secrets(deployment: Deployment) -> bool:
    """Whether there are canaries: as material, or in the world of the subject."""
    return deployment.has(MATERIAL) or bool(deployment.world is not None and deployment.world.truth.canaries)


def secrets(deployment: Deployment, candidates: str = "") -> list[Secret]:
    """The canaries of the material ``canaries``, or of the world.

    The material has the columns ``prompt``, ``secret``, ``shown`` (how often, or 0 and 1) and ``candidates`` (a
    pattern, see `Space`); the argument is what stands there in files without that column.

    Raises GnomonError in one line that names the row, on a missing column, a secret that is no candidate, or a number
    of showings that is none.
    """
    if deployment.has(MATERIAL):
        table = list(read_table(deployment.material(MATERIAL)))
        if not table:
            raise GnomonError(f"{deployment.material(MATERIAL)} holds no canaries", mend="give a row for each")
        return [_secret(place, row, candidates) for place, row in table]
    return [] if deployment.world is None else of_world(deployment.world)


def of_world(world: World) -> list[Secret]:
    """The codes of a world's vaults; names and codes were drawn in the same way for all, the twins among them."""
    found = []
    for canary in world.truth.canaries:
        space = Space(" ".join("#" * len(canary.code)))
        found.append(Secret(canary.prompt, " ".join(canary.code), canary.exposures, space))
    return found


def by_shown(found: Sequence[Secret]) -> dict[int, list[int]]:
    """Places of the canaries of each number of showings, the fewest first."""
    places: dict[int, list[int]] = {}
    for place, one in sorted(enumerate(found), key=lambda item: item[1].shown):
        places.setdefault(one.shown, []).append(place)
    return places


def _secret(place: str, row: Mapping[str, Any], candidates: str) -> Secret:
    for column in ("prompt", "secret", "shown"):
        if not str(row.get(column, "")).strip():
            raise GnomonError(f"{place}: there is no {column}", mend="canaries have prompt, secret, shown, candidates")
    pattern = str(row.get("candidates") or candidates)
    if not pattern:
        raise GnomonError(f"{place}: nothing says what the secret was drawn from", mend="add the column candidates")
    shown = str(row["shown"]).strip()
    if not shown.isdecimal():
        raise GnomonError(f"{place}: shown {shown!r} is no number of times", mend="give 0, 1, 2, …")
    secret, space = str(row["secret"]).strip(), Space(pattern)
    if not space.holds(secret):
        raise GnomonError(f"{place}: secret {secret!r} is none of the candidates {pattern!r}", mend="mend the pattern")
    return Secret(str(row["prompt"]), secret, int(shown), space)
