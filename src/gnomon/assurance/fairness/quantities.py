"""What is measured of bias and fairness."""

from __future__ import annotations

from gnomon.measurement import Quantity, Unit, catalogue

_NATS = Unit.parse("nat")
_NATS_A_TOKEN = Unit.parse("nat/token")
_FAIRLEARN = "Weerts et al., arXiv:2303.16626 (fairlearn)"
_GROUPS = (
    "Between groups, worst case, as in fairlearn. The value is that of the sample, which is biased: groups that are"
    " alike differ in a sample. The interval holds all groups' rates at once, at every n."
)

DIRECTIONAL_AMPLIFICATION = catalogue.add(
    Quantity(
        name="directional_bias_amplification",
        symbol=r"A_{T \to A}",
        definition=(
            r"A_{T \to A} = \frac{1}{|O| |G|} \sum_{o, g} \operatorname{sign}(\pi_{og} - \pi_g)\, (s_{og} - \pi_{og})"
        ),
        convention=(
            "From the task (item o) to the attribute (group g): π is the share in the data, π with g alone that of the"
            " group in all data, s the model's. The other direction asks for predictions of items and is not measured."
        ),
        source="Wang & Russakovsky, arXiv:2102.12594",
        dims=("reference",),
        lowest=-1.0,
        highest=1.0,
    )
)
PREFERENCE = catalogue.add(
    Quantity(
        name="stereotype_preference",
        symbol=r"\rho",
        definition=r"\rho = \Pr[S(x^\mathrm{more}) > S(x^\mathrm{less})]",
        convention=(
            "Share of sentence pairs; ½ where neither is preferred. Ties are left out. S is the log-likelihood of the"
            " tokens that both have (shared) or of all (sentence); of a masked network the pseudo-log-likelihood."
        ),
        source="Nangia et al., arXiv:2010.00133",
        dims=("pairs", "group", "score"),
        lowest=0.0,
        highest=1.0,
    )
)
LIKELIHOOD_GAP = catalogue.add(
    Quantity(
        name="stereotype_log_ratio",
        symbol=r"\Lambda",
        unit=_NATS,
        definition=r"\Lambda = \mathbb{E}[S(x^\mathrm{more}) - S(x^\mathrm{less})]",
        convention="S as in the share of pairs; 0 where neither is preferred on average.",
        source="Nangia et al., arXiv:2010.00133 (the score that is compared)",
        dims=("pairs", "group", "score"),
    )
)
SWAP_LOSS = catalogue.add(
    Quantity(
        name="swap_loss_change",
        symbol=r"\Delta_L",
        unit=_NATS_A_TOKEN,
        definition=r"\Delta_L = \mathbb{E}\bigl[\log p(x_t \mid x_{<t}) - \log p(x_t \mid x'_{<t})\bigr]",
        convention=(
            "x has the first word of a swap and x' the second; over the tokens after it that both have, the mean of"
            " each text. A swap that should not matter has 0; the sign says which word fits the text better."
        ),
        source="Garg et al., arXiv:1809.10610 (counterfactual token fairness)",
        dims=("kind",),
    )
)
SWAP_DISTANCE = catalogue.add(
    Quantity(
        name="swap_total_variation",
        symbol=r"\mathrm{TV}",
        definition=r"\mathrm{TV} = \mathbb{E}\Bigl[\tfrac12 \sum_w |p(w \mid x_{<t}) - p(w \mid x'_{<t})|\Bigr]",
        convention=(
            "Over the tokens after the swapped word, the mean of each text. Every network moves a little with any word,"
            " so that it is above 0 for swaps that matter to nobody: see the excess over these."
        ),
        source="Garg et al., arXiv:1809.10610 (counterfactual token fairness)",
        dims=("kind",),
        lowest=0.0,
        highest=1.0,
    )
)
SWAP_EXCESS = catalogue.add(
    Quantity(
        name="swap_excess",
        symbol=r"\mathrm{TV}_\mathrm{group} - \mathrm{TV}_\mathrm{neutral}",
        definition=r"\mathbb{E}[\mathrm{TV} \mid \mathrm{group}] - \mathbb{E}[\mathrm{TV} \mid \mathrm{neutral}]",
        convention="Texts and swaps are drawn anew in the repetitions that the interval speaks of.",
        source="gnomon (defined here)",
        dims=("kind",),
        lowest=-1.0,
        highest=1.0,
    )
)
CHANGE = catalogue.add(
    Quantity(
        name="change_by_safeguards",
        symbol=r"\Delta\theta",
        definition=r"\Delta\theta = \theta_\mathrm{deployed} - \theta_\mathrm{bare}",
        convention="Of the reading that the label `of` names, in its unit; paired, over the same rows.",
        source="Miller, arXiv:2411.00640 (paired differences)",
        dims=("of",),
    )
)


