"""Spectral density of the Hessian, ours against curvlinops: time at the same number of products, and the difference.

    python benchmarks/spectral_density.py --peer FOLDER [--steps 20] [--probes 2] [--json]

FOLDER holds the peer (``pip install --no-deps --target FOLDER curvlinops-for-pytorch`` and what it imports), so that
both sides run with one torch. Each side runs in processes of its own, A B A B, on one thread, from the same start
vectors and between the same ends of the spectrum, which both are told; a process warms up once and reports the median
CPU time of its repeats, from the construction of the operator to the density on the grid. The peer runs with the
batches of ours and with all data in one batch, without its check of determinism, and its faster time counts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

ROUNDS = 3
REPEATS = 2
WANTED, CLOSE = 1.5, 1e-3
POINTS, KAPPA, MARGIN = 1024, 3.0, 0.05
NETWORKS = ("MLP", "transformer")
EXAMPLES = {"MLP": 1024, "transformer": 8}
BATCH = {"MLP": 512, "transformer": 8}


class Transformer(nn.Module):
    """Two blocks of causal attention and MLP on texts of 64 tokens, written out so that both sides can use it."""

    def __init__(self, tokens: int = 100, width: int = 64, heads: int = 4, blocks: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.embed = nn.Embedding(tokens, width)
        self.place = nn.Parameter(0.1 * torch.randn(64, width))
        self.qkv = nn.ModuleList(nn.Linear(width, 3 * width) for _ in range(blocks))
        self.out = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.mlp = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
            for _ in range(blocks)
        )
        self.norm = nn.ModuleList(nn.LayerNorm(width) for _ in range(blocks))
        self.unembed = nn.Linear(width, tokens, bias=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Logits ``(texts, tokens, vocabulary)``."""
        del attention_mask
        x = self.embed(input_ids) + self.place
        texts, length, width = x.shape
        future = torch.full((length, length), -1e9).triu(1)
        for qkv, out, mlp, norm in zip(self.qkv, self.out, self.mlp, self.norm, strict=True):
            parts = qkv(norm(x)).view(texts, length, 3, self.heads, width // self.heads)
            q, k, v = parts.permute(2, 0, 3, 1, 4)
            attention = torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + future, dim=-1)
            x = x + out((attention @ v).transpose(1, 2).reshape(texts, length, width))
            x = x + mlp(x)
        return self.unembed(x)


class Flat(nn.Module):
    """Its predictions one a row, as the peer's losses want them."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, ids: Tensor) -> Tensor:
        """Logits ``(predictions, vocabulary)``."""
        return self.module(ids)[:, :-1].flatten(0, 1)


def network(name: str) -> tuple[nn.Module, Tensor, Tensor | None]:
    """The module, its inputs, and labels where there are any."""
    torch.manual_seed(0)
    n = EXAMPLES[name]
    if name == "transformer":
        return Transformer(), torch.randint(100, (n, 64)), None
    module = nn.Sequential(nn.Linear(64, 256), nn.Tanh(), nn.Linear(256, 256), nn.Tanh(), nn.Linear(256, 10))
    return module, torch.randn(n, 64), torch.randint(10, (n,))


def width(ends: tuple[float, float], steps: int) -> tuple[np.ndarray, float]:
    """The peer's grid, and the standard deviation of its bumps."""
    low, high = ends
    pad = MARGIN * (high - low)
    half = (high - low) / 2 + pad
    return np.linspace(low - pad, high + pad, POINTS), half * 2 / (steps - 1) / np.sqrt(8 * np.log(KAPPA))


class Ours:
    """gnomon."""

    def __init__(self, name: str, steps: int, probes: int) -> None:
        from gnomon.subjects import ArrayData, CrossEntropy, NextToken, Subject, TokenData

        module, inputs, labels = network(name)
        self.steps, self.probes = steps, probes
        if labels is None:
            self.subject, self.data = Subject(module, loss=NextToken()), TokenData(list(inputs.numpy()))
        else:
            self.subject, self.data = Subject(module, loss=CrossEntropy()), ArrayData(inputs, labels)

    def runs(self) -> list[Any]:
        """The Lanczos runs."""
        from gnomon.estimators.curvature.hessian import HessianOperator
        from gnomon.estimators.curvature.lanczos import lanczos

        hessian = HessianOperator(self.subject, self.data)
        torch.manual_seed(1)
        starts = torch.stack([torch.randn(hessian.dimension) for _ in range(self.probes)], dim=1).double()
        with hessian.keeping():
            return lanczos(hessian, starts / starts.norm(dim=0), self.steps)

    def ends(self) -> tuple[float, float]:
        """The spectrum's ends as far as they were found."""
        found = [run.ritz_values for run in self.runs()]
        return min(float(r[0]) for r in found), max(float(r[-1]) for r in found)

    def density(self, ends: tuple[float, float]) -> np.ndarray:
        """The density on the peer's grid."""
        from gnomon.estimators.curvature.quadrature import spectral_density

        grid, sigma = width(ends, self.steps)
        return spectral_density(self.runs(), grid, sigma, ends[1] - ends[0]).values


