"""What is measured of an explanation."""

from __future__ import annotations

from gnomon.measurement import Quantity, catalogue

FAITHFULNESS = catalogue.add(
    Quantity(
        name="explanation_faithfulness",
        symbol=r"F",
        definition=r"F = 1 - \frac{\Delta[x \mapsto x - P (x - c)]}{\Delta}, \quad "
        r"\Delta = \mathbb{E}[y \mid +] - \mathbb{E}[y \mid -]",
        convention="y is what the network says of the concept (of an answer's words, or of its own contrast of "
        "log-probabilities), + and - are texts with and without it, P projects onto the explanation's subspace and c "
        "is the mean of the activations: the share of the network's contrast that goes with the subspace. The arm "
        "random has directions of the same number, across the explanation's, that remove as nearly as can be the same "
        "variance; its interval reaches from the least to the largest of k draws, between which another draw falls "
        "with probability (k - 1)/(k + 1).",
        source="DeYoung et al., arXiv:1911.03429 (comprehensiveness); Marks & Tegmark, arXiv:2310.06824 (directions)",
        dims=("explanation", "site", "arm"),
    )
)
COMPLETENESS = catalogue.add(
    Quantity(
        name="explanation_completeness",
        symbol=r"C",
        definition=r"C = \frac{\Delta[x \mapsto c + P (x - c)] - \Delta[x \mapsto c]}{\Delta - \Delta[x \mapsto c]}",
        convention="As explanation_faithfulness: the share of the contrast that the site carries (of which putting the "
        "mean in place of every activation there leaves nothing) that remains when the subspace alone is kept.",
        source="DeYoung et al., arXiv:1911.03429 (sufficiency); Chan et al., Causal Scrubbing (2022) (loss recovered)",
        dims=("explanation", "site"),
    )
)
STABILITY = catalogue.add(
    Quantity(
        name="explanation_stability",
        symbol=r"\cos\theta_r",
        definition=r"\cos\theta_r = \min_{u \in U, \|u\| = 1} \|P_V u\|",
        convention="The cosine of the largest principal angle between the explanation's subspace U and V: with over "
        "`examples`, the subspace that endless examples would give by the same method (the interval adds the angle "
        "between the explanation and what these examples give to the angle that they leave open); with over `seeds`, "
        "what other seeds of the method give, the least of them.",
        source="Davis & Kahan, SIAM J. Numer. Anal. 7 (1970) 1; Yu & Kumbier, PNAS 117 (2020) 3920, arXiv:1901.08152",
        dims=("explanation", "site", "over"),
        lowest=-1.0,
        highest=1.0,
    )
)
