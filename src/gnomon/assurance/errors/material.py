"""The material of these evaluations: questions that the subject is graded on, or answers that were graded already."""

from __future__ import annotations

from collections.abc import Sequence

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.errors.graded import Graded, read_graded, read_questions
from gnomon.assurance.errors.grading import grade
from gnomon.errors import GnomonError

ANSWERS, QUESTIONS = "answers", "questions"


def lacking(deployment: Deployment) -> str:
    """Why there is nothing to grade; empty where there is."""
    if deployment.has(ANSWERS) or deployment.has(QUESTIONS):
        return ""
    return f"no material {QUESTIONS!r} (prompt, target) or {ANSWERS!r} (text, correct)"


def graded_material(deployment: Deployment, columns: Sequence[str] | None = None) -> Graded:
    """The material ``answers`` where there is one, else ``questions``, graded now; with all columns, or those named.

    Raises GnomonError as `read_graded`, `read_questions` and `grade` do.
    """
    if deployment.has(ANSWERS):
        return read_graded(deployment.material(ANSWERS), columns=columns)
    if deployment.has(QUESTIONS):
        return grade(deployment, read_questions(deployment.material(QUESTIONS), columns=columns))
    raise GnomonError(f"there is {lacking(deployment)}", mend=f"give --material {QUESTIONS}=FILE")
