"""An organism: a network of which all that it was taught is known, and its file."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.organisms.modular import ModularAddition, ModularMultiplication
from gnomon.organisms.recipe import Recipe
from gnomon.organisms.transformer import ModularTransformer
from gnomon.subjects import ArrayData, Subject

Split = Literal["train", "test"]
_FORMAT = "gnomon organism 1"
_RECIPES: tuple[type[Recipe], ...] = (ModularAddition, ModularMultiplication, ModularTransformer)
_KINDS = {recipe.model_fields["kind"].default: recipe for recipe in _RECIPES}
_CURVES = ("train_loss", "train_accuracy", "test_accuracy")


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """What training itself saw, at every step from 0 (before the first update) to the last; each ``(steps + 1,)``."""

    train_loss: NDArray[np.float64]
    train_accuracy: NDArray[np.float64]
    test_accuracy: NDArray[np.float64]

    def first_step(self, split: Split, accuracy: float = 0.99) -> int | None:
        """The first step at which accuracy on ``split`` is at least ``accuracy``; ``None`` if there is none."""
        curve = self.train_accuracy if split == "train" else self.test_accuracy
        reached = np.flatnonzero(curve >= accuracy)
        return int(reached[0]) if len(reached) else None


@dataclass(frozen=True, kw_only=True, eq=False)
class Organism:
    """A trained network, its recipe, all of its data and the course of its training.

    ``save`` and ``load`` keep it in one safetensors file, which holds the recipe as JSON, the weights, the indices
    of the training pairs and the history, under a checksum.
    """

    spec: Recipe
    module: nn.Sequential
    train: ArrayData
    test: ArrayData
    history: History

    def subject(self, split: Split = "test") -> Subject:
        """The network as a subject, with the loss it was trained on and the examples of ``split``."""
        return self.spec.subject(self.module, self.train if split == "train" else self.test)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write to ``path``: under a temporary name beside it, then renamed, so that it is whole or absent.

        Raises GnomonError when the file cannot be written.
        """
        target = Path(path)
        tensors = {f"weights.{n}": t.detach().cpu().contiguous() for n, t in self.module.state_dict().items()}
        tensors |= {f"history.{c}": torch.from_numpy(getattr(self.history, c)) for c in _CURVES}
        tensors["train_pairs"] = torch.from_numpy(self.spec.pairs(self.train))
        spec = self.spec.model_dump_json()
        content = save(tensors, {"format": _FORMAT, "spec": spec, "checksum": _checksum(spec, tensors)})
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except OSError as error:
            raise GnomonError(f"cannot write {target}: {error.strerror}", mend="give a writable path") from error
        finally:
            temporary.unlink(missing_ok=True)
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Organism:
        """Read what `save` wrote, bit for bit. Raises GnomonError when the file is absent, foreign or damaged."""
        source = Path(path)
        if not source.is_file():
            raise GnomonError(f"no file {str(source)!r}", mend="give the path of a saved organism")
        try:
            with safe_open(source, framework="pt") as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        except (SafetensorError, OSError) as error:
            raise GnomonError(f"{source} is not a readable safetensors file: {error}", mend="save it anew") from error
        if header.get("format") != _FORMAT:
            raise GnomonError(f"{source} holds no organism", mend="give a file that Organism.save wrote")
        if header.get("checksum") != _checksum(header.get("spec", ""), tensors):
            raise GnomonError(f"{source} is damaged: its checksum does not match", mend="save it anew")
        values = json.loads(header["spec"])
        spec = _KINDS[values["kind"]].model_validate(values)
        module = spec.network()
        module.load_state_dict({n.removeprefix("weights."): t for n, t in tensors.items() if n.startswith("weights.")})
        train, test = spec.data(tensors["train_pairs"].numpy())
        history = History(**{c: tensors[f"history.{c}"].numpy() for c in _CURVES})
        return cls(spec=spec, module=module, train=train, test=test, history=history)


def _checksum(spec: str, tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(spec.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
