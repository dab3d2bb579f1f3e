"""Tests that are repeated: how much of α each may spend."""

from __future__ import annotations

from gnomon.errors import GnomonError


def spent(alpha: float, test: int, *, of: int | None = None) -> float:
    r"""What the ``test``-th test (1, 2, …) may spend of ``alpha``, so that ever a false one has probability at most α.

    Of a declared number K of tests each has α/K. In a sequence without end the k-th has
    :math:`\alpha / (k (k + 1))`, which add up to α. The sum bounds the probability (Boole) whatever the tests share:
    data, subject or checkpoints.

    Raises GnomonError when ``alpha`` is not in (0, 1), or there are fewer tests declared than made.

    >>> spent(0.05, 3, of=20), spent(0.05, 1), round(sum(spent(0.05, k) for k in range(1, 1000)), 5)
    (0.0025, 0.025, 0.04995)
    """
    if not 0 < alpha < 1:
        raise GnomonError(f"an alpha of {alpha:g}", mend="give one between 0 and 1, such as 0.05")
    if test < 1:
        raise GnomonError(f"test {test}", mend="count tests from 1")
    if of is None:
        return alpha / (test * (test + 1))
    if test > of:
        raise GnomonError(f"test {test} of {of} declared", mend="declare as many as will be made, or none")
    return alpha / of
