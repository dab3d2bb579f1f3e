"""`gnomon organism`: networks grown here, so that all they know is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gnomon.cli.options import AsJson, Seed, StorePath, seconds

app = typer.Typer(help="Grow small networks of which everything is known.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Grow small networks of which everything is known."""


@app.command("modular-addition")
def modular_addition(
    out: Annotated[Path, typer.Option("--out", help="Folder of the organism and its report.")] = Path("report"),
    p: Annotated[int, typer.Option("--p", help="Modulus.")] = 23,
    steps: Annotated[int | None, typer.Option("--steps", help="Training steps; default: the recipe's.")] = None,
    observations: Annotated[int, typer.Option("--observations", min=2, help="Observed steps.")] = 40,
    budget: Annotated[str, typer.Option("--budget", help="Time for the examination.")] = "40s",
    seed: Seed = 0,
    store: StorePath = None,
    as_json: AsJson = False,
) -> int:
    """Grow a quadratic network on modular addition past the point where it groks, observe it, examine it."""
    from gnomon.cli.examine import show
    from gnomon.cli.progress import progress_bar
    from gnomon.estimators import Budget
    from gnomon.lab.observer import Observer, log_spaced
    from gnomon.lab.store import Store
    from gnomon.organisms import ModularAddition, train
    from gnomon.report import examine

    spec = ModularAddition(p=p, seed=seed, **({} if steps is None else {"steps": steps}))
    train_data, test_data = spec.data()
    observer = Observer(
        ["accuracy", "squared_error", "participation_ratio", "agop_effective_dimension", "effective_rank"],
        schedule=log_spaced(spec.steps, observations),
        data={"train": train_data, "test": test_data},
        seed=seed,
    )
    with progress_bar("training") as progress, Store.open(store) as kept:
        organism = train(spec, observe=observer, progress=lambda done, total: progress("training", done, total))
        out.mkdir(parents=True, exist_ok=True)
        organism.save(out / "organism.safetensors")
        examination, page = examine(
            organism.subject(),
            None,
            out,
            budget=Budget(seconds=seconds(budget)),
            seed=seed,
            store=kept,
            history=observer.measurements,
            progress=progress,
        )
    code = show(examination, page, as_json=as_json)
    if not as_json:
        reached = {split: organism.history.first_step(split) for split in ("train", "test")}
        typer.echo(f"99 % accuracy on train at step {reached['train']}, on test at step {reached['test']}")
    return code
