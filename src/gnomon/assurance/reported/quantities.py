"""What is read of logs of evaluations."""

from __future__ import annotations

from gnomon.measurement import Quantity, catalogue

SCORE = catalogue.add(
    Quantity(
        name="score",
        symbol=r"s",
        definition=r"s = \mathbb{E}_{q}\bigl[\mathbb{E}[m(q)]\bigr]",
        convention="Mean over questions like those of the task, and over repeated answers (epochs) to each, of the "
        "points m that a scorer gives. The interval speaks of questions and answers drawn anew, samples being "
        "clusters of their epochs; where samples have no score it spans all that they could have had.",
        source="Miller, arXiv:2411.00640 (evaluations as samples of questions); Clopper & Pearson, Biometrika 26 "
        "(1934) 404 (shares)",
        dims=("task", "metric", "scorer"),
    )
)
SCORE_DIFFERENCE = catalogue.add(
    Quantity(
        name="score_difference",
        symbol=r"\Delta s",
        definition=r"\Delta s = \mathbb{E}_{q}\bigl[\mathbb{E}[m(q)] - \mathbb{E}[m_0(q)]\bigr]",
        convention="Score less that of the other log, over the questions that both were asked.",
        source="Miller, arXiv:2411.00640 (pairs); Tango, Statistics in Medicine 17 (1998) 891 (shares)",
        dims=("task", "metric", "scorer"),
    )
)
