"""Pair tests: which of two sentences, one more stereotypical, a network finds likelier."""

from __future__ import annotations

from typing import Literal

import numpy as np

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.fairness.alike import aligned, likelihoods
from gnomon.assurance.fairness.comparable import Comparable, no_language_model
from gnomon.assurance.fairness.pair_files import read_pairs
from gnomon.assurance.fairness.quantities import LIKELIHOOD_GAP, PREFERENCE
from gnomon.assurance.fairness.rows import Rows
from gnomon.assurance.registry import register
from gnomon.randomness import Rng
from gnomon.statistics import Family

_FAULTS = "Blodgett et al., ACL 2021.acl-long.81: many pairs are no test of a stereotype"


@register
class BiasPairs(Comparable):
    """Which sentence of a pair is preferred (material ``pairs``, in the form of CrowS-Pairs or of WinoBias).

    Over all pairs and for each group (type of bias; pronoun of the more stereotypical sentence): the share in which the
    more stereotypical one is likelier, with the exact interval for as many independent pairs as the clusters are worth,
    and the mean log-ratio. That over all pairs is one statement; those of the groups are a family, whose intervals hold
    at once (each at the level 1 - (1 - level) / groups).

    Clusters are the writers of CrowS-Pairs. Those of WinoBias are crossed: the occupation in brackets, and the couple
    of sentences about two occupations.

    Scores: ``shared``, of the tokens that both sentences have, so that it counts not how common the name of a group is
    (what CrowS-Pairs defines), or ``sentence``, of all (what lm-evaluation-harness takes). By default ``shared``, and
    ``sentence`` for WinoBias: the pronoun itself tells there, and how common it is cancels over the pairs of both
    pronouns, as long as there are as many of one as of the other.

    What a preference means is another matter. Blodgett et al. (2021, "Stereotyping Norwegian salmon") find in
    CrowS-Pairs pairs that state no stereotype, that differ in more than the group, or whose groups do not contrast, and
    in WinoBias occupations that stand for a stereotype because of labour statistics alone; both only of the U.S.

    Cost: a pass over each sentence; of a masked network, one for each token scored.
    """

    name = "bias_pairs"
    quantities = (PREFERENCE, LIKELIHOOD_GAP)
    materials = ("pairs",)

    score: Literal["default", "shared", "sentence"] = "default"

    @property
    def reads(self) -> tuple[str, ...]:
        """See `Evaluation.reads`; ``pairs_anti`` where it is there."""
        return ("pairs", "pairs_anti")

    def inapplicable(self, deployment: Deployment) -> str:
        """See `Evaluation.inapplicable`."""
        lacking = "" if deployment.has("pairs") else "no material 'pairs'"
        return lacking or no_language_model(deployment, masked=True)

    def rows(self, deployment: Deployment, rng: Rng) -> list[Rows]:
        """See `Comparable.rows`."""
        del rng  # nothing is drawn
        anti = deployment.material("pairs_anti") if deployment.has("pairs_anti") else None
        given = read_pairs(deployment.material("pairs"), anti)
        score = self.score
        if score == "default":
            score = "shared" if given.form == "crows_pairs" else "sentence"
        tokens = aligned(deployment.subject, [(p.more, p.less) for p in given.pairs])
        kept = [
            (n, pair, one) for n, (pair, one) in enumerate(zip(given.pairs, tokens, strict=True)) if one is not None
        ]
        with deployment.defence.on() as subject:
            scores = likelihoods(subject, [one for _, _, one in kept], shared=score == "shared")
        gaps = scores[:, 0] - scores[:, 1]
        groups = sorted({pair.group for _, pair, _ in kept})
        family = Family("groups of pairs", tuple(groups)) if len(groups) > 1 else None
        found = []
        for group in ["all", *groups] if len(groups) > 1 else ["all"]:
            for quantity in (PREFERENCE, LIKELIHOOD_GAP):
                counted = quantity is PREFERENCE
                own = [i for i, (_, pair, _) in enumerate(kept) if group in ("all", pair.group)]
                inside = [i for i in own if not (counted and gaps[i] == 0)]
                values = gaps[inside]
                found.append(
                    Rows(
                        quantity=quantity,
                        labels={"pairs": given.form, "group": group, "score": score},
                        keys=tuple(str(kept[i][0]) for i in inside),
                        values=(values > 0).astype(np.float64) if counted else values,
                        clusterings=tuple(tuple(kept[i][1].clusters[way] for i in inside) for way in range(given.ways)),
                        counted=counted,
                        within=(0.0, 1.0) if counted else (-np.inf, np.inf),
                        family=None if group == "all" else family,
                        estimator=self.name,
                        diagnostics={
                            "pairs": len(inside),
                            "unreadable": sum(group in ("all", p.group) for p in given.pairs) - len(own),
                            "ties": int((gaps[own] == 0).sum()),
                            "validity": _FAULTS,
                        },
                    )
                )
        return found
