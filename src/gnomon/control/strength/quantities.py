"""What is measured of a controller along its strength."""

from __future__ import annotations

from gnomon.measurement import Quantity, Unit, catalogue

STEERED_READING = catalogue.add(
    Quantity(
        name="steered_reading",
        symbol=r"E(s)",
        definition=r"E(s) = \mathbb{E}_x[r(f_s, x)]",
        convention="The mean over prompts x of a reading r (a probability, a rate of continuations, a difference of "
        "shares) of the network f with its controller at strength s.",
        source="Turner et al., arXiv:2308.10248 (behaviour as a function of the strength of an added direction)",
        dims=("arm", "strength", "reading"),
    )
)
REMOVED_SHARE = catalogue.add(
    Quantity(
        name="removed_share",
        symbol=r"R(s)",
        definition=r"R(s) = 1 - E(s) / E(0)",
        convention="Paired over the same prompts; 1 where nothing is left of the reading, above 1 where its sign is "
        "turned round. Not told where the untouched reading cannot be told from 0.",
        source="Fieller, J. R. Stat. Soc. B 16 (1954) 175 (ratios of means)",
        dims=("arm", "strength", "reading"),
    )
)
RELATIVE_EXCESS_LOSS = catalogue.add(
    Quantity(
        name="relative_excess_loss",
        symbol=r"\rho(s)",
        definition=r"\rho(s) = L(f_s) / L(f_0) - 1",
        convention="L is the loss on neutral text, summed over its tokens; paired over the same texts.",
        source="Arditi et al., arXiv:2406.11717, section 4.3 (loss on neutral text as the side effect of an edit)",
        dims=("arm", "strength"),
        lowest=-1.0,
    )
)
STEERING_DIVERGENCE = catalogue.add(
    Quantity(
        name="steering_divergence",
        symbol=r"D(s)",
        definition=r"D(s) = \mathbb{E}_t\bigl[\mathrm{KL}(p_0(\cdot \mid x_{\le t}) \,\|\, "
        r"p_s(\cdot \mid x_{\le t}))\bigr]",
        convention="Mean over the predictions in neutral text, of the unsteered network's distribution from the "
        "steered one's.",
        source="Arditi et al., arXiv:2406.11717, appendix C (divergence on harmless text as a limit on an edit)",
        unit=Unit.parse("nat/token"),
        dims=("arm", "strength"),
        lowest=0.0,
    )
)
CONCEPT_DRIFT = catalogue.add(
    Quantity(
        name="concept_drift",
        symbol=r"\delta(s)",
        definition=r"\delta(s) = \mathbb{E}_x|c_s(x) - c_0(x)| / \mathrm{sd}_x(c_0(x))",
        convention="c is the coordinate along another concept's direction at a site, averaged over the tokens of a "
        "text.",
        source="Cohen, Statistical Power Analysis for the Behavioral Sciences (1988), section 2.2 (standardised "
        "difference)",
        dims=("arm", "strength", "concept"),
        lowest=0.0,
    )
)
CHOSEN_STRENGTH = catalogue.add(
    Quantity(
        name="chosen_strength",
        symbol=r"s^*",
        definition=r"s^* = \arg\max_{s \,:\, \bar U_j(s) \le b_j \,\forall j} e(s)",
        convention="Over the strengths of a grid. e is the estimated effect, U_j the upper end of the simultaneous "
        "band of side effect j, b_j its budget: with the probability of the band's level no side effect at s* is "
        "above its budget, however s* was found.",
        source="Angelopoulos, Bates, Candès, Jordan & Lei, arXiv:2110.01052 (choosing a setting whose risk is bounded)",
        dims=("arm",),
        lowest=0.0,
    )
)
