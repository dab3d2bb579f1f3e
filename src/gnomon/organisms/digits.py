"""Handwritten digits that ship with gnomon: real data, small enough to train on in a second."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.randomness import Rng

_Number = TypeVar("_Number", np.float64, np.int64)
_CHECKSUM = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


@dataclass(frozen=True)
class Digits:
    """Images of handwritten digits, and what they show.

    Parameters
    ----------
    images : shape ``(n, 64)``, rows of 8 × 8 images row by row, ink from 0 (none) to 1; float64, read-only.
    classes : shape ``(n,)``, the digits 0 to 9; int64, read-only.

    Source: the test part of "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak (1998), UCI
    Machine Learning Repository, doi:10.24432/C50P49, licensed CC BY 4.0. As scikit-learn, gnomon carries those 1,797
    images, written by 13 people; here the pixels, counts from 0 to 16, are divided by 16.
    """

    images: NDArray[np.float64]
    classes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.classes)

    def split(self, train: int, rng: Rng) -> tuple[Self, Self]:
        """``train`` images drawn without replacement, in random order, and all the others.

        Raises GnomonError when that leaves either part empty.
        """
        if not 0 < train < len(self):
            raise GnomonError(
                f"{train} of {len(self)} images leave a split empty", mend=f"train on 1 to {len(self) - 1}"
            )
        order = rng.numpy().permutation(len(self))
        return self._at(order[:train]), self._at(order[train:])

    def _at(self, rows: NDArray[np.int64]) -> Self:
        return type(self)(_frozen(self.images[rows]), _frozen(self.classes[rows]))


@functools.cache
def digits() -> Digits:
    """All 1,797 images, in the order of the data set.

    Raises GnomonError when the packaged file is damaged. Cost: 5 ms, once a process.

    >>> d = digits()
    >>> d.images.shape, int(d.classes[0])
    ((1797, 64), 0)
    """
    with (files("gnomon.organisms") / "data" / "digits.npz").open("rb") as file:
        packed = np.load(file, allow_pickle=False)
        pixels, classes = packed["pixels"], packed["classes"]
    if hashlib.sha256(pixels.tobytes() + classes.tobytes()).hexdigest() != _CHECKSUM:
        raise GnomonError("the packaged digits are not those of the data set", mend="reinstall gnomon")
    return Digits(_frozen(pixels / 16.0), _frozen(classes.astype(np.int64)))


def _frozen(array: NDArray[_Number]) -> NDArray[_Number]:
    array.flags.writeable = False
    return array
