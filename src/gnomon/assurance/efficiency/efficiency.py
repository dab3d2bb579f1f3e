"""What a network takes: arithmetic, bytes, time, and estimated energy and carbon."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.efficiency.energy import Power, meter_for
from gnomon.assurance.efficiency.held import activations, on_disk, weights
from gnomon.assurance.efficiency.passes import Decoding, drawn_prompt, no_language_model, prefill
from gnomon.assurance.efficiency.quantities import (
    ACTIVATION_BYTES,
    CACHE_BYTES,
    CARBON_PER_TOKEN,
    DISK_BYTES,
    ENERGY_PER_TOKEN,
    FLOPS_PER_TOKEN,
    SECONDS_PER_TOKEN,
    WEIGHT_BYTES,
)
from gnomon.assurance.efficiency.timing import measured, repeat
from gnomon.assurance.evaluation import Evaluation
from gnomon.assurance.registry import register
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.randomness import Rng
from gnomon.subjects import Subject
from gnomon.subjects.flops import FlopCounter

_PHASED = (FLOPS_PER_TOKEN, SECONDS_PER_TOKEN, ENERGY_PER_TOKEN, CARBON_PER_TOKEN)


@register
class Efficiency(Evaluation):
    """Arithmetic, bytes, time, energy and carbon of one sequence, a token: of its prompt, and of what is written.

    A controller is active, and what it costs is in it; a monitor's pass over what it reads is not.

    Parameters
    ----------
    prompt : tokens of the prompt; fewer where the context is shorter.
    written : tokens after it.
    repeats : how often each is timed, after two passes that are not.
    codecarbon : whether energy is what the package codecarbon says (an extra), and not what a meter reads.
    watts : of one core at work; without it 12 are taken and a bound is stated that spans all processors.
    carbon_intensity : of the grid, in g/kWh; without it the world's average, and a bound that spans all grids.

    Cost: 2 · (repeats + 4) passes over the prompt and repeats + 3 times ``written`` passes over one token.
    """

    name: ClassVar[str] = "efficiency"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        FLOPS_PER_TOKEN,
        WEIGHT_BYTES,
        DISK_BYTES,
        ACTIVATION_BYTES,
        CACHE_BYTES,
        SECONDS_PER_TOKEN,
        ENERGY_PER_TOKEN,
        CARBON_PER_TOKEN,
    )

    prompt: Annotated[int, Field(ge=1)] = 64
    written: Annotated[int, Field(ge=1)] = 8
    repeats: Annotated[int, Field(ge=1)] = 11
    codecarbon: bool = False
    watts: Annotated[float, Field(gt=0)] | None = None
    carbon_intensity: Annotated[float, Field(ge=0)] | None = None

    def inapplicable(self, deployment: Deployment) -> str:
        """See `Evaluation.inapplicable`."""
        return no_language_model(deployment.subject)

    def run(self, deployment: Deployment, rng: Rng, *, level: float = 0.95) -> list[Measurement]:
        """See `Evaluation.run`. Counts and bytes are the same for every rng; time and energy are of the moment."""
        subject = deployment.subject
        room = self.prompt + self.written if subject.context is None else subject.context
        length = min(self.prompt, max(1, room - self.written))
        written = min(self.written, room - length)
        ids = drawn_prompt(subject, length, rng.child("prompt"))
        found = [weights(subject, self.name), on_disk(deployment.folder, self.name)]
        with deployment.defence.on(), subject.evaluating(), torch.no_grad():
            found += self._phase(subject, "prefill", length, lambda: lambda: prefill(subject, ids), level)
            found.append(activations(subject, ids, self.name))
            try:
                if not written:
                    raise GnomonError(f"the context of {subject.context} leaves nothing to write", mend="shorten it")
                decoding = Decoding(subject, ids)
                longer = Decoding(subject, torch.cat([ids, ids[:, :1]], dim=1))
            except GnomonError as error:
                lacking = (CACHE_BYTES, *_PHASED)
                return [*found, *(self._insufficient(q, error.cause, _labels(q, "decode")) for q in lacking)]
            grown = float(longer.kept_bytes - decoding.kept_bytes)
            found.append(Measurement.ok(CACHE_BYTES, grown, Uncertainty.exact(), estimator=self.name))
            return found + self._phase(subject, "decode", written, lambda: decoding.writing(written), level)

    def _phase(
        self, subject: Subject, phase: str, tokens: int, ready: Callable[[], Callable[[], Any]], level: float
    ) -> list[Measurement]:
        """What one phase takes, a token; ``ready`` makes what is to be run once."""
        labels = {"phase": phase}
        run = ready()
        with FlopCounter() as counter:
            run()
        told = {
            "masked": counter.flops.masked / tokens,
            "elements": counter.elements / tokens,
            "uncounted": dict(counter.uncounted),
            "tokens": tokens,
        }
        if counter.complete:
            common: dict[str, Any] = {"labels": labels, "estimator": self.name, "diagnostics": told}
            arithmetic = Measurement.ok(FLOPS_PER_TOKEN, counter.flops.needed / tokens, Uncertainty.exact(), **common)
        else:
            reason = f"no formula is known for {', '.join(sorted(counter.uncounted))}"
            arithmetic = self._insufficient(FLOPS_PER_TOKEN, reason, labels, told)
        power = Power(watts=self.watts, intensity=self.carbon_intensity)
        meter = meter_for(subject.device, power, codecarbon=self.codecarbon)
        taken = repeat(ready, times=self.repeats, tokens=tokens, device=subject.device, meter=meter)
        return [arithmetic, *measured(taken, meter, power, labels=labels, level=level, estimator=self.name)]

    def _insufficient(
        self, quantity: Quantity, reason: str, labels: Mapping[str, str], told: Mapping[str, Any] | None = None
    ) -> Measurement:
        return Measurement.insufficient(quantity, reason, labels=labels, estimator=self.name, diagnostics=told)


def _labels(quantity: Quantity, phase: str) -> dict[str, str]:
    return {"phase": phase} if "phase" in quantity.dims else {}
