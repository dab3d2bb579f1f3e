"""Laws: parametric patterns fitted to measurements, and the ledger of what they predicted."""

import gnomon.laws.forms  # noqa: F401  at once, since importing it later would hide the function of that name
from gnomon.laws.fit import Estimate, Fit, Noise
from gnomon.laws.fitting import fit, fit_many
from gnomon.laws.form import Form
from gnomon.laws.registry import form, forms, register
from gnomon.laws.table import Table

__all__ = ["Estimate", "Fit", "Form", "Noise", "Table", "fit", "fit_many", "form", "forms", "register"]
