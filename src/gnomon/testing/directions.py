"""`check_method`: the contract of a method that finds directions, one check a function."""

from __future__ import annotations

import pickle
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass, replace
from typing import Any

import numpy as np
import torch

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.directions.known import Planted
from gnomon.structure.directions.mean_difference import label_slope
from gnomon.structure.directions.method import Method
from gnomon.structure.examples import Examples
from gnomon.structure.subspace import Subspace
from gnomon.testing.conformance import ConformanceError
from gnomon.testing.documentation import check_definition

_SHAPES = ((40, 12), (16, 60))  # more examples than dimensions, and fewer
_SAME = 1e-6  # radians
_FOUND = 0.9
_SCALES = (1e-3, 1e3)


def method_checks() -> dict[str, Callable[[type[Method]], None]]:
    """The checks by name, e.g. for ``pytest.mark.parametrize``."""
    found = (
        check_words,
        check_subspace,
        check_sign,
        check_frame,
        check_scale,
        check_purity,
        check_draws,
        check_ranks,
        check_hard_input,
        check_share,
        check_recovery,
    )
    return {check.__name__: check for check in found}


def check_method(kind: type[Method]) -> None:
    """Raise ConformanceError unless ``kind``, with its default options, keeps the contract of `Method`.

    That its directions are right where it says so is for its own tests to show.
    """
    problems = []
    for name, check in method_checks().items():
        try:
            check(kind)
        except Exception as error:  # noqa: BLE001 - whatever a method raises is a finding
            problems.append(f"{name}: {type(error).__name__}: {error}")
    if problems:
        raise ConformanceError(f"{kind.__name__} does not conform:\n" + "\n".join(f"  {p}" for p in problems))


def check_words(kind: type[Method]) -> None:
    """Its name is snake_case; source and definition are stated; it is a frozen dataclass, its options with defaults."""
    assert re.fullmatch(r"[a-z][a-z0-9_]*", kind.name), f"the name {kind.name!r} is not snake_case"
    assert kind.source.strip(), "it has no source"
    assert kind.most is None or kind.most >= 1, f"a highest rank of {kind.most}"
    check_definition(kind)
    assert is_dataclass(kind), "it is no dataclass"
    assert kind.__dataclass_params__.frozen, "it is not frozen"
    kind()


def check_subspace(kind: type[Method]) -> None:
    """Directions are orthonormal, as many as asked for, with finite strengths that do not rise.

    Of more than one it may say that they are not there.
    """
    for examples in _cases():
        for rank in (1, 2):
            try:
                found = _found(kind(), examples, rank)
            except GnomonError:
                if rank == 1:
                    raise
                continue
            assert found.basis.shape == (examples.inputs.shape[1], rank), f"a basis {tuple(found.basis.shape)}"
            assert found.basis.dtype == torch.float64, f"a basis in {found.basis.dtype}"
            assert abs(float(found.direction.norm()) - 1) < _SAME, "the direction is not of unit length"
            assert bool(torch.isfinite(found.strengths).all()), "strengths are not finite"
            assert bool((found.strengths.diff() <= 0).all()), "strengths rise"


def check_sign(kind: type[Method]) -> None:
    """The first direction points to where labels are higher; with the classes swapped, the other way."""
    for examples in _cases():
        found = _found(kind(), examples)
        rising = label_slope(examples.inputs, examples.labels) @ found.direction
        assert bool(rising >= 0), "the direction points to where labels are lower"
        swapped = _found(kind(), replace(examples, labels=-examples.labels))
        gap = float((found.direction + swapped.direction).norm())
        assert gap < _SAME, f"with the classes swapped the direction is off its opposite by {gap:.2g}"


def check_frame(kind: type[Method]) -> None:
    """Inputs turned and moved as a whole give the direction, turned."""
    for examples in _cases():
        d = examples.inputs.shape[1]
        turn = torch.linalg.qr(_normal(7, d, d)).Q
        moved = replace(
            examples,
            inputs=examples.inputs @ turn.T + 3 * _normal(8, d),
            gradients=None if examples.gradients is None else examples.gradients @ turn.T,
        )
        gap = float((turn @ _found(kind(), examples).direction - _found(kind(), moved).direction).norm())
        assert gap < _SAME, f"turned and moved inputs give a direction that is off by {gap:.2g}"


def check_scale(kind: type[Method]) -> None:
    """Inputs in another unit give the same direction."""
    for examples in _cases():
        for scale in _SCALES:
            scaled = replace(
                examples,
                inputs=scale * examples.inputs,
                gradients=None if examples.gradients is None else examples.gradients / scale,
            )
            gap = float((_found(kind(), examples).direction - _found(kind(), scaled).direction).norm())
            assert gap < _SAME, f"inputs times {scale:g} give a direction that is off by {gap:.2g}"


