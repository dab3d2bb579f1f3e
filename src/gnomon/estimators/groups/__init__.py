"""Groups: what a network has learnt of a symmetry, in its weights, its activations and its outputs."""

from gnomon.estimators.groups.activation_irreps import ActivationIrreps
from gnomon.estimators.groups.equivariance_error import EquivarianceError
from gnomon.estimators.groups.irrep_spectrum import IrrepSpectrum

__all__ = ["ActivationIrreps", "EquivarianceError", "IrrepSpectrum"]