class Peer:
    """curvlinops, in batches of ``batch`` examples."""

    def __init__(self, name: str, steps: int, probes: int, batch: int) -> None:
        module, inputs, labels = network(name)
        self.steps, self.probes = steps, probes
        if labels is None:
            module, labels = Flat(module), inputs[:, 1:]
        self.module = module.eval()
        parts = zip(inputs.split(batch), labels.split(batch), strict=True)
        self.batches = [(x, y.flatten()) for x, y in parts]

    def density(self, ends: tuple[float, float]) -> np.ndarray:
        """The density on its grid."""
        from curvlinops import HessianLinearOperator
        from curvlinops.papyan2020traces.spectrum import lanczos_approximate_spectrum

        hessian = HessianLinearOperator(
            self.module, nn.CrossEntropyLoss(), list(self.module.parameters()), self.batches, check_deterministic=False
        )
        torch.manual_seed(1)
        how: dict[str, Any] = {"num_points": POINTS, "num_repeats": self.probes, "kappa": KAPPA, "margin": MARGIN}
        return lanczos_approximate_spectrum(hessian, self.steps, boundaries=ends, **how)[1].numpy()


def main() -> int:
    """Run it; the exit code is 1 when a ratio is below 1.5 or the densities differ by more than 1e-3 of their peak."""
    parser = argparse.ArgumentParser(description="Spectral density, ours against curvlinops")
    parser.add_argument("--peer", type=Path, required=True, help="folder that holds curvlinops")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--probes", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--worker", choices=("ours", "peer", "peer, one batch"), help=argparse.SUPPRESS)
    parser.add_argument("--network", choices=NETWORKS, help=argparse.SUPPRESS)
    parser.add_argument("--ends", type=float, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.worker:
        return work(arguments)
    found = {}
    for name in NETWORKS:
        found[name] = compare(name, arguments)
        if not arguments.json:
            show(name, found[name], arguments)
    passed = all(f["ratio"] >= WANTED and f["largest_difference"] <= CLOSE for f in found.values())
    if arguments.json:
        print(json.dumps(found | {"passed": passed}))
    return 0 if passed else 1


def show(name: str, found: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Print what `compare` found."""
    print(f"{name}, {found['parameters']:,} parameters, {arguments.steps} × {arguments.probes} products")
    for side, seconds in found["seconds"].items():
        print(f"  {side}: {' '.join(f'{s:.3f}' for s in seconds)} s")
    print(f"  ratio of medians {found['ratio']:.2f} (wanted: {WANTED})")
    print(f"  largest difference, of the peak {found['largest_difference']:.1e} (wanted: {CLOSE})", flush=True)


def compare(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """All sides in turn, and what they found."""
    ours = Ours(name, arguments.steps, arguments.probes)
    ends = ours.ends()
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = os.environ | threads | {"PYTHONPATH": str(arguments.peer)}
    seconds: dict[str, list[float]] = {"ours": [], "peer": [], "peer, one batch": []}
    densities = {}
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder) / "density.npy"
        for _ in range(ROUNDS):
            for side, times in seconds.items():
                command = [sys.executable, __file__, "--worker", side, "--network", name, "--into", str(into)]
                command += ["--peer", str(arguments.peer), "--ends", *map(repr, ends)]
                command += ["--steps", str(arguments.steps), "--probes", str(arguments.probes)]
                done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
                if done.returncode:
                    sys.exit(f"{side} cannot run: {done.stderr.strip().splitlines()[-1]}")
                times.append(float(done.stdout))
                densities[side] = np.load(into)
    medians = {side: statistics.median(times) for side, times in seconds.items()}
    theirs = min(medians["peer"], medians["peer, one batch"])
    difference = np.abs(densities["ours"] - densities["peer"]).max() / densities["ours"].max()
    return {
        "parameters": sum(p.numel() for p in ours.subject.module.parameters()),
        "seconds": seconds,
        "ratio": theirs / medians["ours"],
        "largest_difference": float(difference),
    }


def work(arguments: argparse.Namespace) -> int:
    """One process of one side: prints its time, and saves the density it found."""
    warnings.simplefilter("ignore")  # what the peer uses warns of its age
    name, ends = arguments.network, (arguments.ends[0], arguments.ends[1])
    side: Ours | Peer
    if arguments.worker == "ours":
        side = Ours(name, arguments.steps, arguments.probes)
    else:
        batch = BATCH[name] if arguments.worker == "peer" else EXAMPLES[name]
        side = Peer(name, arguments.steps, arguments.probes, batch)
    density = side.density(ends)
    seconds = []
    for _ in range(REPEATS):
        started = time.process_time()
        side.density(ends)
        seconds.append(time.process_time() - started)
    np.save(arguments.into, density)
    print(statistics.median(seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
