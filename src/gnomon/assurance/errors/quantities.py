"""What is measured of errors."""

from __future__ import annotations

from gnomon.measurement import Quantity, catalogue

ERROR_RATE = catalogue.add(
    Quantity(
        name="error_rate",
        symbol=r"\bar e",
        definition=r"\bar e = \mathbb{E}[e]",
        convention="e is 1 for a wrong answer, 0 for a right one, or graded between; of questions like those at hand. "
        "Clusters of questions are what is independent.",
        source="Clopper & Pearson, Biometrika 26 (1934) 404; Korn & Graubard, Survey Methodology 24 (1998) 193",
        dims=("split", "topic"),
        lowest=0.0,
        highest=1.0,
    )
)
SLICE_ERROR_RATE = catalogue.add(
    Quantity(
        name="slice_error_rate",
        symbol=r"\bar e_S",
        definition=r"\bar e_S = \mathbb{E}[e \mid x \in S]",
        convention="Of a slice that was sought on one half of the questions, on the other half, apart from the slices "
        "before it; the interval holds for all slices that were nominated, and for the rest, at once.",
        source="Chung et al., arXiv:1807.06068",
        dims=("slice", "confirmed"),
        lowest=0.0,
        highest=1.0,
    )
)
SLICE_EXCESS = catalogue.add(
    Quantity(
        name="slice_excess_error",
        symbol=r"\Delta_S",
        definition=r"\Delta_S = \mathbb{E}[e \mid x \in S] - \mathbb{E}[e \mid x \notin S]",
        convention="As for the slice's error rate. A slice is confirmed where an exact test of no excess is rejected "
        "after correction for all that were nominated, whatever their dependence.",
        source="Chung et al., arXiv:1807.06068; Benjamini & Yekutieli, Annals of Statistics 29 (2001) 1165",
        dims=("slice", "confirmed"),
        lowest=-1.0,
        highest=1.0,
    )
)
WORST_SLICE_ERROR = catalogue.add(
    Quantity(
        name="worst_slice_error",
        symbol=r"\bar e_{\max}",
        definition=r"\bar e_{\max} = \max_{j} \mathbb{E}[e \mid x \in S_j]",
        convention="Over the slices that were nominated on one half and the rest of the questions, of the other half. "
        "The interval is from intervals of all that hold at once. It is of these slices, not of all that could be.",
        source="Sagawa et al., arXiv:1911.08731 (worst-group error)",
        lowest=0.0,
        highest=1.0,
    )
)
HALLUCINATION_RATE = catalogue.add(
    Quantity(
        name="hallucination_rate",
        symbol=r"h_\tau",
        definition=r"h_\tau = \mathbb{E}\bigl[e\, \mathbf{1}[c \ge \tau]\bigr]",
        convention="Share of all questions that are answered wrongly with a confidence c of at least the threshold; c "
        "is the probability that the network gives its own answer.",
        source="Simhi et al., arXiv:2502.12964 (wrong with high certainty)",
        dims=("confidence", "slice"),
        lowest=0.0,
        highest=1.0,
    )
)
CONFIDENT_ERROR_RATE = catalogue.add(
    Quantity(
        name="confident_error_rate",
        symbol=r"R(\tau)",
        definition=r"R(\tau) = \mathbb{E}[e \mid c \ge \tau]",
        convention="The selective risk: errors among the questions that are answered with at least this confidence.",
        source="Geifman & El-Yaniv, arXiv:1705.08500",
        dims=("confidence", "slice"),
        lowest=0.0,
        highest=1.0,
    )
)
AURC = catalogue.add(
    Quantity(
        name="area_under_risk_coverage",
        symbol=r"\mathrm{AURC}",
        definition=r"\mathrm{AURC} = \mathbb{E}_{c'}\bigl[\mathbb{E}[e \mid c \ge c']\bigr]",
        convention="The mean selective risk over thresholds that are distributed as the confidence; equal confidences "
        "are answered together.",
        source="Geifman, Uziel & El-Yaniv, arXiv:1805.08206; Zhou et al., arXiv:2410.15361 (of a population)",
        lowest=0.0,
        highest=1.0,
    )
)
GUARANTEED_COVERAGE = catalogue.add(
    Quantity(
        name="guaranteed_coverage",
        symbol=r"\phi(\tau_r)",
        definition=r"\phi(\tau_r) = \Pr[c \ge \tau_r], \quad \Pr\bigl[\mathbb{E}[e \mid c \ge \tau_r] \le r\bigr] "
        r"\ge 1 - \delta",
        convention="Share of questions above the lowest threshold of confidence, of a fixed list, at which the "
        "selective risk is at most r with probability 1 - δ over the questions at hand. The diagnostics say which.",
        source="Geifman & El-Yaniv, arXiv:1705.08500; Angelopoulos et al., arXiv:2110.01052",
        dims=("risk",),
        lowest=0.0,
        highest=1.0,
    )
)
GENERALISATION_GAP = catalogue.add(
    Quantity(
        name="generalisation_gap",
        symbol=r"G_s",
        definition=r"G_s = \mathbb{E}[e \mid s] - \mathbb{E}[e \mid \text{seen}]",
        convention="Errors on a split of unseen or shifted questions less those on seen ones of the same topic; the "
        "intervals of all splits hold at once.",
        source="Lake & Baroni, arXiv:1711.00350 (held-out combinations); Koh et al., arXiv:2012.07421 (shift)",
        dims=("split", "topic"),
        lowest=-1.0,
        highest=1.0,
    )
)