def check_purity(kind: type[Method]) -> None:
    """The same examples and rng give the same, also after pickling; inputs and global random states stay."""
    for examples in _cases():
        inputs, states = examples.inputs.clone(), _states()
        first, again = _found(kind(), examples), _found(pickle.loads(pickle.dumps(kind())), examples)  # made here
        assert torch.equal(first.basis, again.basis), "the same rng gives another result"
        assert torch.equal(examples.inputs, inputs), "the inputs change"
        assert _states() == states, "a global random state changes"


def check_draws(kind: type[Method]) -> None:
    """Another rng gives another direction where ``draws`` says so, and the same where it does not.

    Stability over seeds is measured of those that draw, and taken for perfect of the others.
    """
    gaps = [float((_found(kind(), one).direction - _found(kind(), one, seed=6).direction).norm()) for one in _cases()]
    if kind.draws:
        assert max(gaps) > 0, "it says that it draws, and another rng gives the same"
    else:
        assert max(gaps) == 0, f"it says that it draws nothing, and another rng moves the direction by {max(gaps):.2g}"


def check_ranks(kind: type[Method]) -> None:
    """Ranks that cannot be given are refused."""
    for examples in _cases():
        d = examples.inputs.shape[1]
        for rank in (0, -1, d + 1, *([] if kind.most is None else [kind.most + 1])):
            assert _attempt(kind, examples, rank) is None, f"rank {rank} of {d} dimensions is given"


def check_hard_input(kind: type[Method]) -> None:
    """Too few examples, inputs that do not vary, copies and graded labels: a subspace, or GnomonError in one line."""
    examples = next(_cases())
    y = examples.labels
    constant = torch.ones_like(examples.inputs)
    hard = {
        "two examples": examples.take(np.array([0, 1])),
        "three examples": examples.take(np.array([0, 1, 2])),
        "constant inputs": replace(examples, inputs=constant, gradients=constant),
        "copies": examples.take(np.tile(np.arange(6), 4)),
        "one dimension": Examples(inputs=examples.inputs[:, :1], labels=y, gradients=examples.inputs[:, :1]),
        "inputs that vary with the label alone": replace(examples, inputs=torch.outer(y, constant[0])),
        "graded labels": replace(examples, labels=y * torch.arange(1.0, len(y) + 1), kind="graded"),
    }
    for name, one in hard.items():
        found = _attempt(kind, one)
        assert found is None or bool(torch.isfinite(found.basis).all()), f"{name}: the direction is not finite"


def check_share(kind: type[Method]) -> None:
    """For a share of the examples it is a method of the same kind, and the same for all of them."""
    assert isinstance(kind().for_share(0.5), kind), "for half of the examples it is another kind"
    assert kind().for_share(1.0) == kind(), "for all of the examples it is not itself"


def check_recovery(kind: type[Method]) -> None:
    """A direction that hardly any noise hides is found."""
    planted = Planted(dimension=8, noise=0.2, distractor=0.2)
    truth, examples = planted.draw(200, Rng(3))
    found = _found(kind(), replace(examples, gradients=truth + 0.1 * _normal(4, 200, 8)))
    cosine = float(found.direction @ truth)
    assert cosine > _FOUND, f"a plain direction is found with cosine {cosine:.2f}"


def _cases() -> Iterator[Examples]:
    """Examples with gradients, plain and in pairs, in more and in fewer dimensions than there are examples."""
    for n, d in _SHAPES:
        truth, drawn = Planted(dimension=d, noise=0.5, distractor=1.0).draw(n, Rng(1))
        plain = replace(drawn, gradients=truth + 0.5 * _normal(2, n, d))
        yield plain
        yield replace(plain, kind="paired", clusters=np.arange(n) // 2)


def _found(method: Method, examples: Examples, rank: int = 1, seed: int = 5) -> Subspace:
    return method.subspace(examples, rank=rank, rng=Rng(seed))


def _attempt(kind: type[Method], examples: Examples, rank: int = 1) -> Subspace | None:
    """What is found; nothing where that is refused in one line."""
    try:
        return _found(kind(), examples, rank)
    except GnomonError as error:
        if "\n" in str(error):
            raise AssertionError("what it says is not one line") from error
        return None


def _normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _states() -> tuple[Any, ...]:
    state = np.random.get_state()  # noqa: NPY002 - the global state is what is looked at
    return random.getstate(), str(state), torch.random.get_rng_state().tolist()
