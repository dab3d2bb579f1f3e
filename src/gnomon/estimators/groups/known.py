"""Networks built by hand whose spectra over a group are known in closed form."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gnomon.estimators.groups.shares import at_least
from gnomon.measurement import Value
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, Data, Site, Subject
from gnomon.subjects.symmetry import Cyclic, Dihedral, ElementWeights, Group, OneHot, Symmetric, Symmetry

Array = NDArray[np.float64]
Known = tuple[Subject, Data | None, Value]

_MODULUS, _WIDTH = 23, 12


class CompositionNetwork(nn.Module):
    r"""A network that composes two elements of a group by their representations, exactly.

    One-hot a and b become :math:`\alpha_\rho\,\rho(a)` and :math:`\rho(b)`; the score of c is
    :math:`\sum_\rho \alpha_\rho \operatorname{tr}\bigl[\rho(a)\rho(b)\rho(c)^\top\bigr]`, largest where c = ab if some
    of the representations tell all elements apart.

    Parameters
    ----------
    group : the group.
    amplitudes : :math:`\alpha_\rho` by name of the representation; others are not used.
    bias : added to the scores; breaks the symmetry.
    """

    def __init__(self, group: Group, amplitudes: Mapping[str, float], bias: Array | None = None) -> None:
        super().__init__()
        self.order = group.order
        chosen = [irrep for irrep in group.irreps if irrep.name in amplitudes]
        self.sizes = [irrep.dimension for irrep in chosen]
        plain = np.concatenate([irrep.matrices.reshape(group.order, -1) for irrep in chosen], axis=1)
        scales = np.repeat([amplitudes[irrep.name] for irrep in chosen], [d * d for d in self.sizes])
        self.first = linear((plain * scales).T)
        self.second = linear(plain.T)
        self.unembed = linear(plain)
        self.bias = nn.Parameter(torch.from_numpy(np.zeros(group.order) if bias is None else bias))

    def forward(self, x: Tensor) -> Tensor:
        """Scores of all elements, ``(batch, order)``, for ``[e_a; e_b]``, ``(batch, 2 order)``."""
        x = x.to(self.first.weight.dtype)
        squares = [d * d for d in self.sizes]
        firsts = self.first(x[:, : self.order]).split(squares, dim=1)
        seconds = self.second(x[:, self.order :]).split(squares, dim=1)
        products = [
            (a.unflatten(1, (d, d)) @ b.unflatten(1, (d, d))).flatten(1)
            for a, b, d in zip(firsts, seconds, self.sizes, strict=True)
        ]
        scores: Tensor = self.unembed(torch.cat(products, dim=1)) + self.bias
        return scores


def linear(matrix: Array) -> nn.Linear:
    """A linear layer with the given weight, ``(outputs, inputs)``, in float64."""
    outputs, inputs = matrix.shape
    layer = nn.Linear(inputs, outputs, bias=False, dtype=torch.float64, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(matrix)))
    return layer


def embedding_subject(group: Group, rows: Array) -> Subject:
    """A linear layer whose inputs are the elements of ``group``, with ``rows`` for their embeddings."""
    elements = ElementWeights("weight", "inputs", tuple(range(group.order)), "a")
    return Subject(linear(rows.T), symmetry=Symmetry(group=group, weights=(elements,)))


def composition_subject(group: Group, amplitudes: Mapping[str, float], bias: Array | None = None) -> Subject:
    """A `CompositionNetwork` that declares its symmetry."""
    elements = tuple(range(group.order))
    symmetry = Symmetry(
        group=group,
        weights=(
            ElementWeights("first.weight", "inputs", elements, "a"),
            ElementWeights("second.weight", "inputs", elements, "b"),
            ElementWeights("unembed.weight", "outputs", elements, "answer"),
        ),
        operands=(OneHot(0, group.order), OneHot(group.order, group.order)),
    )
    sites = (Site("first", "first"), Site("second", "second"), Site("logits", ""))
    network = CompositionNetwork(group, amplitudes, bias)
    return Subject(network, sites=sites, name=f"composition in {group.name}", symmetry=symmetry)


def frequencies(rng: Rng, chosen: int) -> tuple[Array, Array]:
    """Embeddings of the integers modulo 23 on some frequencies, and the share of each of the eleven."""
    generator = rng.numpy()
    group = Cyclic(_MODULUS)
    picked = generator.choice(np.arange(1, _MODULUS // 2 + 1), size=chosen, replace=False)
    amplitudes = generator.uniform(0.5, 2.0, size=chosen)
    directions = np.linalg.qr(generator.normal(size=(_WIDTH, 2 * chosen)))[0].reshape(_WIDTH, chosen, 2)
    angles = 2 * np.pi * np.arange(group.order)[:, None] * picked / group.order
    waves = np.stack([np.cos(angles), np.sin(angles)], axis=2) * amplitudes[:, None]
    shares = np.zeros(_MODULUS // 2)
    shares[picked - 1] = amplitudes**2 / np.square(amplitudes).sum()
    return np.einsum("gkj,wkj->gw", waves, directions) + generator.normal(size=_WIDTH), shares


def planted_frequencies(rng: Rng) -> Known:
    """Three frequencies of eleven."""
    rows, shares = frequencies(rng, 3)
    return embedding_subject(Cyclic(_MODULUS), rows), None, shares


def planted_number(rng: Rng) -> Known:
    """Six frequencies, of which so many hold 70 %."""
    rows, shares = frequencies(rng, 6)
    number = np.searchsorted(np.cumsum(np.sort(shares)[::-1]), 0.7) + 1
    return embedding_subject(Cyclic(_MODULUS), rows), None, float(number)


def _random_amplitudes(group: Group, rng: Rng) -> tuple[dict[str, float], Array]:
    """An amplitude for every irrep but the trivial one, and the share of power that each then has: α²d."""
    irreps = group.irreps[1:]
    amplitudes = rng.child("amplitudes").numpy().uniform(0.3, 2.0, size=len(irreps))
    power = amplitudes**2 * [irrep.dimension for irrep in irreps]
    return {i.name: float(a) for i, a in zip(irreps, amplitudes, strict=True)}, power / power.sum()


def composition_s4(rng: Rng) -> Known:
    """All irreps of S₄ but the trivial one, by amplitude and dimension."""
    amplitudes, shares = _random_amplitudes(Symmetric(4), rng)
    return composition_subject(Symmetric(4), amplitudes), None, shares


def composition_d5(rng: Rng) -> Known:
    """All irreps of the symmetries of the pentagon but the trivial one."""
    amplitudes, shares = _random_amplitudes(Dihedral(5), rng)
    return composition_subject(Dihedral(5), amplitudes), None, shares


def composition_s3_leading(rng: Rng) -> Known:
    """The larger share of two, in the embedding of the first operand."""
    amplitudes, shares = _random_amplitudes(Symmetric(3), rng)
    return composition_subject(Symmetric(3), amplitudes), None, float(shares.max())


def planted_units(rng: Rng) -> Known:
    """Units that each hold two frequencies in a known proportion."""
    generator = rng.numpy()
    group, half = Cyclic(_MODULUS), _MODULUS // 2
    pairs = np.stack([generator.permutation(half)[:2] + 1 for _ in range(_WIDTH)])
    amplitudes = generator.uniform(0.2, 2.0, size=pairs.shape)
    phases = generator.uniform(0, 2 * np.pi, size=pairs.shape)
    angles = 2 * np.pi * np.arange(group.order)[:, None, None] * pairs / group.order
    rows = (amplitudes * np.cos(angles + phases)).sum(axis=2)
    power = np.square(amplitudes)
    return embedding_subject(group, rows), None, float(power.max(axis=1).sum() / power.sum())


def enumerated(group: Group, rng: Rng, *, units: bool = False) -> Known:
    """How often random embeddings in any order show as large a share, over every order there is."""
    rows = rng.numpy().normal(size=(group.order, 2))
    orders = np.array(list(itertools.permutations(range(group.order))))
    power = group.power((rows - rows.mean(axis=0))[orders])[:, 1:]
    largest = power.max(axis=1).sum(axis=1) if units else power.sum(axis=2).max(axis=1)
    share = largest / power.sum(axis=(1, 2))
    return embedding_subject(group, rows), None, at_least(share, share[0]) / len(share)


def enumerated_c7(rng: Rng) -> Known:
    """Over 5,040 orders."""
    return enumerated(Cyclic(7), rng)


def enumerated_s3(rng: Rng) -> Known:
    """Over 720 orders."""
    return enumerated(Symmetric(3), rng)


def enumerated_units(rng: Rng) -> Known:
    """Over 720 orders, each unit by itself."""
    return enumerated(Symmetric(3), rng, units=True)


def pairs_of(group: Group, n: int, rng: Rng) -> ArrayData:
    """``[e_a; e_b]`` for n random pairs."""
    chosen = rng.numpy().integers(group.order, size=(n, 2))
    return ArrayData(np.eye(group.order, dtype=np.float32)[chosen].reshape(n, -1))


def biased(group: Group, rng: Rng, *, size: float) -> Known:
    r"""Composition with a random bias v: the error in closed form.

    Moving v by a random element takes it to :math:`\bar v` on average, so that the squared error is
    :math:`2(\|v\|^2 - |G|\bar v^2)`. The scores before the bias have squared norm
    :math:`|G|\sum_\rho \alpha_\rho^2 \langle\chi_\rho,\chi_\rho\rangle`, and mean 0 over all pairs.
    """
    irreps = group.irreps[1:]
    amplitudes = rng.child("amplitudes").numpy().uniform(0.3, 2.0, size=len(irreps))
    v = size * rng.child("bias").numpy().normal(size=group.order)
    error = 2 * (np.square(v).sum() - group.order * v.mean() ** 2)
    scores = group.order * float(amplitudes**2 @ [irrep.norm for irrep in irreps])
    named = {irrep.name: float(a) for irrep, a in zip(irreps, amplitudes, strict=True)}
    truth = float(np.sqrt(error / (scores + np.square(v).sum())))
    return composition_subject(group, named, v), pairs_of(group, 200, rng.child("pairs")), truth


def equivariant_s3(rng: Rng) -> Known:
    """Exactly equivariant."""
    return biased(Symmetric(3), rng, size=0.0)


def biased_s3(rng: Rng) -> Known:
    """About a third off."""
    return biased(Symmetric(3), rng, size=0.5)


def biased_c23(rng: Rng) -> Known:
    """About a third off."""
    return biased(Cyclic(23), rng, size=1.0)


class MixedNetwork(nn.Module):
    r"""Scores :math:`h_1(ac^{-1}) + h_2(bc^{-1}) + h_3(abc^{-1})`, each h a sum of characters.

    Each of the three parts is a function of one operand, or of the composition, alone.
    """

    def __init__(self, group: Group, amplitudes: Array) -> None:
        super().__init__()
        characters = np.stack([irrep.character for irrep in group.irreps[1:]])
        quotient = group.table[:, group.inverses]
        # float64 all through: the truth is compared to its rounding
        self.tables = nn.Parameter(torch.from_numpy(np.stack([(a @ characters)[quotient] for a in amplitudes])))
        self.register_buffer("product", torch.from_numpy(group.table))

    def forward(self, x: Tensor) -> Tensor:
        """Scores of all elements, ``(batch, order)``, for ``[e_a; e_b]``, ``(batch, 2 order)``."""
        product: Tensor = self.get_buffer("product")
        a, b = x.reshape(len(x), 2, -1).argmax(dim=2).T
        return self.tables[0][a] + self.tables[1][b] + self.tables[2][product[a, b]]


def mixed(group: Group, rng: Rng) -> tuple[Subject, Data, Array]:
    """A `MixedNetwork`, pairs, and the power of each irrep in each of its parts, ``(3, irreps)``."""
    irreps = group.irreps[1:]
    amplitudes = rng.child("amplitudes").numpy().uniform(0.3, 2.0, size=(3, len(irreps)))
    operands = (OneHot(0, group.order), OneHot(group.order, group.order))
    subject = Subject(
        MixedNetwork(group, amplitudes),
        sites=(Site("logits", ""),),
        name=f"mixture in {group.name}",
        symmetry=Symmetry(group=group, operands=operands),
    )
    return subject, pairs_of(group, 20, rng.child("pairs")), amplitudes**2 * [irrep.norm for irrep in irreps]


def mixed_share(rng: Rng) -> Known:
    """The composition's share of all power."""
    subject, data, power = mixed(Symmetric(3), rng)
    return subject, data, float(power[2].sum() / power.sum())


def mixed_power(rng: Rng) -> Known:
    """The shares of the irreps in what depends on the composition."""
    subject, data, power = mixed(Symmetric(3), rng)
    return subject, data, power[2] / power[2].sum()


def mixed_led(rng: Rng) -> Known:
    """The two largest of five."""
    subject, data, power = mixed(Cyclic(11), rng)
    return subject, data, float(np.sort(power[2])[-2:].sum() / power[2].sum())


def mixed_units(rng: Rng) -> Known:
    """Every unit has the same spectrum, so that its own leading irrep is everybody's."""
    subject, data, power = mixed(Cyclic(11), rng)
    return subject, data, float(power[2].max() / power[2].sum())
