"""Laws: parametric patterns fitted to measurements, and the ledger of what they predicted."""

from gnomon.laws.form import Form
from gnomon.laws.registry import form, forms, register
from gnomon.laws.table import Table

__all__ = ["Form", "Table", "form", "forms", "register"]
