"""The instruments of an observer: estimators by name, with options, or made anew for each observation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gnomon.errors import GnomonError
from gnomon.estimators import Estimator, estimators
from gnomon.lab.measuring import estimators_named
from gnomon.measurement import Quantity

Asked = str | Estimator | Callable[..., Estimator]
_RATE = "learning_rate"


@dataclass(frozen=True)
class Instrument:
    """An estimator that observes.

    Parameters
    ----------
    asked : what it was asked for as, for messages.
    quantities : all that it measures.
    wanted : names of the quantities that are kept; ``None`` for all.
    make : makes it, given the learning rate if that is known (and above zero, which schedules may end at).
    """

    name: str
    asked: str
    quantities: tuple[Quantity, ...]
    wanted: frozenset[str] | None
    of_weights: bool
    make: Callable[[float | None], Estimator]

    def keeps(self, quantity: str) -> bool:
        """Whether readings of ``quantity`` are kept."""
        return self.wanted is None or quantity in self.wanted


def instruments(asked: Sequence[Asked]) -> list[Instrument]:
    """One instrument for each estimator that is ``asked`` for, in alphabetical order.

    An estimator that is given, or made by what is given, stands in for the one of the same name.
    Raises GnomonError for an unknown name, when two that are given have one name, and when nothing is asked for.
    """
    if isinstance(asked, str) or not asked:
        raise GnomonError(f"{asked!r} is no list of quantities", mend="give a list such as ['nll']")
    found: dict[str, Instrument] = {}
    for one in asked:
        if isinstance(one, str):
            continue
        instrument = _given(one)
        if instrument.name in found:
            raise GnomonError(f"two estimators are called {instrument.name!r}", mend="use an observer for each")
        found[instrument.name] = instrument
    wanted: dict[str, list[str]] = {}
    for entry in asked:
        if isinstance(entry, str):
            for name in estimators_named([entry]):
                wanted.setdefault(name, []).append(entry)
    for name, entries in wanted.items():
        kind = estimators()[name]
        kept = None if name in entries else frozenset(entries)
        found.setdefault(name, Instrument(name, entries[0], kind.quantities, kept, _of_weights(kind), _maker(kind)))
    return [found[name] for name in sorted(found)]


def _given(one: Estimator | Callable[..., Estimator]) -> Instrument:
    if isinstance(one, Estimator):
        estimator, make = one, _always(one)
    else:
        if not callable(one):
            raise GnomonError(f"{one!r} is no estimator", mend="give a name or an estimator")
        make = _maker(one)
        estimator = make(None)
        if not isinstance(estimator, Estimator):
            raise GnomonError(
                f"{one!r} makes no estimator but {type(estimator).__name__}", mend="give a name or an estimator"
            )
    return Instrument(estimator.name, estimator.name, estimator.quantities, None, _of_weights(estimator), make)


def _of_weights(estimator: Estimator | type[Estimator]) -> bool:
    return not estimator.needs - {"weights"}


def _always(estimator: Estimator) -> Callable[[float | None], Estimator]:
    return lambda _rate: estimator


def _maker(kind: Callable[..., Estimator]) -> Callable[[float | None], Estimator]:
    """``kind`` made with the learning rate, where it has room for one that is not set."""
    try:
        option = inspect.signature(kind).parameters.get(_RATE)
    except ValueError:  # some built-in types do not tell
        option = None
    if option is None or option.default not in (None, inspect.Parameter.empty):
        return lambda _rate: kind()
    return lambda rate: kind(**{_RATE: rate or None})
