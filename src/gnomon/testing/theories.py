"""`check_theory`: the contract of a theory, one check a function."""

from __future__ import annotations

import copy
import json
import math
import pickle
import random
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from gnomon.errors import GnomonError
from gnomon.testing.conformance import ConformanceError
from gnomon.testing.documentation import check_definition, check_example
from gnomon.theory.theory import OutOfDomainError, Theory

_SLIGHTLY = 1.0 + 2.0**-20


def theory_checks() -> dict[str, Callable[[type[Theory]], None]]:
    """The checks by name, e.g. for ``pytest.mark.parametrize``."""
    found = (
        check_words,
        check_docstring,
        check_inside,
        check_outside,
        check_inputs,
        check_nonsense,
        check_hash,
        check_purity,
    )
    return {check.__name__: check for check in found}


def check_theory(kind: type[Theory]) -> None:
    """Raise ConformanceError unless ``kind`` keeps the contract of `gnomon.theory.theory.Theory`.

    That it agrees with measurements is for its own tests to show.
    """
    problems = []
    for name, check in theory_checks().items():
        try:
            check(kind)
        except Exception as error:  # noqa: BLE001 - whatever a theory raises is a finding
            problems.append(f"{name}: {type(error).__name__}: {error}")
    if problems:
        raise ConformanceError(f"{kind.__name__} does not conform:\n" + "\n".join(f"  {p}" for p in problems))


def check_words(kind: type[Theory]) -> None:
    """Its name is snake_case; title, domain and source are stated; it is a frozen dataclass."""
    assert re.fullmatch(r"[a-z][a-z0-9_]*", kind.name), f"the name {kind.name!r} is not snake_case"
    for field in ("title", "domain", "source"):
        assert getattr(kind, field).strip(), f"it has no {field}"
    assert is_dataclass(kind), "it is no dataclass"
    assert kind.__dataclass_params__.frozen, "it is not frozen"  # type: ignore[attr-defined]


def check_docstring(kind: type[Theory]) -> None:
    """The class's docstring has the closed form in LaTeX and an example that runs."""
    check_definition(kind)
    check_example(kind)


def check_inside(kind: type[Theory]) -> None:
    """Inside its domain the value is finite, has the axes of the quantity, and is exact but for what is stated."""
    inside = kind.examples()["inside"]
    assert inside, "there is no example inside the domain"
    for one in inside:
        assert one.outside() == (), f"{one.inputs()} is said to be inside the domain, but: {one.outside()}"
        assert np.isfinite(one.value()).all(), f"{one.inputs()}: the value is not finite"
        assert np.ndim(one.value()) == len(kind.predicts.axes), f"{one.inputs()}: the value has other axes"
        bound = one.systematic()
        assert bound is None or (np.isfinite(bound) and bound >= 0), f"{one.inputs()}: a bound of {bound}"
        found = one.predict()
        assert (found.status, found.quantity) == ("ok", kind.predicts.name)
        assert np.array_equal(np.asarray(found.value), np.asarray(one.value())), "the prediction is not the value"


def check_outside(kind: type[Theory]) -> None:
    """Outside its domain it says why, predicts nothing unless asked to, and then bounds nothing."""
    outside = kind.examples()["outside"]
    assert outside, "there is no example outside the domain"
    for one in outside:
        reasons = one.outside()
        assert reasons, f"{one.inputs()} is said to be outside the domain, but no reason is given"
        assert all(reason.strip() and "\n" not in reason for reason in reasons), "a reason is empty or of many lines"
        said = _refusal(one)
        assert said, f"{one.inputs()} is outside the domain, and is predicted"
        assert " ".join(reasons[0].split()) in said, "the error does not give the reason"
        found = one.predict(anyway=True)
        assert found.diagnostics["outside"] == list(reasons)
        assert found.uncertainty.systematic is None, "outside the domain there is no bound"


