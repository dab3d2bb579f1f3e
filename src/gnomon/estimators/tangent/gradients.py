"""Gradients of a network's scores, example by example, in the form in which they are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.graph import GradientEdge

from gnomon.errors import GnomonError
from gnomon.estimators.tangent.factors import Dense, Factor, Outer
from gnomon.estimators.tangent.pieces import Layout, Lookup, Piece, Product, examples_first
from gnomon.estimators.tangent.predictions import Chosen, gathered, scored
from gnomon.estimators.tangent.recording import Call, Recording
from gnomon.subjects import Subject
from gnomon.subjects.memory import PeakMemory

_PROBED = 3
# a relative difference between gradients found in two ways that rounding does not explain, as a power of epsilon
_AGREEMENT = 0.6
_MAX_EXAMPLES = 256
_OTHERS = "others"


class MemoryLimitError(GnomonError):
    """The gradients of a single example need more than may be held."""


class Gradients:
    """Gradients of the scores of the chosen predictions, along ``directions``, by parameter.

    Parameters
    ----------
    subject : its own parameters are differentiated, and left as they are.
    directions : ``(outputs, classes)``; ``None`` for each class by itself.
    max_bytes : bound on what a block's forward and backward passes hold.

    Attributes
    ----------
    examples, slots, outputs : how many examples, predictions of each, and scalars of each prediction.
    structured : parameters whose layers are known, and were verified.
    others : parameters whose gradients are taken one example at a time.
    """

    def __init__(self, subject: Subject, chosen: Chosen, directions: Tensor | None, max_bytes: int) -> None:
        self._subject = subject
        self._chosen = chosen
        self._max_bytes = max_bytes
        self._parameters = {n: p for n, p in subject.module.named_parameters() if p.requires_grad}
        if not self._parameters:
            raise GnomonError(f"{subject.name} has no trainable parameters", mend="set requires_grad on some")
        self._directions = directions
        self.examples, self.slots = len(chosen.places), chosen.slots
        self.outputs = chosen.classes if directions is None else len(directions)
        self.structured: set[str] = set(self._parameters)
        self._layouts: tuple[Layout, ...] = ()
        self._transposed: frozenset[str] = frozenset()
        self._outer: set[str] = set()
        self._biases: dict[str, str] = {}
        self._investigate()
        self._measure()

    @property
    def others(self) -> list[str]:
        """In the module's order."""
        return [n for n in self._parameters if n not in self.structured]

    def bytes(self, examples: int, outputs: int) -> int:
        """What the factors of so many of the longest examples and outputs hold."""
        return int(examples * (self._bytes_example + outputs * self.slots * self._bytes_row)) + 1

    def blocks(self, outputs: int, max_bytes: int) -> list[NDArray[np.int64]]:
        """The examples, similar lengths together, in blocks that can be computed within the limits."""
        each = self.bytes(1, outputs)
        by_factors = max_bytes // each
        by_passes = 1 + max(0, self._max_bytes // 4 - self._pass_first) // self._pass_next
        count = int(max(1, min(by_factors, by_passes, _MAX_EXAMPLES)))
        order = np.argsort(self._chosen.data.lengths, kind="stable")
        return [order[i : i + count] for i in range(0, self.examples, count)]

    def factors(self, examples: NDArray[np.int64], outputs: range) -> Mapping[str, Factor]:
        """The gradients of these examples' predictions along these outputs, by parameter."""
        found: dict[str, Factor] = {}
        if self.structured:
            found |= self._by_layers(examples, outputs)
        if self.others:
            found[_OTHERS] = Dense(torch.stack([self._one_example(int(i), outputs) for i in examples]))
        return found

    def _cotangents(self, outputs: range, like: Tensor) -> Tensor:
        """``(outputs, classes)`` weights of the scores."""
        if self._directions is None:
            return torch.eye(self._chosen.classes, dtype=like.dtype, device=like.device)[outputs.start : outputs.stop]
        return self._directions[outputs.start : outputs.stop].to(like)

    def _scores(self, examples: NDArray[np.int64], recording: Recording | None) -> Tensor:
        """``(examples, slots, classes)`` chosen scores, watched."""
        batch = self._chosen.data.batch(examples).to(self._subject.device)
        if recording is None:
            predictions = scored(self._subject, batch)
        else:
            with recording:
                predictions = scored(self._subject, batch)
        scores = gathered(predictions, [self._chosen.places[i] for i in examples], self.slots)
        return scores if scores.requires_grad else scores.requires_grad_()  # of no parameter: all gradients are zero

    def _recording(self, batch: int, layouts: Sequence[Layout] | None) -> Recording:
        watched = {id(self._parameters[n]): n for n in self.structured}
        return Recording(watched, batch, layouts, self._transposed)

    def _by_layers(self, examples: NDArray[np.int64], outputs: range) -> dict[str, Factor]:
        recording = self._recording(len(examples), self._layouts)
        scores = self._scores(examples, recording)
        if recording.others or recording.overwritten() or len(recording.calls) != len(self._layouts):
            raise GnomonError(
                f"{self._subject.name} runs other layers for other examples", mend="give examples of one kind"
            )
        pieces = [(p, call) for call in recording.calls for p in call.pieces]
        edges = [call.edge for call in recording.calls]
        place = {id(call): i for i, call in enumerate(recording.calls)}
        rows: dict[str, list[Tensor]] = {n: [] for n in self.structured if n not in self._biases.values()}
        for slot in range(self.slots):
            for weights in self._cotangents(outputs, scores):
                target = (scores[:, slot] * weights).sum()
                grads = _pulled(target, edges)
                done: dict[str, Tensor] = {}
                for piece, call in pieces:
                    grad = grads[place[id(call)]]
                    if grad is None:
                        continue
                    grad = examples_first(grad, call.layout, len(examples))
                    name = piece.parameter
                    if name in self._biases.values():
                        continue
                    if name in self._outer:
                        assert isinstance(piece, (Product, Lookup))
                        done[name] = piece.outputs(grad)
                    else:
                        more = piece.gradient(grad)
                        done[name] = done[name] + more if name in done else more
                for name in rows:
                    rows[name].append(done[name] if name in done else self._zero(name, pieces, len(examples), scores))
        by_parameter = {piece.parameter: piece for piece, _ in pieces}
        return {name: self._factor(by_parameter.get(name), name, rows[name]) for name in rows}

    def _zero(self, name: str, pieces: Sequence[tuple[Piece, Call]], batch: int, like: Tensor) -> Tensor:
        parameter = self._parameters[name]
        if name not in self._outer:
            return like.new_zeros(batch, parameter.numel(), dtype=parameter.dtype)
        piece = next(p for p, _ in pieces if p.parameter == name)
        if isinstance(piece, Lookup):
            return like.new_zeros(batch, piece.tokens.shape[1], parameter.shape[1], dtype=parameter.dtype)
        assert isinstance(piece, Product)
        width = parameter.shape[1 if piece.input_major else 0]
        return like.new_zeros(batch, piece.inputs.shape[1], width, dtype=parameter.dtype)

    def _factor(self, piece: Piece | None, name: str, rows: Sequence[Tensor]) -> Factor:
        stacked = torch.stack(list(rows), dim=1)
        stacked = stacked.reshape(len(stacked), self.slots, -1, *stacked.shape[2:])
        if name not in self._outer:
            return Dense(stacked)
        if isinstance(piece, Lookup):
            return Outer(piece.tokens, stacked, piece.vocabulary)
        assert isinstance(piece, Product)
        inputs = piece.inputs
        if name in self._biases:
            inputs = torch.cat([inputs, torch.ones_like(inputs[..., :1])], dim=2)
        return Outer(inputs, stacked)

    def _one_example(self, example: int, outputs: range) -> Tensor:
        """``(slots, outputs, size)``: gradients with respect to all the other parameters, one after another."""
        scores = self._scores(np.array([example]), None)[0]
        weights = self._cotangents(outputs, scores)
        others = [self._parameters[n] for n in self.others]
        every = torch.eye(self.slots, dtype=scores.dtype, device=scores.device)
        cotangents = torch.einsum("st,oc->sotc", every, weights).flatten(0, 1)
        grads = torch.autograd.grad(scores, others, cotangents, is_grads_batched=True, allow_unused=True)
        rows = [
            p.new_zeros(len(cotangents), p.numel()) if g is None else g.reshape(len(cotangents), -1)
            for p, g in zip(others, grads, strict=True)
        ]
        return torch.cat(rows, dim=1).reshape(self.slots, len(weights), -1)

    def _probe(self) -> NDArray[np.int64]:
        """The longest example and a few others."""
        longest = int(np.argmax(self._chosen.data.lengths))
        rest = [i for i in range(self.examples) if i != longest and len(self._chosen.places[i])]
        return np.array([longest, *rest[: _PROBED - 1]], dtype=np.int64)

    def _investigate(self) -> None:
        """Find out which parameters' layers are known, and verify each against automatic differentiation."""
        examples = self._probe()
        while self.structured:
            recording = self._recording(len(examples), None)
            scores = self._scores(examples, recording)
            wrong = recording.others | recording.overwritten()
            if wrong:
                self.structured -= wrong
                continue
            wrong = self._disagreeing(recording.calls, scores)
            if not wrong:
                self._layouts = tuple(call.layout for call in recording.calls)
                self._choose_forms(recording.calls)
                return
            again = {p.parameter for call in recording.calls if call.ambiguous for p in call.pieces}
            again -= self._transposed
            self.structured -= wrong - again
            self._transposed |= wrong & again

    def _disagreeing(self, calls: Sequence[Call], scores: Tensor) -> set[str]:
        """Parameters whose gradients from their layers are not those of automatic differentiation."""
        generator = torch.Generator().manual_seed(0)
        weights = torch.randn(scores.shape, generator=generator).to(scores)
        watched = {n: self._parameters[n] for n in self._parameters if n in self.structured}
        edges = [call.edge for call in calls]
        grads = _pulled((scores * weights).sum(), edges)
        wrong: set[str] = set()
        for row in range(len(scores)):
            truth = torch.autograd.grad(
                (scores[row] * weights[row]).sum(), list(watched.values()), retain_graph=True, allow_unused=True
            )
            # what is zero but for rounding agrees
            whole = sum(float(t.double().square().sum()) for t in truth if t is not None) ** 0.5
            found: dict[str, Tensor] = {}
            for call, grad in zip(calls, grads, strict=True):
                if grad is None:
                    continue
                mine = examples_first(grad, call.layout, len(scores))
                for piece in call.pieces:
                    gradient = piece.gradient(mine)[row]
                    found[piece.parameter] = found.get(piece.parameter, torch.zeros_like(gradient)) + gradient
            for (name, parameter), true in zip(watched.items(), truth, strict=True):
                true = torch.zeros_like(parameter) if true is None else true
                claimed = found.get(name, torch.zeros_like(true).reshape(-1))
                off = (claimed - true.reshape(-1)).double().norm()
                eps = torch.finfo(true.dtype).eps
                if not float(off) <= eps**_AGREEMENT * float(true.double().norm()) + 64 * eps * whole:
                    wrong.add(name)
        return wrong

    def _choose_forms(self, calls: Sequence[Call]) -> None:
        """Keep outer products apart where that takes less memory than writing the gradient out."""
        pieces = [p for c in calls for p in c.pieces]
        names = [p.parameter for p in pieces]
        rows = self.slots * self.outputs
        for piece in pieces:
            if names.count(piece.parameter) > 1:
                continue
            whole = rows * self._parameters[piece.parameter].numel()
            if isinstance(piece, Lookup):
                positions = piece.tokens.shape[1]
                apart = rows * positions * self._parameters[piece.parameter].shape[1]
            elif isinstance(piece, Product) and piece.groups == 1:
                positions = piece.inputs.shape[1]
                width = self._parameters[piece.parameter].shape[1 if piece.input_major else 0]
                apart = positions * piece.inputs.shape[2] + rows * positions * width
            else:
                continue
            if positions == 1 or apart < whole:
                self._outer.add(piece.parameter)
        for call in calls:
            # a bias is the weight of an input that is always 1
            if len(call.pieces) == 2 and isinstance(call.pieces[0], Product):
                weight, bias = (p.parameter for p in call.pieces)
                if weight in self._outer and names.count(bias) == 1:
                    self._biases[weight] = bias

    def _measure(self) -> None:
        """How much memory passes and factors take, from the longest example alone and with another."""
        known = (*self._subject.module.parameters(), *self._subject.module.buffers())
        peaks, held = [], (0, 0)
        longest = self._probe()[0]
        for examples in ([longest], [longest, longest]):
            memory = PeakMemory(known)
            with memory:
                factors = self.factors(np.array(examples, dtype=np.int64), range(0, 1))
            peaks.append(memory.peak)
            held = _held(factors.values())
        n, rows = 2, 2 * self.slots
        self._bytes_example, self._bytes_row = held[0] / n, held[1] / rows
        self._pass_first, self._pass_next = peaks[0], max(1, peaks[1] - peaks[0])
        if peaks[0] > self._max_bytes:
            raise MemoryLimitError(
                f"the gradients of one example of {int(self._chosen.data.lengths[longest])} positions need "
                f"{peaks[0] / 2**20:.0f} MiB, the limit is {self._max_bytes / 2**20:.0f} MiB",
                mend="raise the memory limit or shorten the texts",
            )


def _pulled(target: Tensor, edges: Sequence[GradientEdge]) -> tuple[Tensor | None, ...]:
    """Gradients of ``target`` at ``edges``, of which there are none where no layer is known; the graph is kept."""
    return torch.autograd.grad(target, edges, retain_graph=True, allow_unused=True) if edges else ()


def _held(factors: Iterable[Factor]) -> tuple[int, int]:
    """Bytes that examples hold whatever their outputs, and those of their outputs."""
    shared, rows = 0, 0
    for factor in factors:
        if isinstance(factor, Dense):
            rows += factor.rows.nbytes
        elif isinstance(factor, Outer):
            shared += factor.inputs.nbytes
            rows += factor.outputs.nbytes
    return shared, rows
