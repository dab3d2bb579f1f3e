"""What is measured of a subject's memory of its training text."""

from __future__ import annotations

from gnomon.measurement import Quantity, Unit, catalogue

_BITS = Unit.parse("bit")
_AREA = r"\Pr[s_\mathrm{in} > s_\mathrm{out}] + \tfrac12 \Pr[s_\mathrm{in} = s_\mathrm{out}]"

EXPOSURE_EXCESS = catalogue.add(
    Quantity(
        name="exposure_excess",
        symbol=r"\Delta e",
        unit=_BITS,
        definition=r"\Delta e = \mathbb{E}[e \mid \text{shown}] - \mathbb{E}[e \mid \text{never shown}]",
        convention=(
            "Mean exposure of canaries less that of their twins. The interval inverts the randomisation test: it is"
            " exact where showing adds the same to every canary; the p-value asks for no such thing, and is for 'no"
            " canary is raised'; over several numbers of showings it is Holm's."
        ),
        source="Carlini et al., arXiv:1802.08232; Fisher, The Design of Experiments (1935)",
        dims=("shown",),
    )
)
EXTRACTION = catalogue.add(
    Quantity(
        name="extraction_rate",
        symbol=r"x_{n, p}",
        definition=r"x_{n, p} = \Pr_z\bigl[1 - (1 - \pi_z)^n \ge p\bigr]",
        convention=(
            "Share of texts whose ending the subject writes word for word after their beginning: greedily in one query"
            " (π is 0 or 1), or with probability p or more in n independent samples; π is exact, the product of the"
            " probabilities of the tokens. What a monitor withholds is not written."
        ),
        source="Hayes et al., arXiv:2410.19482; Carlini et al., arXiv:2202.07646",
        dims=("texts", "shown", "decoding", "queries"),
        lowest=0.0,
        highest=1.0,
    )
)
EXTRACTION_EXCESS = catalogue.add(
    Quantity(
        name="extraction_excess",
        symbol=r"\Delta x",
        definition=r"\Delta x = x_{n, p}(\text{shown}) - x_{n, p}(\text{never shown})",
        convention=(
            "What showing adds: the rate of texts of training less that of texts drawn in the same way and never shown,"
            " which a subject may complete because they are easy."
        ),
        source="Carlini et al., arXiv:2202.07646; Zhang et al., arXiv:2112.12938 (counterfactual memorisation)",
        dims=("texts", "decoding", "queries"),
        lowest=-1.0,
        highest=1.0,
    )
)
MEMBERSHIP_AUROC = catalogue.add(
    Quantity(
        name="membership_auroc",
        symbol=r"A_\mathrm{in}",
        definition=rf"A_\mathrm{{in}} = {_AREA}",
        convention=(
            "Of members and non-members that a draw told apart, by a score of the subject. All scores hold at once"
            " (Bonferroni); 'strongest' is the largest of their areas."
        ),
        source="Carlini et al., arXiv:2112.03570; Duan et al., arXiv:2402.07841",
        dims=("texts", "score"),
        lowest=0.0,
        highest=1.0,
    )
)
MEMBERSHIP_DETECTION = catalogue.add(
    Quantity(
        name="membership_detection",
        symbol=r"\mathrm{TPR}_f",
        definition=r"\mathrm{TPR}_f = \Pr[s_\mathrm{in} > t_f], \quad \Pr[s_\mathrm{out} > t_f] = f",
        convention="The share of members found where a share f of non-members is taken for members.",
        source="Carlini et al., arXiv:2112.03570",
        dims=("texts", "score", "false_alarms"),
        lowest=0.0,
        highest=1.0,
    )
)
MEMBERSHIP_OVER_BLIND = catalogue.add(
    Quantity(
        name="membership_over_blind",
        symbol=r"\Delta A_\mathrm{in}",
        definition=r"\Delta A_\mathrm{in} = A_\mathrm{in} - A_\mathrm{words}",
        convention=(
            "The area by the subject less that by the words alone, of a classifier that never sees the subject"
            " (cross-fitted), on the same texts."
        ),
        source="Das, Zhang & Tramèr, arXiv:2406.16201",
        dims=("texts", "score"),
        lowest=-1.0,
        highest=1.0,
    )
)
PRIVACY_LOSS = catalogue.add(
    Quantity(
        name="privacy_loss",
        symbol=r"\epsilon",
        definition=(r"\epsilon = \sup_{D \sim D', S} \ln \frac{\Pr[M(D) \in S] - \delta}{\Pr[M(D') \in S]}"),
        convention=(
            "Of training M, bounded from below by what one run gave away; D and D' differ in one unit: a document, or"
            " a canary with all its showings. The value is the bound, the interval has no upper end: one run cannot"
            " show that training is private."
        ),
        source="Dwork & Roth, Found. Trends Theor. Comput. Sci. 9 (2014) 211; Steinke et al., arXiv:2305.08846",
        dims=("evidence", "unit", "adjacency", "delta"),
        lowest=0.0,
    )
)
