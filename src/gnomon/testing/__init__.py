"""The public conformance suites: for estimators, phenomena, theories, forms, challenges, methods and evaluations.

>>> from gnomon.testing import check_estimator
>>> from gnomon.estimators import estimator
>>> check_estimator(estimator("frobenius_norm"), only=["check_units_and_dims"])
"""

from gnomon.testing.challenges import challenge_checks, check_challenge
from gnomon.testing.conformance import ConformanceError, check_estimator, checks
from gnomon.testing.directions import check_method, method_checks
from gnomon.testing.evaluations import check_evaluation, evaluation_checks
from gnomon.testing.forms import check_form, form_checks
from gnomon.testing.phenomena import check_phenomenon, phenomenon_checks
from gnomon.testing.theories import check_theory, theory_checks

__all__ = [
    "ConformanceError",
    "challenge_checks",
    "check_challenge",
    "check_estimator",
    "check_evaluation",
    "check_form",
    "check_method",
    "check_phenomenon",
    "check_theory",
    "checks",
    "evaluation_checks",
    "form_checks",
    "method_checks",
    "phenomenon_checks",
    "theory_checks",
]
