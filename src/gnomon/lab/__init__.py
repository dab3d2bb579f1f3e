"""The lab: estimators put to work, and what they found kept."""
