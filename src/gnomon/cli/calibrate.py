"""`gnomon calibrate`: do the instruments read known answers right?"""

from __future__ import annotations

import os
import time
from typing import Annotated

import typer

from gnomon.cli.options import AsJson, Names, Quick, Seed, StorePath, print_json, split


def calibrate(
    names: Names = None,
    quick: Quick = False,
    seed: Seed = 0,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes.")] = os.cpu_count() or 1,
    store: StorePath = None,
    as_json: AsJson = False,
) -> int:
    """Run every instrument on its known answers; exit 1 if one of them reads wrong."""
    import torch

    from gnomon.cli.progress import progress_bar
    from gnomon.cli.tables import certificate_row, print_table
    from gnomon.lab.calibration import calibrate as run
    from gnomon.lab.measuring import estimators_named, hardware
    from gnomon.lab.store import Store

    started = time.perf_counter()
    chosen = estimators_named(split(names))
    with Store.open(store) as kept, progress_bar("calibrating") as progress:
        certificates = run(
            chosen,
            quick=quick,
            seed=seed,
            workers=workers,
            progress=lambda done, total: progress("calibrating", done, total),
        )
        kept.add_certificates(certificates)
    passed = all(c.passed for c in certificates)
    if as_json:
        document = {
            "passed": passed,
            "instruments": [c.to_json() for c in certificates],
            "quick": quick,
            "seconds": time.perf_counter() - started,
            "workers": workers,
            "hardware": hardware(torch.device("cpu")),
        }
        print_json(document)
    else:
        columns = ("quantity", "known answer", "truth", "mean", "bias", "spread", "coverage", "read", "verdict")
        verdict = "all pass" if passed else f"{sum(not c.passed for c in certificates)} FAIL"
        print_table(f"{len(certificates)} known answers: {verdict}", columns, map(certificate_row, certificates))
    return 0 if passed else 1
