"""TwoNN on 10,000 × 256 points, ours against scikit-dimension: time, ratio statistics and peak memory.

    python benchmarks/twonn.py --peer-python PATH [--threads 1] [--points 10000] [--width 256] [--json]

The peer runs in its own environment (``pip install scikit-dimension`` in a fresh venv; PATH is that venv's python).
Each side runs in processes of its own, A B A B, with the same number of threads and the same float64 points; a process
warms up once and reports the median of its repeats. The data is the hardest for a search that filters: an isotropic
Gaussian, where no distance stands out.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROUNDS = 4
REPEATS = 5


def main() -> int:
    """Run it; the exit code is 1 when the ratio is below 8, the statistics differ or memory is above 1 GB."""
    parser = argparse.ArgumentParser(description="TwoNN, ours against scikit-dimension")
    parser.add_argument("--peer-python", type=Path, help="python of an environment that has scikit-dimension")
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--worker", choices=("ours", "peer"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return work(arguments.worker, arguments.folder, arguments.threads)
    if arguments.peer_python is None or not arguments.peer_python.exists():
        parser.error("--peer-python: give the python of an environment that has scikit-dimension")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        points = np.random.default_rng(0).standard_normal((arguments.points, arguments.width))
        np.save(folder / "points.npy", points)
        result = compare(arguments.peer_python, folder, arguments.threads)
    result |= {"points": arguments.points, "width": arguments.width, "threads": arguments.threads}
    passed = result["ratio"] >= 8 and result["largest_difference"] <= 1e-6 and result["ours"]["peak_mb"] < 1000
    if arguments.json:
        print(json.dumps(result | {"passed": passed}))
    else:
        for side in ("ours", "peer"):
            times = " ".join(f"{s:.3f}" for s in result[side]["seconds"])
            print(
                f"{side}: {times} s; peak memory {result[side]['peak_mb']:.0f} MB; d = {result[side]['dimension']:.4f}"
            )
        print(f"ratio of medians {result['ratio']:.1f} (wanted: 8)")
        print(f"largest relative difference of r2/r1 {result['largest_difference']:.1e} (wanted: 1e-6)")
    return 0 if passed else 1


def compare(peer_python: Path, folder: Path, threads: int) -> dict[str, Any]:
    """Both sides in turn, and what they found."""
    pythons = {"ours": sys.executable, "peer": str(peer_python)}
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads))
    found: dict[str, Any] = {side: {"seconds": [], "peak_mb": 0.0} for side in pythons}
    for _ in range(ROUNDS):
        for side, python in pythons.items():
            command = [python, __file__, "--worker", side, "--folder", str(folder), "--threads", str(threads)]
            done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{side} cannot run in {python}: {done.stderr.strip().splitlines()[-1]}")
            report = json.loads(done.stdout)
            found[side]["seconds"].append(report["seconds"])
            found[side]["peak_mb"] = max(found[side]["peak_mb"], report["peak_mb"])
            found[side]["dimension"] = report["dimension"]
    medians = {side: statistics.median(found[side]["seconds"]) for side in pythons}
    ours, peer = np.load(folder / "ours.npy"), np.load(folder / "peer.npy")
    shared = min(len(ours), len(peer))  # the peer keeps its smallest 90 %
    difference = float(np.max(np.abs(ours[:shared] / peer[:shared] - 1)))
    return found | {"ratio": medians["peer"] / medians["ours"], "largest_difference": difference}


def work(side: str, folder: Path, threads: int) -> int:
    """One process of one side: prints its times, its peak memory and the dimension it found."""
    points = np.load(folder / "points.npy")
    if side == "ours":
        import torch

        from gnomon.estimators.geometry.neighbours import nearest_neighbours

        torch.set_num_threads(threads)

        def run() -> tuple[float, np.ndarray]:
            distances = nearest_neighbours(points, 2).distances
            ratios = np.sort(distances[:, 1] / distances[:, 0])
            return float((len(ratios) - 1) / np.log(ratios).sum()), ratios
    else:
        from skdim.id import TwoNN

        def run() -> tuple[float, np.ndarray]:
            fitted = TwoNN().fit(points)
            return float(fitted.dimension_), np.exp(fitted.x_[:, 0])

    dimension, ratios = run()
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        dimension, ratios = run()
        seconds.append(time.perf_counter() - started)
    np.save(folder / f"{side}.npy", ratios)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": statistics.median(seconds), "peak_mb": peak, "dimension": dimension}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
