"""The nodes of a case: claims, arguments, evidence, and what they are said in.

=============  ====================================  ==============================
here           Goal Structuring Notation (GSN)       Claims, Arguments, Evidence
=============  ====================================  ==============================
`Claim`        goal (a rectangle)                    claim
`Argument`     strategy (a parallelogram)            argument
`Evidence`     solution (a circle)                   evidence
`Observation`  solution (a circle)                   evidence
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
_ROUNDING = 1e-12  # of levels, which are one minus twice a share


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
    """What a measurement has to show: that its whole interval is on the good side of a line, as a policy draws it.

    Parameters
    ----------
    worse : on which side of the limit the bad values are.
    limit, buffer : the line is ``limit - buffer`` where above is worse, ``limit + buffer`` where below is.
    level : least level of the two-sided interval that may decide.
    """

    worse: Literal["above", "below"]
    limit: float
    buffer: float = Field(default=0.0, ge=0.0)
    level: float = Field(ge=0.0, lt=1.0)

    @property
    def line(self) -> float:
        """Where bad begins."""
        return self.limit - self.buffer if self.worse == "above" else self.limit + self.buffer

    def of(self, low: float, high: float) -> State:
        """What an interval shows.

        >>> criterion = Criterion(worse="above", limit=0.10, buffer=0.02, level=0.9)
        >>> criterion.of(0.00, 0.07), criterion.of(0.00, 0.09), criterion.of(0.09, 0.20)
        ('supported', 'undeveloped', 'refuted')
        """
        good = high < self.line if self.worse == "above" else low > self.line
        bad = low >= self.line if self.worse == "above" else high <= self.line
        return "supported" if good else "refuted" if bad else "undeveloped"


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
        """The interval, widened by its systematic part.

        ``None`` where it decides nothing: there is no value, its error is not known, or is known at too low a level.
        """
        m = self.measured
        u = m.uncertainty
        if not isinstance(m.value, float) or u.kind == "unknown":
            return None
        slack = u.systematic or 0.0
        if u.kind == "exact":
            return m.value - slack, m.value + slack
        if u.level is None or u.level < self.criterion.level - _ROUNDING:
            return None
        assert u.low is not None
        assert u.high is not None
        return float(u.low) - slack, float(u.high) + slack

    @property
    def state(self) -> State:
        """What it shows of its criterion."""
        ends = self.ends
        return "undeveloped" if ends is None else self.criterion.of(*ends)


class Observation(_Node):
    """Evidence that is no measurement: what anyone can see of the deployment, such as that it has no monitor.

    Parameters
    ----------
    shows : what follows from it for the claim that rests on it.
    """

    kind: Literal["observation"] = "observation"
    shows: State

    @property
    def state(self) -> State:
        """What it shows."""
        return self.shows


class Context(_Node):
    """What a claim or an argument is said in: a document, a file, or an assumption that nothing here shows.

    Parameters
    ----------
    assumed : whether it is an assumption.
    sha256 : of the document or file, where there is one.
    """

    kind: Literal["context"] = "context"
    assumed: bool = False
    sha256: str = ""


class Doubt(_Node):
    """What speaks against relying on a claim, and what would settle it.

    Parameters
    ----------
    settled_by : what would do, in words; empty where nobody knows.
    """

    kind: Literal["doubt"] = "doubt"
    settled_by: str = ""


AnyNode = Claim | Argument | Evidence | Observation | Context | Doubt
Node = Annotated[AnyNode, Field(discriminator="kind")]
