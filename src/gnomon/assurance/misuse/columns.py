"""With and without safeguards: what each evaluation of misuse is put to."""

from __future__ import annotations

from dataclasses import replace

from gnomon.assurance.deployment import Deployment
from gnomon.control.defence import Defence

BARE, DEPLOYED = "none", "deployed"


def columns(deployment: Deployment, *, bare: bool) -> list[Defence]:
    """The deployment as it is and, with ``bare`` and where it has safeguards, also without them; that one is first.

    The names are what measurements carry as the label ``defence``: ``none`` without safeguards, else ``deployed``.
    """
    without = replace(deployment.bare.defence, name=BARE)
    if not deployment.guarded:
        return [without]
    guarded = replace(deployment.defence, name=DEPLOYED)
    return [without, guarded] if bare else [guarded]
