r"""How the probability of a wrong pass is shared out, over repeated tests and over the two ways that a row can pass.

A row is *bad* when its threshold is truly past the line and one of the safeguards that it requires is truly past its
own. A **wrong pass** is an overall verdict ``within`` while a row is bad. With α one minus the policy's confidence:

- *Rows.* The overall verdict is ``within`` only if every row is. A wrong pass is therefore contained in the event that
  any bad row passes, one that the truth fixes and not the data:
  :math:`\Pr(\text{wrong pass}) \le \min_{j\ \text{bad}} \Pr(\text{row } j \text{ passes}) \le \alpha`, whatever the
  number of rows and their dependence (intersection-union test). Nothing is shared out among rows, nor among the
  measurements of a row with ``each``, nor among its safeguards: all have to clear.
- *Routes.* A row passes when its threshold clears, or when all its safeguards do. A bad row can be passed wrongly on
  either route, so that each has α/2 where there are both: by the union bound α in all. With α for each it would be up
  to :math:`2\alpha - \alpha^2` for independent ones.
- *Tests.* The k-th test has :math:`\alpha/N` where N are declared, and :math:`\alpha/(k(k+1))` where their number is
  unlimited, the sum of which over all k is α. By the union bound a pass at *any* of the tests is wrong with probability
  at most α, however the subject, its data and the decision to test again depend on the tests before.

Sources: Berger, Technometrics 24 (1982) 295 (intersection-union); Bonferroni's inequality for the rest.
"""

from __future__ import annotations

from typing import Literal

from gnomon.errors import GnomonError
from gnomon.statistics import spent


def at_test(alpha: float, number: int, tests: int | Literal["unlimited"]) -> float:
    """What the test with this number, from 1, may spend of ``alpha``.

    Raises GnomonError where more tests are made than were declared.

    >>> at_test(0.05, 1, 1), at_test(0.05, 3, 20), round(at_test(0.05, 2, "unlimited"), 5)
    (0.05, 0.0025, 0.00833)
    """
    if tests != "unlimited" and number > tests:
        raise GnomonError(
            f"this is test {number}, and the policy declares {tests}",
            mend='declare more tests, or tests = "unlimited", before the first',
        )
    return spent(alpha, number, of=None if tests == "unlimited" else tests)


def at_route(alpha: float, *, guarded: bool) -> float:
    """What each route to passing a row may spend: half of ``alpha`` where safeguards are a second one."""
    return alpha / 2 if guarded else alpha


def two_sided(share: float) -> float:
    """The level of a two-sided interval each end of which may be wrong with probability ``share``.

    >>> two_sided(0.05)
    0.9
    """
    return round(1 - 2 * share, 12)
