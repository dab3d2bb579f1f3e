"""A program that runs naps through the Slurm executor on processes of this machine, for a test that kills it."""

from __future__ import annotations

import sys

from gnomon.lab.store import Store
from gnomon.lab.sweep.executors.slurm import Slurm
from gnomon.lab.sweep.work import Job
from nappers import Nap, nap


def jobs(notebook: str, n: int, **fields: object) -> list[Job]:
    """``n`` naps under keys of their own: those of points change with every source file that a neighbour saves."""
    assert nap
    return [
        Job(
            experiment="nap",
            module="nappers",
            code_version="c",
            keys=(f"nap {i}",),
            specs=(Nap.model_validate({"index": i, "notebook": notebook, **fields}).model_dump(mode="json"),),
        )
        for i in range(n)
    ]


def main(store: str, folder: str, notebook: str, n: str) -> None:
    """Run ``n`` naps with two workers; one number a line for each that is done."""
    with Store.open(store) as kept, Slurm(kept, 2, folder=folder, cluster="local", pack=4) as where:
        for records in where.run(jobs(notebook, int(n), seconds=0.2)):
            for record in records:
                print(record.key, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
