"""What many quantities cost on top of one plain forward pass over the same data.

A plain pass (the model, the same batches, no hooks) and a measuring session of eight or more streaming quantities
alternate A B A B; the ratio of the medians is printed. The subject is the 22M-parameter MiniLM encoder.
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
    parser.add_argument("--texts", type=int, default=4000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    subject = load(arguments.model)
    data = load_data(arguments.data, subject, overlong="truncate", limit=arguments.texts)
    names = streaming_quantities(subject, data)
    plain, ours, quantities = [], [], set()
    for _ in range(arguments.repeats):
        plain.append(plain_pass(subject, data))
        started = time.perf_counter()
        session = measure(subject, names, data=data)
        ours.append(time.perf_counter() - started)
        quantities = {m.quantity for m in session.measurements if m.status == "ok"}
    parameters = sum(p.numel() for p in subject.module.parameters())
    print(f"{subject.name}: {parameters:,} parameters, {len(data)} texts, {int(data.lengths.sum()):,} tokens")
    print(f"{len(quantities)} quantities read: {', '.join(sorted(quantities))}")
    print(f"plain pass {statistics.median(plain):.2f} s, measuring {statistics.median(ours):.2f} s (medians)")
    print(f"ratio of medians {statistics.median(ours) / statistics.median(plain):.2f}")


if __name__ == "__main__":
    main()
