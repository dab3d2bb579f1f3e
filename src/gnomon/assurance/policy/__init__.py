"""Policies: thresholds, levels, safeguards and cadence, and the decision that measurements make under them."""

from gnomon.assurance.policy.assuring import assure, questions
from gnomon.assurance.policy.cadence import NextTest, Occasion, next_test
from gnomon.assurance.policy.decision import EXIT_CODES, Decision, Row, Verdict, decide, question_of
from gnomon.assurance.policy.judged import Judged, judge
from gnomon.assurance.policy.policy import Cadence, Level, Limit, Policy, Safeguard, Threshold
from gnomon.assurance.policy.reading import policy_of, read_policy, shipped

__all__ = [
    "EXIT_CODES",
    "Cadence",
    "Decision",
    "Judged",
    "Level",
    "Limit",
    "NextTest",
    "Occasion",
    "Policy",
    "Row",
    "Safeguard",
    "Threshold",
    "Verdict",
    "assure",
    "decide",
    "judge",
    "next_test",
    "policy_of",
    "question_of",
    "questions",
    "read_policy",
    "shipped",
]