def check_inputs(kind: type[Theory]) -> None:
    """The inputs are JSON."""
    for one in _examples(kind):
        document = json.loads(json.dumps(one.inputs(), allow_nan=False))
        assert set(document) == {field.name for field in fields(one)}


def check_nonsense(kind: type[Theory]) -> None:
    """Of inputs that are no numbers, or not finite, it is not made: GnomonError says so in one line."""
    for one in _examples(kind):
        for field in fields(one):
            for value in _nonsense(getattr(one, field.name)):
                said = _refused(one, field.name, value)
                assert said, f"{field.name} = {value!r} is taken"
                assert "\n" not in said, f"what it says of {field.name} = {value!r} is not one line"


def check_hash(kind: type[Theory]) -> None:
    """Equal inputs have one hash, and every number among the inputs changes it."""
    every = _examples(kind)
    for one, again in zip(every, _examples(kind), strict=True):
        assert one.hash == again.hash, f"{one.inputs()} has two hashes"
        for field in fields(one):
            for value in _others(getattr(one, field.name)):
                try:
                    changed = replace(one, **{field.name: value})
                except GnomonError:  # the neighbour has no meaning
                    continue
                assert changed.hash != one.hash, f"{field.name} does not change the hash"
    assert len({one.hash for one in every}) == len(every), "two examples have one hash"


def check_purity(kind: type[Theory]) -> None:
    """The value is the same each time and after pickling; inputs and global random states stay as they were."""
    for one in _examples(kind):
        before, states = copy.deepcopy(one.inputs()), random_states()
        first = np.asarray(one.value())
        again, pickled = np.asarray(one.value()), pickle.loads(pickle.dumps(one))  # made here
        assert np.array_equal(first, again, equal_nan=True), f"{one.inputs()} has two values"
        assert np.array_equal(first, np.asarray(pickled.value()), equal_nan=True), "pickling changes the value"
        assert pickled.hash == one.hash, "pickling changes the hash"
        assert one.inputs() == before, "the inputs change"
        assert random_states() == states, "the global random state changes"


def _refusal(one: Theory) -> str:
    """What `Theory.predict` is refused with; nothing where it is not."""
    try:
        one.predict()
    except OutOfDomainError as error:
        return str(error)
    return ""


def _examples(kind: type[Theory]) -> list[Theory]:
    found = kind.examples()
    return [*found["inside"], *found["outside"]]


def _others(value: Any) -> list[Any]:
    """Neighbours of a number, or of the numbers in an array or a tuple; none of anything else."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    if isinstance(value, float):
        return [value * _SLIGHTLY if value else 2.0**-20]
    if isinstance(value, np.ndarray) and value.size and value.dtype == np.float64:
        shifted = value.copy()
        shifted.flat[-1] = shifted.flat[-1] * _SLIGHTLY if shifted.flat[-1] else 2.0**-20
        return [shifted]
    if isinstance(value, tuple):
        return [(*value[:-1], other) for other in _others(value[-1])] if value else []
    return []


def _refused(one: Theory, name: str, value: Any) -> str:
    """What is said of the input ``value``; nothing where it is taken."""
    try:
        replace(one, **{name: value})
    except GnomonError as error:
        return str(error)
    return ""


def _nonsense(value: Any) -> list[Any]:
    """What cannot stand for a number, an array or a tuple of numbers; nothing for anything else."""
    if isinstance(value, bool):
        return []
    if isinstance(value, int | float):
        return [math.nan, math.inf, "1"]
    if isinstance(value, np.ndarray) and value.size:
        return [np.full(value.shape, math.nan), value.tolist()]
    return [(*value[:-1], other) for other in _nonsense(value[-1])] if isinstance(value, tuple) and value else []


def random_states() -> tuple[Any, ...]:
    """The global random states of Python and NumPy, to see that they stay as they were."""
    return random.getstate(), str(np.random.get_state())  # noqa: NPY002 - the global state is what is looked at
