"""The full tangent kernel, ours against a plain `torch.func` Jacobian contraction: time, peak memory, equality.

    python benchmarks/tangent_kernel.py [--threads 1] [--rounds 7] [--json]

Three networks: a 100k-parameter MLP with 100 inputs of 64 numbers and 10 outputs; a transformer as for modular
addition (one layer of `torch.nn.TransformerEncoderLayer`, width 128, 32 inputs of 3 tokens, 23 classes); and one of
two layers with 32 inputs of 16 tokens and 10 classes, for which nothing is promised: the more positions a layer has,
the nearer its exact contraction comes to a product of written-out Jacobians, which is what the baseline does.

The baseline is that of PyTorch's tutorial on tangent kernels: ``vmap(jacrev(functional_call))``, then an ``einsum`` a
parameter.
Both run in float32 in one process, in turn, and the medians of each are compared; ours includes finding the layers
and verifying them. Peak memory is of tensors that are alive at once; the resident memory of a process that does
nothing else is shown beside it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from gnomon.estimators.tangent import tangent_kernel
from gnomon.subjects import ArrayData, Subject
from gnomon.subjects.memory import PeakMemory

WANTED = {
    "mlp": {"ratio": 50.0, "memory": 0.1},
    "transformer": {"ratio": 5.0, "memory": None},
    "longer transformer": {"ratio": 0.0, "memory": None},
}


class Transformer(nn.Module):
    """Sequences of tokens to classes."""

    def __init__(self, tokens: int, positions: int, layers: int, hidden: int, classes: int) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(128, 4, hidden, dropout=0.0, batch_first=True)
        self.embedding, self.positions = nn.Embedding(tokens, 128), nn.Parameter(0.1 * torch.randn(1, positions, 128))
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(128, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.encoder(self.embedding(tokens) + self.positions).mean(dim=1))


def case(name: str) -> tuple[nn.Module, Tensor]:
    """The network and its inputs."""
    torch.manual_seed(0)
    if name == "transformer":
        return Transformer(24, 3, 1, 512, 23).eval(), torch.randint(0, 24, (32, 3))
    if name == "longer transformer":
        return Transformer(100, 16, 2, 256, 10).eval(), torch.randint(0, 100, (32, 16))
    sizes = [(64, 256), (256, 256), (256, 64)]
    layers = [part for a, b in sizes for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(64, 10)), torch.randn(100, 64)


def plain(module: nn.Module, x: Tensor) -> Tensor:
    """The kernel ``(n, n, C, C)`` from Jacobians, as the tutorial has it."""
    parameters = {n: p.detach() for n, p in module.named_parameters()}

    def single(p: dict[str, Tensor], one: Tensor) -> Tensor:
        return functional_call(module, p, (one.unsqueeze(0),)).squeeze(0)

    with sdpa_kernel(SDPBackend.MATH):
        jacobians = [j.flatten(2) for j in vmap(jacrev(single), (None, 0))(parameters, x).values()]
    return torch.stack([torch.einsum("Naf,Mbf->NMab", j, j) for j in jacobians]).sum(0)


def sides(name: str) -> dict[str, Callable[[], np.ndarray]]:
    """Each side as a function that returns the kernel ``(n · C, n · C)``."""
    module, x = case(name)
    subject, data = Subject(module), ArrayData(x)

    def theirs() -> np.ndarray:
        found = plain(module, x).permute(0, 2, 1, 3)
        return found.reshape(found.shape[0] * found.shape[1], -1).numpy()

    return {"ours": lambda: tangent_kernel(subject, data), "plain": theirs}


def compare(name: str, rounds: int, threads: int) -> dict[str, Any]:
    """Times in turn, peak memory of each, and how far the kernels differ."""
    runs = sides(name)
    found = {side: run() for side, run in runs.items()}
    seconds: dict[str, list[float]] = {side: [] for side in runs}
    for _ in range(rounds):
        for side, run in runs.items():
            started = time.perf_counter()
            run()
            seconds[side].append(time.perf_counter() - started)
    peaks = {}
    module, x = case(name)
    for side, run in sides(name).items():
        memory = PeakMemory([*module.parameters(), x])
        with memory:
            run()
        peaks[side] = memory.peak / 2**20
    resident = {side: _resident(name, side, threads) for side in runs}
    floor = _resident(name, "nothing", threads)
    medians = {side: statistics.median(s) for side, s in seconds.items()}
    return {
        "parameters": sum(p.numel() for p in module.parameters()),
        "rows": len(found["ours"]),
        "seconds": medians,
        "ratio": medians["plain"] / medians["ours"],
        "peak_mib": peaks,
        "memory": peaks["ours"] / peaks["plain"],
        "resident_mib": {side: r - floor for side, r in resident.items()},
        "difference": float(np.abs(found["ours"] - found["plain"]).max() / np.abs(found["plain"]).max()),
    }


def _resident(name: str, side: str, threads: int) -> float:
    """Peak resident memory, in MiB, of a process that runs one side once."""
    command = [sys.executable, __file__, "--worker", side, "--case", name, "--threads", str(threads)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _high_water() -> float:
    """Peak resident memory of this process, in MiB; unlike ``ru_maxrss`` it does not count the parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main() -> int:
    """Run it; the exit code is 1 when a ratio or the memory is not what was wanted, or the kernels differ."""
    parser = argparse.ArgumentParser(description="Full tangent kernel, ours against a plain Jacobian contraction")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.worker:
        runs = sides(arguments.case)
        if arguments.worker in runs:
            runs[arguments.worker]()
        print(_high_water())
        return 0
    results = {name: compare(name, arguments.rounds, arguments.threads) for name in WANTED}
    passed = True
    for name, wanted in WANTED.items():
        result = results[name]
        within = wanted["memory"] is None or result["memory"] <= wanted["memory"]
        result["passed"] = bool(result["ratio"] >= wanted["ratio"] and within and result["difference"] <= 1e-5)
        passed = passed and result["passed"]
    if arguments.json:
        print(json.dumps({"cases": results, "passed": passed}))
        return 0 if passed else 1
    for name, result in results.items():
        print(f"{name}: {result['parameters']} parameters, kernel of {result['rows']} rows")
        for side in ("ours", "plain"):
            print(
                f"  {side}: {result['seconds'][side]:.3f} s; tensors {result['peak_mib'][side]:.0f} MiB; "
                f"process {result['resident_mib'][side]:.0f} MiB above its start"
            )
        print(f"  ratio of medians {result['ratio']:.1f} (wanted: {WANTED[name]['ratio']:.0f})")
        print(f"  memory {result['memory']:.3f} of the baseline's (wanted: {WANTED[name]['memory']})")
        print(f"  largest difference {result['difference']:.1e} of the largest entry (wanted: 1e-5)")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
