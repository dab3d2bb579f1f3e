"""What counting FLOPs costs and finds, beside torch's own counter.

A pass of the stories260K language model over one sequence is run alone, under a dispatch mode that does nothing, under
`FlopCounter` and under ``torch.utils.flop_counter.FlopCounterMode``, alternately. Printed are the medians of the
process's own time, and the counts against the closed form. Not a test: it exits with 0 unless our count is wrong.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from gnomon.subjects import load
from gnomon.subjects.flops import FlopCounter

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


class _Nothing(TorchDispatchMode):
    """The price of any dispatch mode."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def closed_form(config: Any, sequences: int, tokens: int) -> int:
    """FLOPs of a forward pass of a Llama."""
    width = config.head_dim
    matrices = config.hidden_size * width * 2 * (config.num_attention_heads + config.num_key_value_heads)
    matrices += 3 * config.hidden_size * config.intermediate_size
    attention = 4 * sequences * config.num_attention_heads * tokens**2 * width
    head = 2 * sequences * tokens * config.hidden_size * config.vocab_size
    return config.num_hidden_layers * (2 * sequences * tokens * matrices + attention) + head


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    module: Any = load(DATA / "stories260K").module
    right = True
    for backward in (False, True):
        for tokens in (32, 128, 512):
            ids = torch.randint(3, 500, (1, tokens), generator=torch.Generator().manual_seed(0))

            def once(ids: torch.Tensor = ids, backward: bool = backward) -> None:
                with torch.set_grad_enabled(backward):
                    logits = module(ids).logits
                if backward:
                    logits.sum().backward()
                    module.zero_grad()

            ours, torchs = FlopCounter(), FlopCounterMode(display=False)
            under: dict[str, Callable[[], Any]] = {
                "alone": lambda: None,
                "any mode": _Nothing,
                "gnomon": FlopCounter,
                "torch": lambda: FlopCounterMode(display=False),
            }
            taken: dict[str, list[float]] = {name: [] for name in under}
            for _ in range(repeats):
                for name, mode in under.items():
                    context = mode()
                    started = time.process_time()
                    if context is None:
                        once()
                    else:
                        with context:
                            once()
                    taken[name].append(time.process_time() - started)
            with ours:
                once()
            with torchs:
                once()
            truth = closed_form(module.config, 1, tokens) * (3 if backward else 1)
            right &= ours.flops.needed == truth and ours.complete
            medians = {name: 1e3 * statistics.median(times) for name, times in taken.items()}
            told = ", ".join(f"{name} {value:.1f} ms" for name, value in medians.items())
            print(
                f"{tokens} tokens, {'forward and backward' if backward else 'forward'}: {told}; "
                f"FLOPs / closed form: gnomon {ours.flops.needed / truth:.4f}, "
                f"torch {torchs.get_total_flops() / truth:.4f}"
            )
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