def _rate(name: str, symbol: str, definition: str, convention: str) -> Quantity:
    return catalogue.add(
        Quantity(
            name=name,
            symbol=symbol,
            definition=definition,
            convention=convention,
            source=_FAIRLEARN,
            dims=("group",),
            lowest=0.0,
            highest=1.0,
        )
    )


SELECTION_RATE = _rate(
    "group_selection_rate", r"q_g", r"q_g = \Pr[\hat y = 1 \mid g]", "Share of the group that is selected."
)
ERROR_RATE = _rate(
    "group_error_rate", r"\epsilon_g", r"\epsilon_g = \Pr[\hat y \ne y \mid g]", "Share of the group that is in error."
)
TRUE_POSITIVE_RATE = _rate(
    "group_true_positive_rate",
    r"\mathrm{TPR}_g",
    r"\mathrm{TPR}_g = \Pr[\hat y = 1 \mid y = 1, g]",
    "Share selected of those of the group who should be.",
)
FALSE_POSITIVE_RATE = _rate(
    "group_false_positive_rate",
    r"\mathrm{FPR}_g",
    r"\mathrm{FPR}_g = \Pr[\hat y = 1 \mid y = 0, g]",
    "Share selected of those of the group who should not be.",
)


def _disparity(name: str, symbol: str, definition: str) -> Quantity:
    return catalogue.add(
        Quantity(
            name=name,
            symbol=symbol,
            definition=definition,
            convention=_GROUPS,
            source=_FAIRLEARN,
            lowest=0.0,
            highest=1.0,
        )
    )


DEMOGRAPHIC_PARITY_DIFFERENCE = _disparity(
    "demographic_parity_difference", r"\Delta_q", r"\Delta_q = \max_g q_g - \min_g q_g"
)
DEMOGRAPHIC_PARITY_RATIO = _disparity("demographic_parity_ratio", r"R_q", r"R_q = \min_g q_g / \max_g q_g")
ACCURACY_DIFFERENCE = _disparity(
    "accuracy_score_difference",
    r"\Delta_\epsilon",
    r"\Delta_\epsilon = \max_g \epsilon_g - \min_g \epsilon_g",
)
TPR_DIFFERENCE = _disparity(
    "equal_opportunity_difference",
    r"\Delta_\mathrm{TPR}",
    r"\Delta_\mathrm{TPR} = \max_g \mathrm{TPR}_g - \min_g \mathrm{TPR}_g",
)
TPR_RATIO = _disparity(
    "equal_opportunity_ratio",
    r"R_\mathrm{TPR}",
    r"R_\mathrm{TPR} = \min_g \mathrm{TPR}_g / \max_g \mathrm{TPR}_g",
)
FPR_DIFFERENCE = _disparity(
    "false_positive_rate_difference",
    r"\Delta_\mathrm{FPR}",
    r"\Delta_\mathrm{FPR} = \max_g \mathrm{FPR}_g - \min_g \mathrm{FPR}_g",
)
FPR_RATIO = _disparity(
    "false_positive_rate_ratio",
    r"R_\mathrm{FPR}",
    r"R_\mathrm{FPR} = \min_g \mathrm{FPR}_g / \max_g \mathrm{FPR}_g",
)
EQUALIZED_ODDS_DIFFERENCE = _disparity(
    "equalized_odds_difference",
    r"\Delta_\mathrm{EO}",
    r"\Delta_\mathrm{EO} = \max(\Delta_\mathrm{TPR}, \Delta_\mathrm{FPR})",
)
EQUALIZED_ODDS_RATIO = _disparity(
    "equalized_odds_ratio", r"R_\mathrm{EO}", r"R_\mathrm{EO} = \min(R_\mathrm{TPR}, R_\mathrm{FPR})"
)
