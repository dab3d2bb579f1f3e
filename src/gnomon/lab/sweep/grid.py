"""A sweep as a document: an experiment, the values that all its points share, and the axes along which they differ."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.lab.spec import Spec, parsed
from gnomon.lab.sweep.experiment import experiment_named
from gnomon.lab.sweep.point import Point

MOST_POINTS = 100_000


class Sweep(Spec):
    """The product of a grid over the spec of one experiment, as a TOML file states it.

    ::

        experiment = "trial"
        seeds = 8                                # the same as seed = [0, 1, 2, 3, 4, 5, 6, 7] in the grid

        [spec]
        p = 23

        [grid]
        weight_decay = [0.0, 0.3, 1.0]
        optimizer.learning_rate = [1e-3, 1e-2]   # the name of a nested field is dotted

    Parameters
    ----------
    experiment : its name.
    spec : values of fields that all points share; the others have their defaults.
    grid : for each field that varies, the list of its values.
    seeds : how many, from 0.
    """

    experiment: str
    spec: dict[str, Any] = Field(default_factory=dict)
    grid: dict[str, Any] = Field(default_factory=dict)
    seeds: Annotated[int, Field(ge=1)] | None = None

    def holding(self, values: Mapping[str, Any]) -> Sweep:
        """The sweep in which the fields ``values`` names have that one value, whether they varied before or not.

        Values may be text, as a command line gives them.
        """
        given = {name: parsed(value) if isinstance(value, str) else value for name, value in values.items()}
        return Sweep(
            experiment=self.experiment,
            spec=_nested({**dict(_flat(self.spec)), **given}),
            grid={name: several for name, several in _flat(self.grid) if name not in given},
            seeds=None if "seed" in given else self.seeds,
        )

    def axes(self) -> dict[str, list[Any]]:
        """The values of each field that varies, in the order of the file, the seed last.

        Raises GnomonError for an axis without values, and for a field that is given twice.
        """
        axes: dict[str, list[Any]] = {}
        fixed = [name for name, _ in _flat(self.spec)]
        for name, several in _flat(self.grid):
            if not isinstance(several, list) or not several:
                what = "is empty" if several == [] else f"is not a list (got {several!r})"
                raise GnomonError(f"grid.{name} {what}", mend="give it values, or leave it out")
            if name in fixed:
                raise GnomonError(f"{name} is both in [spec] and in [grid]", mend="leave one of them out")
            axes[name] = several
        if self.seeds is not None:
            if "seed" in axes or "seed" in fixed:
                raise GnomonError("seed is given besides seeds", mend="leave one of them out")
            axes["seed"] = list(range(self.seeds))
        return axes

    def points(self) -> list[Point]:
        """One point for each element of the product, the last axis fastest; some may be equal.

        Raises UnknownNameError for an experiment or a field that does not exist, GnomonError for a value that does
        not fit its field, and for more than `MOST_POINTS` points.
        """
        kind = experiment_named(self.experiment).spec
        axes, fixed = self.axes(), dict(_flat(self.spec))
        if self.seeds is not None and "seed" not in kind.model_fields:
            raise GnomonError(
                f"seeds is given, and {kind.__name__} has no field seed of its own",
                mend="give the seeds in [grid], by the dotted name of their field",
            )
        for name in (*fixed, *axes):
            _check_field(kind, name)
        total = math.prod(map(len, axes.values()))
        if total > MOST_POINTS:
            raise GnomonError(f"{total:,} points are too many", mend=f"give at most {MOST_POINTS:,}")
        products = itertools.product(*axes.values())
        return [
            Point(self.experiment, kind.model_validate(_nested({**fixed, **dict(zip(axes, values, strict=True))})))
            for values in products
        ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of a nested document."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `_flat`."""
    document: dict[str, Any] = {}
    for name, value in values.items():
        *parents, last = name.split(".")
        inner = document
        for parent in parents:
            inner = inner.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise GnomonError(f"{name} is given, and so is {parent} as a whole", mend="leave one of them out")
        inner[last] = value
    return document


def _check_field(kind: type[Spec], name: str) -> None:
    """Raise UnknownNameError when ``kind`` has no field of that dotted name."""
    inner: Any = kind
    for i, part in enumerate(name.split(".")):
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return  # a dictionary or a union: validation will tell
        if part not in inner.model_fields:
            prefix = "".join(f"{p}." for p in name.split(".")[:i])
            raise UnknownNameError(f"field of {kind.__name__}", name, [prefix + f for f in inner.model_fields])
        inner = inner.model_fields[part].annotation
