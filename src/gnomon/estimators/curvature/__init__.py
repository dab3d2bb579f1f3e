"""Curvature: the loss around the parameters, to second order, by products with matrices that are never formed."""

from gnomon.estimators.curvature.criticality import Criticality
from gnomon.estimators.curvature.curvature_operator import CurvatureOperator
from gnomon.estimators.curvature.fisher import EmpiricalFisherOperator
from gnomon.estimators.curvature.gauss_newton import GaussNewtonOperator
from gnomon.estimators.curvature.hessian import HessianOperator
from gnomon.estimators.curvature.hessian_spectrum import HessianSpectrum
from gnomon.estimators.curvature.hutchplusplus import GaussNewtonTrace, HessianTrace

__all__ = [
    "Criticality",
    "CurvatureOperator",
    "EmpiricalFisherOperator",
    "GaussNewtonOperator",
    "GaussNewtonTrace",
    "HessianOperator",
    "HessianSpectrum",
    "HessianTrace",
]
