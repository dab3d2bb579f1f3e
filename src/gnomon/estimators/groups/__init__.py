"""Groups: what a network has learnt of a symmetry, in its weights, its activations and its outputs."""

from gnomon.estimators.groups.equivariance_error import EquivarianceError
from gnomon.estimators.groups.irrep_spectrum import IrrepSpectrum

__all__ = ["EquivarianceError", "IrrepSpectrum"]
