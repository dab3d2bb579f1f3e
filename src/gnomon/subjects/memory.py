"""How much memory a computation holds at its peak."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class PeakMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensor storages that are made inside and alive at once.

    ``known`` are tensors that exist already (weights), which are not counted. What a kernel allocates for itself
    and frees before it returns is not seen. Raises MemoryError as soon as more than ``limit`` bytes are held.

    Attributes
    ----------
    trace : bytes held after each operation so far.

    >>> x = torch.zeros(1000)
    >>> with PeakMemory([x]) as memory:
    ...     for _ in range(3):
    ...         y = x + 1
    >>> memory.peak  # the new y and, until it is replaced, the one before
    8000
    """

    def __init__(self, known: Iterable[Tensor], *, limit: int | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.trace: list[int] = []
        self._limit = limit
        self._now = 0
        self._alive = {t.untyped_storage()._cdata: 0 for t in known}

    @property
    def peak(self) -> int:
        """Largest number of bytes held at once, so far."""
        return max(self.trace, default=0)

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run ``func`` and count what it made."""
        del types
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        self.trace.append(self._now)
        if self._limit is not None and self._now > self._limit:
            raise MemoryError(f"more than {self._limit} bytes are held")
        return made

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._alive:
            self._alive[key] = storage.nbytes()
            self._now += storage.nbytes()
            weakref.finalize(storage, self._release, key).atexit = False

    def _release(self, key: int) -> None:
        self._now -= self._alive.pop(key)
