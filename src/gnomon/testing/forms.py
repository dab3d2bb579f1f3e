"""`check_form`: the contract of a form, one check a function."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from gnomon.laws.fitting import fit
from gnomon.laws.form import Array, Form
from gnomon.laws.table import Table
from gnomon.randomness import Rng
from gnomon.testing.conformance import ConformanceError

_NEARBY = 5
_SLOPES = 1e-5
_RECOVERED = 1e-3
_TABLES, _DRAWS, _LEVEL, _UNLIKELY = 30, 200, 0.9, 1e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class Specimen:
    """A form at parameters that a table of its values determines.

    Parameters
    ----------
    kind : the form.
    x : inputs, shape ``(n, columns)``, or ``(n,)`` for one column.
    parameters : the natural parameters by name.
    """

    kind: type[Form]
    x: Array
    parameters: Mapping[str, float]

    @property
    def form(self) -> Form:
        """An instance of the form."""
        return self.kind()

    @property
    def inputs(self) -> Array:
        """``x`` with an axis for its columns."""
        x = np.asarray(self.x, dtype=np.float64)
        return x[:, None] if x.ndim == 1 else x

    @property
    def natural(self) -> Array:
        """The parameters in the form's order, shape ``(p,)``."""
        return np.array([self.parameters[name] for name in self.kind.parameters], dtype=np.float64)

    @property
    def theta(self) -> Array:
        """The coordinates, shape ``(p,)``."""
        return self.form.coordinates(self.natural)

    @property
    def y(self) -> Array:
        """The values, shape ``(n,)``."""
        return self.form.value(self.inputs, self.theta)

    def table(self, y: Array) -> Table:
        """``y`` as a table."""
        return Table(x=self.inputs, y=y, columns=self.kind.columns or ("x",), target="y")

    def nearby(self) -> Array:
        """A few coordinates around the parameters, shape ``(few, p)``."""
        shifts = Rng(0).child("nearby").numpy().normal(scale=0.1, size=(_NEARBY, len(self.theta)))
        return np.asarray(self.theta * (1 + 0.1 * shifts) + shifts)


def form_checks() -> dict[str, Callable[[Specimen], None]]:
    """The checks by name, e.g. for ``pytest.mark.parametrize``; the last takes seconds."""
    found = (
        check_words,
        check_shapes,
        check_jacobian,
        check_natural,
        check_starts,
        check_pickles,
        check_recovery,
        check_coverage,
    )
    return {check.__name__: check for check in found}


def check_form(kind: type[Form], x: Array, parameters: Mapping[str, float]) -> None:
    """Raise ConformanceError unless ``kind`` keeps the contract of `gnomon.laws.Form`.

    Parameters
    ----------
    x : inputs at which the form is checked, shape ``(n, columns)``, or ``(n,)`` for one column. They are rich enough
        to determine every parameter.
    parameters : by name, those at which it is checked.

    Cost: some seconds, most of them for the coverage of the intervals.
    """
    specimen = Specimen(kind=kind, x=x, parameters=parameters)
    problems = []
    for name, check in form_checks().items():
        try:
            check(specimen)
        except Exception as error:  # noqa: BLE001 - whatever a form raises is a finding
            problems.append(f"{name}: {type(error).__name__}: {error}")
    if problems:
        raise ConformanceError(f"{kind.__name__} does not conform:\n" + "\n".join(f"  {p}" for p in problems))


def check_words(specimen: Specimen) -> None:
    """Its name is snake_case; docstring, title, equation and source are stated; every parameter has a meaning."""
    kind = specimen.kind
    assert re.fullmatch(r"[a-z][a-z0-9_]*", kind.name), f"the name {kind.name!r} is not snake_case"
    for field in ("title", "equation", "source", "__doc__"):
        assert (getattr(kind, field) or "").strip(), f"it has no {field.strip('_')}"
    assert kind.parameters, "it has no parameters"
    assert all(meaning.strip() for meaning in kind.parameters.values()), "a parameter has no meaning"
    for what, names in {"positive": kind.positive, "open_when": kind.open_when}.items():
        unknown = set(names) - set(kind.parameters)
        assert not unknown, f"{what} names {sorted(unknown)}, which are no parameters"
    assert set(specimen.parameters) == set(kind.parameters), f"its parameters are {list(kind.parameters)}"


def check_shapes(specimen: Specimen) -> None:
    """Values and derivatives broadcast over leading axes of inputs and parameters, each as it is alone."""
    form, x, many = specimen.form, specimen.inputs, specimen.nearby()
    n, p = len(x), len(specimen.theta)
    single = np.stack([form.value(x, theta) for theta in many])
    slopes = np.stack([form.jacobian(x, theta) for theta in many])
    assert single.shape == (_NEARBY, n), f"values of one θ have shape {single.shape[1:]}, not {(n,)}"
    assert slopes.shape == (_NEARBY, n, p), f"derivatives of one θ have shape {slopes.shape[1:]}, not {(n, p)}"
    inputs = {"one table": x, "a table each": np.broadcast_to(x, (_NEARBY, *x.shape))}
    for name, given in inputs.items():
        assert _close(form.value(given, many), single), f"values of many θ at {name} are not those of each"
        assert _close(form.jacobian(given, many), slopes), f"derivatives of many θ at {name} are not those of each"
    grid = form.value(x, many[:, None])
    assert grid.shape == (_NEARBY, 1, n), f"values of θ of shape {many[:, None].shape} have shape {grid.shape}"
    assert _close(form.value(x[:1], many), single[:, :1]), "the value in a row depends on other rows"


