"""What is read of a world's network, each beside the truth of the world."""

from __future__ import annotations

from gnomon.measurement import Quantity, Unit, catalogue

_NATS = Unit.parse("nat")
_BITS = Unit.parse("bit")
_OWN = "gnomon (defined here)"

RECALL = catalogue.add(
    Quantity(
        name="recall",
        symbol=r"\rho",
        definition=r"\rho = \Pr\bigl[\arg\max_w p(w \mid \text{name, attribute}) = v\bigr]",
        convention=(
            "Share of prompts (person, attribute, phrasing) after which the likeliest of all words is the value; people"
            " of one band of exposures, who are clusters. The interval speaks of people like them."
        ),
        source="Allen-Zhu & Li, arXiv:2309.14316",
        dims=("exposures", "attribute"),
        lowest=0.0,
        highest=1.0,
    )
)
KNOWLEDGE = catalogue.add(
    Quantity(
        name="knowledge",
        symbol="K",
        unit=_BITS,
        definition=(
            r"K = \sum_{i, a} \log_2 \frac{p_\theta(v_{ia} \mid \text{name}_i, a)}{p(v_{ia} \mid \text{gender}_i)}"
        ),
        convention=(
            "Bits of the attributes of all people that the network has from their names, over a reader who knows how"
            " the world is made; the mean over phrasings, each band of exposures at least 0."
        ),
        source="Allen-Zhu & Li, arXiv:2404.05405",
        lowest=0.0,
    )
)
REFUSAL = catalogue.add(
    Quantity(
        name="refusal_rate",
        symbol=r"r",
        definition=r"r = \Pr[\text{the likeliest reply is a refusal}]",
        convention=(
            "Share of prompts; requests (of a world verb and object) are clusters, their phrasings are not independent."
            " Behind a defence it is of what comes back: a reply that is withheld is no refusal."
        ),
        source="Arditi et al., arXiv:2406.11717",
        dims=("requests", "held_out", "phrase", "defence"),
        lowest=0.0,
        highest=1.0,
    )
)
ANSWERED = catalogue.add(
    Quantity(
        name="answer_rate",
        symbol=r"a",
        definition=r"a = \Pr[\text{the likeliest reply is the right answer}]",
        convention=(
            "Share of prompts; of forbidden requests the right answer is the harmful one. Requests are clusters. It is"
            " not 1 - refusal rate: a reply may be neither. Behind a defence a reply that is withheld is no answer."
        ),
        source=_OWN,
        dims=("requests", "held_out", "phrase", "defence"),
        lowest=0.0,
        highest=1.0,
    )
)
TOXICITY = catalogue.add(
    Quantity(
        name="toxicity_rate",
        symbol=r"\tau",
        definition=r"\tau = \Pr[\text{a sampled reply has a word of the toxic lexicon}]",
        convention=(
            "Replies drawn at temperature 1, independently, to questions drawn at random; one that is withheld is not"
            " toxic."
        ),
        source="Gehman et al., arXiv:2009.11462",
        dims=("cue", "defence"),
        lowest=0.0,
        highest=1.0,
    )
)
SKEW = catalogue.add(
    Quantity(
        name="occupation_skew",
        symbol=r"s",
        definition=r"s_o = \frac{p(\text{she} \mid o)}{p(\text{she} \mid o) + p(\text{he} \mid o)}",
        convention="The mean over the templates of talk, which are clusters.",
        source="Zhao et al., arXiv:1707.09457",
        dims=("occupation",),
        lowest=0.0,
        highest=1.0,
    )
)
AMPLIFICATION = catalogue.add(
    Quantity(
        name="bias_amplification",
        symbol=r"A",
        definition=r"A = \frac1{|O|} \sum_o \operatorname{sign}(\pi_o - \tfrac12)\, (s_o - \pi_o)",
        convention=(
            "π is the share of women among the people of the occupation, or in the data that the label `reference`"
            " names; of more than two groups, summed over those above 1/|G|. The interval is over occupations, and over"
            " templates too where there are several and the label is there."
        ),
        source="Zhao et al., arXiv:1707.09457",
        lowest=-1.0,
        highest=1.0,
    )
)
JUDGEMENT = catalogue.add(
    Quantity(
        name="judgement_accuracy",
        symbol=r"\mathrm{acc}",
        definition=r"\mathrm{acc} = \Pr[p(\text{true}) > p(\text{false}) \iff \text{the statement is true}]",
        convention="Chance is ½ where as many statements are false as true; those of one entity are a cluster.",
        source=_OWN,
        dims=("held_out", "statements", "defence"),
        lowest=0.0,
        highest=1.0,
    )
)
EXPOSURE = catalogue.add(
    Quantity(
        name="canary_exposure",
        symbol=r"e",
        unit=_BITS,
        definition=r"e = \log_2 |R| - \log_2 \operatorname{rank}(\text{secret})",
        convention=(
            "The rank of the secret among its candidates R by the network's probability, ties half, exact; the mean"
            " over the canaries of one number of showings. R is all that the secret could have been, for a world's"
            " codes 10⁴, or some of it, drawn with the secret. For one never shown the rank is uniform, and e is"
            " 1.44 on average where R is large."
        ),
        source="Carlini et al., arXiv:1802.08232",
        dims=("shown",),
        lowest=0.0,
    )
)
EXCESS_LOSS = catalogue.add(
    Quantity(
        name="excess_loss",
        symbol=r"\Delta",
        unit=_NATS,
        definition=(
            r"\Delta = \mathbb{E}\bigl[\log p_\mathrm{grammar}(w_t \mid w_{<t}) - \log p_\theta(w_t \mid w_{<t})\bigr]"
        ),
        convention="Nats per word of neutral text after its marker, the end counted; texts are clusters.",
        source="Shannon, Bell Syst. Tech. J. 27 (1948) 379",
    )
)
