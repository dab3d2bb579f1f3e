"""What the lab adds to the work itself: a sweep of many short tasks, on this machine and on Ray.

Each of 200 points sleeps for 20 ms (a task that takes its time whatever else the machine does), two at once, and its
outcome goes to the store. The ideal is the time of all tasks divided by the workers; printed is the ratio of the wall
time to it: cold, with the workers' start, and warm, the median of the sweeps that follow with the same workers.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time

from short_tasks import Task

from gnomon.lab.store import Store
from gnomon.lab.sweep import Point, run_points
from gnomon.lab.sweep.executors import Executor, Local, Ray


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=0.02)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--executor", choices=("local", "ray"), action="append")
    arguments = parser.parse_args()
    ideal = arguments.points * arguments.seconds / arguments.workers
    print(f"{arguments.points} tasks of {1000 * arguments.seconds:.0f} ms, {arguments.workers} workers: {ideal:.2f} s")
    for name in arguments.executor or ("local", "ray"):
        ratios = []
        chosen: Executor = (Ray if name == "ray" else Local)(arguments.workers)
        with tempfile.TemporaryDirectory() as folder, Store.open(folder) as store, chosen as executor:
            for repeat in range(arguments.repeats + 1):
                tasks = [Task(index=i, seed=repeat, seconds=arguments.seconds) for i in range(arguments.points)]
                points = [Point("task_of_known_length", spec) for spec in tasks]
                started = time.perf_counter()
                results = run_points(points, store=store, executor=executor)
                ratios.append((time.perf_counter() - started) / ideal)
                if results.failed or len(store.points(status="done")) != (repeat + 1) * arguments.points:
                    print(f"{name}: some points failed or are not in the store")
                    return 1
        cold, *warm = ratios
        spread = f"{min(warm):.2f} to {max(warm):.2f}, n = {len(warm)}"
        print(f"{name}: {statistics.median(warm):.2f} times the ideal warm ({spread}), {cold:.2f} times it cold")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
