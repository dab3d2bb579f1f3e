"""Assurance: what a network can do, where it errs, whom it harms, what it leaks and costs, and whether it may go on."""

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.evaluation import Evaluation
from gnomon.assurance.registry import evaluation, evaluations, register

__all__ = ["Deployment", "Evaluation", "evaluation", "evaluations", "register"]
