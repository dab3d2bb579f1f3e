"""A subject's predictions as a function of its parameters."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from gnomon.errors import GnomonError
from gnomon.subjects.batch import Batch
from gnomon.subjects.losses import Predictions
from gnomon.subjects.subject import Subject
from gnomon.subjects.untouched import seeded

Parameters = dict[str, Tensor]


class Parametric:
    r"""The function :math:`\theta \mapsto f_\theta(x)` of a subject, for `torch.func` and for sampling.

    The subject is never written to: its parameters are read once, and others are put in their place for the length
    of a call. Parameters are ordered as in ``named_parameters`` and those that are shared count once.

    Parameters
    ----------
    subject : needs at least one parameter that requires a gradient.

    Attributes
    ----------
    parameters : the trainable ones as they are, detached, by name.
    dimension : how many numbers they hold.

    Raises
    ------
    GnomonError : when nothing is trainable.

    >>> from gnomon.subjects import ArrayData, SquaredError
    >>> data = ArrayData(torch.ones(1, 2), torch.zeros(1, 1))
    >>> line = Parametric(Subject(nn.Linear(2, 1, bias=False), loss=SquaredError()))
    >>> with line.computing():
    ...     line.losses(line.split(torch.tensor([1.0, 2.0])), data.batch([0]))
    tensor([9.])
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.parameters = trainable(subject)
        if not self.parameters:
            raise GnomonError(f"{subject.name} has no trainable parameters", mend="set requires_grad on some")
        self._sizes = [p.numel() for p in self.parameters.values()]
        self.dimension = sum(self._sizes)
        self._calling = _Calling(subject)

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """Inside, the function is deterministic and can be differentiated twice and batched: evaluation mode,
        attention without fused kernels (which have no second derivative), and the same random numbers, if any.
        """
        with self.subject.evaluating(), sdpa_kernel(SDPBackend.MATH), seeded(0, self.subject.device):
            yield

    def output(self, parameters: Parameters, batch: Batch) -> Tensor:
        """What the network returns for ``batch`` with ``parameters`` in place of its own."""
        called = functional_call(self._calling, {f"network.{n}": p for n, p in parameters.items()}, (batch,))
        assert isinstance(called, Tensor)
        return called

    def predictions(self, parameters: Parameters, batch: Batch) -> Predictions:
        """Scores and targets of ``batch``. Raises GnomonError when the subject has no loss."""
        if self.subject.loss is None:
            raise GnomonError(f"{self.subject.name} has no loss", mend="give the subject a loss")
        return self.subject.loss.predictions(self.output(parameters, batch), batch)

    def losses(self, parameters: Parameters, batch: Batch) -> Tensor:
        """Loss of each prediction of ``batch``, ``(predictions,)``."""
        predictions = self.predictions(parameters, batch)
        assert self.subject.loss is not None
        return self.subject.loss.values(predictions)

    def split(self, vector: Tensor) -> Parameters:
        """A flat vector ``(dimension,)`` as a tensor for each parameter, in that parameter's precision."""
        parts = torch.split(vector, self._sizes)
        return {n: v.to(p.dtype).view_as(p) for (n, p), v in zip(self.parameters.items(), parts, strict=True)}


class _Calling(nn.Module):
    """A subject's output as a module, whose parameters `functional_call` can replace."""

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self.network = subject.module
        self._subject = subject

    def forward(self, batch: Batch) -> Tensor:
        return self._subject.output(batch)


def trainable(subject: Subject) -> Parameters:
    """The parameters that require a gradient, detached, in the module's order."""
    return {n: p.detach() for n, p in subject.module.named_parameters() if p.requires_grad}


def flat(parameters: Mapping[str, Tensor]) -> Tensor:
    """All parameters one after another, in float64."""
    return torch.cat([p.reshape(-1).double() for p in parameters.values()])
