"""Assuring a deployment: every question of a policy put once, and the decision."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from gnomon.assurance.asking import Answer, Question, ask
from gnomon.assurance.deployment import Deployment
from gnomon.assurance.policy.allotment import two_sided
from gnomon.assurance.policy.cadence import Occasion, next_test
from gnomon.assurance.policy.decision import Decision, decide, question_of, shares
from gnomon.assurance.policy.policy import Policy
from gnomon.errors import UnknownNameError
from gnomon.randomness import Rng

Heard = Callable[[Answer], None]
Progress = Callable[[str, int, int], None]


def questions(
    policy: Policy, deployment: Deployment, number: int = 1, *, only: Collection[str] = ()
) -> Mapping[Question, float]:
    """What ``policy`` asks of ``deployment``, and at which level: each question once, at the strictest of its rows.

    Parameters
    ----------
    number : of the test among the repeated ones.
    only : ids of thresholds; those of all where it is empty.

    Raises UnknownNameError for an id that no threshold has, GnomonError as `at_test` does.
    """
    known = [threshold.id for threshold in policy.thresholds]
    for name in only:
        if name not in known:
            raise UnknownNameError("threshold", name, known)
    found: dict[Question, float] = {}
    for threshold, required, share in shares(policy, number):
        if only and (threshold is None or threshold.id not in only):
            continue
        present = [one for one in required if all(getattr(deployment, part) is not None for part in one.needs)]
        for limit in [*([threshold] if threshold else []), *present]:
            question = question_of(limit)
            found[question] = max(two_sided(share), found.get(question, 0.0))
    return found


def assure(
    policy: Policy,
    deployment: Deployment,
    rng: Rng,
    *,
    now: datetime,
    earlier: Sequence[Occasion] = (),
    only: Collection[str] = (),
    heard: Heard | None = None,
    progress: Progress | None = None,
) -> Decision:
    """Measure what ``policy`` asks of ``deployment``, and decide.

    An evaluation that lacks something or breaks makes its rows insufficient. An interruption ends the measuring; what
    was not measured by then, or is not in ``only``, is insufficient too.

    Parameters
    ----------
    now : the day from which the next test is counted.
    earlier : the occasions of earlier tests, which have spent some of the policy's α.
    heard : told each answer as soon as it is there.

    Raises GnomonError as `questions` does.
    """
    occasion = Occasion.of(deployment, policy, now=now, earlier=earlier)
    asked = questions(policy, deployment, occasion.number, only=only)
    answers: dict[Question, Answer] = {}
    try:
        for done, (question, level) in enumerate(asked.items()):
            if progress is not None:
                progress(question.evaluation, done, len(asked))
            answers[question] = ask(question, deployment, rng, level=level)
            if heard is not None:
                heard(answers[question])
    except KeyboardInterrupt:
        for question, level in asked.items():
            answers.setdefault(question, Answer(question=question, level=level, reason="interrupted"))
    due = next_test(policy.cadence, occasion, earlier)
    return decide(policy, answers, deployment, occasion=occasion, next_test=due)
