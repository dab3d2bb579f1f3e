"""Privacy: what a network has kept of its training text, and what can be got out of it."""

from gnomon.assurance.privacy.canary_exposure import CanaryExposure
from gnomon.assurance.privacy.extraction import Extraction
from gnomon.assurance.privacy.membership import Membership
from gnomon.assurance.privacy.privacy_audit import PrivacyAudit

__all__ = ["CanaryExposure", "Extraction", "Membership", "PrivacyAudit"]
