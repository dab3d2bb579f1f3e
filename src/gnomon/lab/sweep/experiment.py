"""An experiment: a function from a spec to an outcome, by name."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.lab.spec import Spec
from gnomon.lab.store import Outcome

S = TypeVar("S", bound=Spec)

_registered: dict[str, Experiment[Any]] = {}


@dataclass(frozen=True, kw_only=True)
class Experiment(Generic[S]):
    """A pure function from a spec to an outcome, which every executor can run in a process of its own.

    Parameters
    ----------
    name : unique; part of the key of every point.
    spec : type of its specs. A spec holds everything that decides the outcome, the seed too.
    run : the function. It takes one spec and draws randomness from generators made from the spec's seed only.
    together : the same for several specs at once (say by ``torch.func``), each outcome equal to that of `run`
        within float tolerance; ``None`` where there is no faster way than one after the other. Where `run` would
        raise a `GnomonError`, it gives that error in the place of the outcome.
    alike : specs with equal ``alike(spec)`` may go into one call of ``together``; ``None``: all may.
    shortened : a spec of the same kind that takes a small share of the time (a few steps). By it a worker finds out
        whether ``together`` is the faster way on its machine; ``None``: it always is.
    """

    name: str
    spec: type[S]
    run: Callable[[S], Outcome]
    together: Callable[[Sequence[S]], Sequence[Outcome | GnomonError]] | None = None
    alike: Callable[[S], Hashable] | None = None
    shortened: Callable[[S], S] | None = None

    def kind_of(self, spec: S) -> Hashable:
        """The same for all specs that may go into one call of ``together``."""
        return None if self.alike is None else self.alike(spec)

    @property
    def module(self) -> str:
        """Where it is defined; importing that registers it, in whatever process."""
        return self.run.__module__


def experiment(
    name: str,
    *,
    together: Callable[[Sequence[Any]], Sequence[Outcome | GnomonError]] | None = None,
    alike: Callable[[Any], Hashable] | None = None,
    shortened: Callable[[Any], Any] | None = None,
) -> Callable[[Callable[[S], Outcome]], Callable[[S], Outcome]]:
    """Decorator: register a function of one spec, whose type is taken from its annotation, as an experiment.

    Raises GnomonError when the name is taken or the argument is not annotated with a subclass of `Spec`.
    """

    def register(run: Callable[[S], Outcome]) -> Callable[[S], Outcome]:
        made = Experiment(
            name=name, spec=_spec_of(name, run), run=run, together=together, alike=alike, shortened=shortened
        )
        present = _registered.setdefault(name, made)
        if (present.module, present.run.__qualname__) != (made.module, run.__qualname__):
            raise GnomonError(f"experiment {name!r} is already registered", mend="choose another name")
        _registered[name] = made
        return run

    return register


def _spec_of(name: str, run: Callable[[S], Outcome]) -> type[S]:
    kinds = [p.annotation for p in inspect.signature(run, eval_str=True).parameters.values()]
    if len(kinds) != 1 or not (isinstance(kinds[0], type) and issubclass(kinds[0], Spec)):
        raise GnomonError(f"experiment {name!r} does not take one Spec", mend="annotate its argument")
    return cast(type[S], kinds[0])


def experiments() -> dict[str, Experiment[Any]]:
    """Every experiment of the modules that were imported so far, by name."""
    return dict(sorted(_registered.items()))


def experiment_named(name: str, module: str = "") -> Experiment[Any]:
    """The experiment called ``name``; ``module`` is imported first. Raises UnknownNameError that lists the nearest."""
    if module and name not in _registered:
        importlib.import_module(module)
    if name not in _registered:
        raise UnknownNameError("experiment", name, _registered)
    return _registered[name]
