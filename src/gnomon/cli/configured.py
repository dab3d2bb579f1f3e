"""Estimators with options of their own: ``--set ESTIMATOR.OPTION=VALUE``."""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnomon.cli.options import open_subject
from gnomon.errors import GnomonError, UnknownNameError

if TYPE_CHECKING:
    from gnomon.estimators import Estimator

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Option of an estimator, as hessian_spectrum.learning_rate=0.1; repeat for more."),
]


def configured(settings: Sequence[str], device: str) -> list[Estimator]:
    """The estimators that ``settings`` name, each built with its options.

    A value is read as JSON, or else as text; where an estimator wants another subject, as the path of one.

    Raises
    ------
    GnomonError : for an unknown estimator or option, a value of the wrong type, or one that the estimator refuses.

    >>> (found,) = configured(["hessian_spectrum.learning_rate=0.1", "hessian_spectrum.steps=8"], "cpu")
    >>> found.learning_rate, found.steps
    (0.1, 8)
    """
    from gnomon.estimators import estimator

    options: dict[str, dict[str, Any]] = {}
    for setting in settings:
        where, equals, text = setting.partition("=")
        name, dot, option = where.strip().partition(".")
        if not (equals and dot and option):
            raise GnomonError(f"cannot read the setting {setting!r}", mend="write ESTIMATOR.OPTION=VALUE")
        options.setdefault(name, {})[option] = _value(estimator(name), option, text.strip(), device)
    return [estimator(name)(**chosen) for name, chosen in options.items()]


def _value(kind: type[Estimator], option: str, text: str, device: str) -> Any:
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    from gnomon.subjects import Subject

    known = list(inspect.signature(kind).parameters)
    if option not in known:
        raise UnknownNameError(f"option of {kind.name}", option, known)
    hint = typing.get_type_hints(kind.__init__)[option]
    if Subject in (hint, *typing.get_args(hint)):
        return open_subject(text, device)
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = text
    try:
        return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True)).validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise GnomonError(f"{kind.name}.{option} = {text}: {reason}", mend=f"it is {hint}") from None
