"""The nodes of a case: claims, arguments, evidence, and what they are said in.

=============  ====================================  ==============================
here           Goal Structuring Notation (GSN)       Claims, Arguments, Evidence
=============  ====================================  ==============================
`Claim`        goal (a rectangle)                    claim
`Argument`     strategy (a parallelogram)            argument
`Evidence`     solution (a circle)                   evidence
`Context`      context (rounded), assumption (A)     side-claim
`Doubt`        counter-goal that challenges (CG)     defeater
=============  ====================================  ==============================

Sources: GSN Community Standard, version 3 (Assurance Case Working Group, SCSC-141C, 2021), with its dialectic
extension; Bloomfield & Bishop, Safety and Assurance Cases: Past, Present and Possible Future (2010).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.measurement import Measurement

State = Literal["supported", "refuted", "undeveloped"]
"""What is known of a claim: its evidence shows it, shows the contrary, or shows neither (GSN's diamond)."""

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/\-]*$")]
Text = Annotated[str, StringConstraints(min_length=1)]


class _Node(Spec):
    """What all nodes have.

    Parameters
    ----------
    id : the same in two cases for the same statement, so that they can be compared.
    text : a sentence.
    """

    id: Identifier
    text: Text


class Claim(_Node):
    """A statement that is true or not.

    Parameters
    ----------
    by : ids of arguments or evidence that all have to hold; with none the claim is undeveloped.
    context : ids of the context that it is said in.
    doubts : ids of what speaks against relying on it.
    """

    kind: Literal["claim"] = "claim"
    by: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


class Argument(_Node):
    """How a claim follows from others.

    Parameters
    ----------
    rule : ``all`` of the claims have to hold, or ``any`` of them will do.
    by : ids of claims or evidence.
    context : ids of the context that it is made in.
    """

    kind: Literal["argument"] = "argument"
    rule: Literal["all", "any"]
    by: tuple[str, ...] = Field(min_length=1)
    context: tuple[str, ...] = ()


class Criterion(Spec):
    """What a measurement has to show: its interval's end on the far side of a limit.

    Parameters
    ----------
    sense : the claim is that the truth is ``below`` the limit, or ``above`` it.
    limit : from where on the contrary is shown.
    buffer : by how much the claim's bound has to clear the limit.
    """

    sense: Literal["below", "above"]
    limit: float
    buffer: float = Field(default=0.0, ge=0.0)

    def of(self, low: float, high: float) -> State:
        """What an interval shows. The claim needs the buffer; the contrary is shown beyond the limit itself.

        >>> criterion = Criterion(sense="below", limit=0.10, buffer=0.02)
        >>> criterion.of(0.00, 0.07), criterion.of(0.00, 0.09), criterion.of(0.11, 0.20)
        ('supported', 'undeveloped', 'refuted')
        """
        if self.sense == "below":
            clears, contrary = high <= self.limit - self.buffer, low > self.limit
        else:
            clears, contrary = low >= self.limit + self.buffer, high < self.limit
        return "supported" if clears else "refuted" if contrary else "undeveloped"


class Evidence(_Node):
    """A measurement, what it has to show, and the command that makes it again.

    Parameters
    ----------
    measurement : the JSON of a `gnomon.measurement.Measurement`.
    criterion : what it has to show.
    command : the arguments of one command line, ``("gnomon", "evaluate", …)``, that makes the measurement again; empty
        where there is none (a score that somebody reported).
    context : ids of the context, such as the materials that were read.
    """

    kind: Literal["evidence"] = "evidence"
    measurement: dict[str, Any]
    criterion: Criterion
    command: tuple[str, ...] = ()
    context: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _readable(self) -> Evidence:
        try:
            measured = Measurement.from_json(self.measurement)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise GnomonError(
                f"evidence {self.id!r} holds no measurement ({type(error).__name__}: {error})", mend="write it anew"
            ) from None
        if measured.value is not None and not isinstance(measured.value, float):
            raise GnomonError(f"evidence {self.id!r} is not one number", mend="cite a scalar")
        return self

    @property
    def measured(self) -> Measurement:
        """The measurement."""
        return Measurement.from_json(self.measurement)

    @property
    def ends(self) -> tuple[float, float] | None:
        """The interval with its systematic part; ``None`` where there is none: unknown is never zero."""
        m = self.measured
        if not isinstance(m.value, float) or m.uncertainty.kind == "unknown":
            return None
        low = m.value if m.uncertainty.low is None else float(m.uncertainty.low)
        high = m.value if m.uncertainty.high is None else float(m.uncertainty.high)
        slack = m.uncertainty.systematic or 0.0
        return low - slack, high + slack

    @property
    def state(self) -> State:
        """What it shows of its criterion."""
        ends = self.ends
        return "undeveloped" if ends is None else self.criterion.of(*ends)


class Context(_Node):
    """What a claim or an argument is said in: a document, a file, or an assumption that nothing here shows.

    Parameters
    ----------
    assumed : whether it is an assumption.
    hash : SHA-256 of the document or file, where there is one.
    """

    kind: Literal["context"] = "context"
    assumed: bool = False
    hash: str = ""


class Doubt(_Node):
    """What speaks against relying on a claim, and what would settle it.

    Parameters
    ----------
    settled_by : what would do, in words; empty where nobody knows.
    """

    kind: Literal["doubt"] = "doubt"
    settled_by: str = ""


Node = Annotated[Claim | Argument | Evidence | Context | Doubt, Field(discriminator="kind")]
