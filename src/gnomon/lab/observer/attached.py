"""What the callbacks of all training frameworks have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.lab.observer.observer import Observer
from gnomon.lab.observer.undisturbed import undisturbed, unwrapped
from gnomon.subjects import Subject


class Attached:
    """An observer that is attached to the network of a trainer; before `begin` it sees nothing."""

    def __init__(self, observer: Observer, make: Callable[[nn.Module], Subject]) -> None:
        self._observer = observer
        self._make = make
        self._subject: Subject | None = None

    def begin(self, module: nn.Module) -> None:
        """Make the subject. Raises GnomonError when the network cannot be measured."""
        inner = unwrapped(module)
        sharded = next((n for n, p in inner.named_parameters() if _is_sharded(p)), None)
        if sharded is not None:
            raise GnomonError(
                f"weight {sharded!r} is spread over several devices", mend="observe a run that keeps whole copies"
            )
        with undisturbed(inner):
            self._subject = self._make(inner)

    def see(self, step: int, *, loss: float | Tensor | None = None, learning_rate: float | None = None) -> None:
        """Call the observer."""
        if self._subject is not None:
            self._observer(step, self._subject, loss=loss, learning_rate=learning_rate)

    def end(self, step: int | None, *, learning_rate: float | None = None) -> None:
        """Tell the observer that training has ended, with the network of ``step`` if that is still there."""
        if self._subject is not None:
            subject = None if step is None else self._subject
            self._observer.finish(step, subject, learning_rate=learning_rate)
            self._subject = None


def learning_rate_of(optimizer: Any) -> float | None:
    """The largest learning rate of an optimiser's groups."""
    groups = getattr(optimizer, "param_groups", None) or ()
    rates = [float(g["lr"]) for g in groups if g.get("lr") is not None]
    return max(rates, default=None)


def _is_sharded(parameter: Tensor) -> bool:
    """Whether it is a piece of a tensor (FSDP, ZeRO): such parameters are DTensors, or have a DeepSpeed id."""
    return hasattr(parameter, "ds_id") or type(parameter).__name__ in ("DTensor", "FlatParameter")
