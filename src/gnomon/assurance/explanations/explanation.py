"""An explanation: the claim that what a network says of a concept goes through some directions at a site."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch

from gnomon.control.controller import Controller, Step
from gnomon.control.edits import ProjectOut, latent_direction
from gnomon.control.positions import Positions
from gnomon.errors import GnomonError
from gnomon.structure.artefact import kind_of
from gnomon.structure.concepts.positions import Position
from gnomon.structure.dictionaries import load_dictionary
from gnomon.structure.dictionaries.dictionary import Dictionary
from gnomon.structure.directions.method import Method, method
from gnomon.structure.directions.result import KIND as DIRECTIONS
from gnomon.structure.directions.result import Directions
from gnomon.structure.subspace import Subspace
from gnomon.subjects import Subject


@dataclass(frozen=True, kw_only=True, eq=False)
class Explanation:
    """Directions at a site that are said to carry a concept.

    Parameters
    ----------
    name : for reports.
    concept : what they are said to carry.
    site : where.
    subspace : what they span.
    position : where in each text the examples are read that they are compared with.
    positions : at which positions the subspace is taken out, or kept alone.
    method : finds them anew in other examples; ``None`` for latents.
    latents, dictionary : the latents, and the dictionary that they are of, for an explanation by latents.
    """

    name: str
    concept: str
    site: str
    subspace: Subspace
    position: Position = "last"
    positions: Positions = "all"
    method: Method | None = None
    latents: tuple[int, ...] = ()
    dictionary: Dictionary | None = None

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        method_name: str = "",
        site: str = "",
        latents: Sequence[int] = (),
        positions: Positions = "all",
    ) -> Self:
        """From what ``gnomon directions --out`` or ``gnomon dictionary --out`` wrote.

        Parameters
        ----------
        method_name, site : of directions; by default the first method, at the site that was chosen for it.
        latents : of a dictionary, whose directions are spanned.

        Raises GnomonError when the directory holds neither, the method found nothing there, or no latent is given.
        """
        kind = kind_of(path)
        if kind == DIRECTIONS:
            return cls.of_directions(Directions.load(path), method_name, site, positions=positions)
        dictionary, document = load_dictionary(path)
        place = site or str(document.get("target_site") or document.get("site") or "")
        return cls.of_latents(dictionary, latents, site=place, positions=positions)

    @classmethod
    def of_directions(
        cls, found: Directions, method_name: str = "", site: str = "", *, positions: Positions = "all"
    ) -> Self:
        """Directions found by a method, of its default settings where it is fitted anew."""
        name = method_name or next(iter(found.methods), "")
        one = found.at(name, site or None)
        concept = str(found.about.get("concept", "concept"))
        return cls(
            name=f"{concept} by {name} at {one.site}",
            concept=concept,
            site=one.site,
            subspace=one.subspace,
            position=found.about.get("position", "last"),
            positions=positions,
            method=method(name)(),
        )

    @classmethod
    def of_latents(
        cls,
        dictionary: Dictionary,
        latents: Sequence[int],
        *,
        site: str,
        concept: str = "concept",
        position: Position = "last",
        positions: Positions = "all",
    ) -> Self:
        """The directions of latents of a dictionary at ``site``. Raises GnomonError when no latent or site is given."""
        if not latents or not site:
            raise GnomonError("no latent or no site is given", mend="name the latents, and the site of the dictionary")
        directions = torch.stack([latent_direction(dictionary, one) for one in latents], dim=1)
        return cls(
            name=f"latents {', '.join(map(str, latents))} at {site}",
            concept=concept,
            site=site,
            subspace=Subspace.span(directions, torch.ones(len(latents))),
            position=position,
            positions=positions,
            latents=tuple(latents),
            dictionary=dictionary,
        )

    def without(self, centre: torch.Tensor, subspace: Subspace | None = None) -> Controller:
        """Takes the explanation's subspace, or another, out of the activations at its site, about ``centre``."""
        step = Step(self.site, ProjectOut(self.subspace if subspace is None else subspace, centre), self.positions)
        return Controller(f"without {self.name}", (step,))

    def check(self, subject: Subject) -> None:
        """Raise an error when ``subject`` has no such site."""
        subject.site(self.site)
