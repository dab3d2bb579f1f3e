"""What many quantities cost on top of one plain forward pass over the same data.

A plain pass (the model, the same batches, no hooks), a session of eight streaming quantities and one of every
streaming estimator alternate; the ratios of the medians are printed. What a session spends after the pass does not
grow with the data, so the ratio falls as the data grow. The subject is the 22M-parameter MiniLM encoder.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch

from gnomon.estimators import StreamingEstimator, estimators
from gnomon.lab.measuring import measure
from gnomon.subjects import Data, Subject, load, load_data

HERE = Path(__file__).resolve().parent
TEXT = HERE.parents[1] / "shared" / "data" / "text" / "tinyshakespeare.txt"


EIGHT = (
    "activation_effective_rank",
    "activation_kurtosis",
    "activation_norm",
    "anisotropy",
    "cka",
    "participation_ratio",
    "top_variance_share",
    "twonn_dimension",
)


def streaming_quantities(subject: Subject, data: Data) -> list[str]:
    """Every estimator that streams and applies to the subject."""
    found = [kind() for kind in estimators().values() if issubclass(kind, StreamingEstimator)]
    return [e.name for e in found if not e.inapplicable(subject, data)]


def plain_pass(subject: Subject, data: Data) -> float:
    started = time.perf_counter()
    with subject.evaluating(), torch.no_grad():
        for batch in data.batches(max_positions=8192):
            subject.module(**batch.kwargs)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", type=Path, default=TEXT)
    parser.add_argument("--texts", type=int, default=8000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    subject = load(arguments.model)
    data = load_data(arguments.data, subject, overlong="truncate", limit=arguments.texts)
    jobs = {"eight": list(EIGHT), "all": streaming_quantities(subject, data)}
    plain: list[float] = []
    ours: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(arguments.repeats):
        plain.append(plain_pass(subject, data))
        for name, quantities in jobs.items():
            started = time.perf_counter()
            measure(subject, quantities, data=data)
            ours[name].append(time.perf_counter() - started)
    parameters = sum(p.numel() for p in subject.module.parameters())
    print(f"{subject.name}: {parameters:,} parameters, {len(data)} texts, {int(data.lengths.sum()):,} tokens")
    base = statistics.median(plain)
    print(f"plain pass {base:.2f} s (median of {arguments.repeats})")
    for name, quantities in jobs.items():
        taken = statistics.median(ours[name])
        print(f"{name}, {', '.join(quantities)}: {taken:.2f} s, ratio of medians {taken / base:.2f}")


if __name__ == "__main__":
    main()