def check_jacobian(specimen: Specimen) -> None:
    """Its derivatives are those of its values, by finite differences, to 10⁻⁵ of the largest in each parameter."""
    form, x = specimen.form, specimen.inputs
    for theta in (specimen.theta, *specimen.nearby()):
        exact, numeric = form.jacobian(x, theta), _differences(form, x, theta)
        scale = np.abs(numeric).max(axis=0) + 1e-6 * np.abs(form.value(x, theta)).max()
        off = (np.abs(exact - numeric) / scale).max(axis=0)
        worst = int(np.argmax(off))
        assert off[worst] <= _SLOPES, f"the derivative by {list(form.parameters)[worst]} is {off[worst]:.1e} off"


def check_natural(specimen: Specimen) -> None:
    """`coordinates` undoes `natural`, and each parameter increases with its own coordinate and no other."""
    form = specimen.form
    many = np.stack([specimen.theta, *specimen.nearby()])
    assert _close(form.coordinates(form.natural(many)), many), "coordinates(natural(θ)) is not θ"
    steps = 0.1 * np.eye(many.shape[1])
    moved = form.natural(many[:, None] + steps) - form.natural(many)[:, None]
    assert (np.diagonal(moved, axis1=-2, axis2=-1) > 0).all(), "a parameter does not increase with its coordinate"
    others = moved * (1 - np.eye(many.shape[1]))
    assert (others == 0).all(), "a parameter changes with the coordinate of another"
    for name in form.positive:
        at = list(form.parameters).index(name)
        assert (form.natural(many)[:, at] > 0).all(), f"{name} is said to be positive, and is not"


def check_starts(specimen: Specimen) -> None:
    """Its starts are finite coordinates, at least one and not many more than asked for, and the same each time."""
    form, x, y, asked = specimen.form, specimen.inputs, specimen.y, 48
    found = form.starts(x, y, asked)
    assert found.ndim == 2 and found.shape[1] == len(specimen.theta), f"starts have shape {found.shape}"  # noqa: PT018
    assert 1 <= len(found) <= 2 * asked, f"{len(found)} starts, where {asked} were asked for"
    assert np.isfinite(found).all(), "a start is not finite"
    assert np.array_equal(found, form.starts(x, y, asked)), "the starts change from call to call"


def check_pickles(specimen: Specimen) -> None:
    """It is the same after pickling."""
    again = pickle.loads(pickle.dumps(specimen.form))  # made here
    assert np.array_equal(again.value(specimen.inputs, specimen.theta), specimen.y), "pickling changes it"


def check_recovery(specimen: Specimen) -> None:
    """A fit to its own values finds its parameters, within a thousandth."""
    found = fit(specimen.table(specimen.y), specimen.form, noise="normal", draws=0)
    size = np.ptp(specimen.y) or np.abs(specimen.y).max() or 1.0
    off = np.abs(specimen.form.value(specimen.inputs, found.theta) - specimen.y).max() / size
    assert off <= _RECOVERED, f"a fit to its own values is {off:.1e} of their range off"
    for name, truth in specimen.parameters.items():
        value = found.parameters[name].value
        assert abs(value - truth) <= _RECOVERED * max(abs(truth), 1e-3), f"{name} is {truth:g}, a fit says {value:g}"


def check_coverage(specimen: Specimen) -> None:
    """Intervals of fits to noisy values hold the parameters about as often as they say.

    30 tables with normal noise of a hundredth of the range of the values; intervals at 90 %. The check fails when so
    few hold a parameter as a sound interval would show once in 10,000 times.
    """
    spread = 0.01 * (np.ptp(specimen.y) or np.abs(specimen.y).max() or 1.0)
    held = np.zeros(len(specimen.natural), dtype=int)
    for seed in range(_TABLES):
        rng = Rng(seed).child("coverage")
        y = specimen.y + rng.numpy().normal(scale=spread, size=len(specimen.y))
        found = fit(specimen.table(y), specimen.form, noise="normal", draws=_DRAWS, level=_LEVEL, rng=rng)
        ends = [found.parameters[name] for name in specimen.kind.parameters]
        held += [e.low <= truth <= e.high for e, truth in zip(ends, specimen.natural, strict=True)]
    fewest = int(stats.binom.ppf(_UNLIKELY, _TABLES, _LEVEL))
    for name, times in zip(specimen.kind.parameters, held, strict=True):
        assert times >= fewest, f"{times} of {_TABLES} intervals at {_LEVEL:.0%} hold {name}; {fewest} were wanted"


def _differences(form: Form, x: Array, theta: Array) -> Array:
    """Derivatives by central differences of fourth order, shape ``(n, p)``."""
    step = 1e-3
    columns = []
    for direction in np.eye(len(theta)):
        up2, up, down, down2 = (form.value(x, theta + k * step * direction) for k in (2, 1, -1, -2))
        columns.append((8 * (up - down) - (up2 - down2)) / (12 * step))
    return np.stack(columns, axis=-1)


def _close(a: Array, b: Array) -> bool:
    scale = np.abs(b).max() or 1.0
    return a.shape == b.shape and bool((np.abs(a - b) <= 1e-9 * scale).all())
