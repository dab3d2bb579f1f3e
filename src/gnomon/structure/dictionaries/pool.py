"""The training pool: rows of a long stream, shuffled within a window that fits in memory."""

from __future__ import annotations

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.rows import Rows


class Pool:
    """Batches of rows in an order that depends on the seed and the batch's number only.

    The stream of each epoch is cut into windows of at most ``size`` rows. A window is read and handed out in batches
    of rows drawn from all of it; what is left at the end of an epoch, less than a batch, is passed over in that epoch.
    No state but the window itself is kept, so any batch can be asked for, and one asked for again has the same bits.
    Where all rows fit into one window they are read once.

    Parameters
    ----------
    batch : rows of a batch.
    size : of a window, at least a batch. It takes ``4 (d + e) size`` bytes.

    Raises
    ------
    GnomonError : when there are fewer rows than a batch has, or a row read is NaN or infinite.
    """

    def __init__(self, rows: Rows, *, batch: int, size: int, rng: Rng) -> None:
        if len(rows) < batch:
            raise GnomonError(
                f"{len(rows)} rows do not fill a batch of {batch}", mend="give more rows or a lower batch"
            )
        self._rows = rows
        self._batch = batch
        self._rng = rng.child("pool")
        self._window = max(1, size // batch)  # in batches
        self._held: tuple[tuple[int, int], Tensor, Tensor] | None = None
        self._order: tuple[tuple[int, int], Tensor] | None = None

    @property
    def batches(self) -> int:
        """Batches in an epoch."""
        return len(self._rows) // self._batch

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """Inputs ``(batch, d)`` and targets ``(batch, e)`` of the batch ``number`` of the endless stream."""
        epoch, within = divmod(number, self.batches)
        window, place = divmod(within, self._window)
        inputs, targets = self.window(epoch, window)
        if self._order is None or self._order[0] != (epoch, window):
            generator = self._rng.child("window", epoch, window).torch()
            self._order = (epoch, window), torch.randperm(len(inputs), generator=generator).to(inputs.device)
        chosen = self._order[1][place * self._batch : (place + 1) * self._batch]
        batch = inputs[chosen]
        return batch, batch if targets is inputs else targets[chosen]

    def window(self, epoch: int, window: int) -> tuple[Tensor, Tensor]:
        """All rows of a window, in the order in which they are read."""
        size = self._window * self._batch
        start, stop = window * size, min((window + 1) * size, self.batches * self._batch)
        if self._window >= self.batches:
            # all of them, so that those passed over differ from epoch to epoch
            epoch, stop = 0, len(self._rows)
        if self._held is None or self._held[0] != (epoch, window):
            self._held = None  # its memory is free before the next is read
            inputs, targets = self._rows.read(epoch, start, stop, self._rng)
            for name, rows in (("inputs", inputs), ("targets", targets)):
                # a sum is finite unless a number is not (or it overflows), and costs far less than looking at each
                if not bool(torch.isfinite(rows.sum())) and not bool(torch.isfinite(rows).all()):
                    raise GnomonError(f"{name} hold NaN or infinite numbers", mend="leave out such rows")
            self._held = (epoch, window), inputs, targets
        return self._held[1:]
