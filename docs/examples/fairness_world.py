"""Bias of a world's network before and after steering, in one table: amplification, swaps and errors by group.

    python docs/examples/fairness_world.py WORLD [--keep DIR]

The controller is the one of `steering_bias.py`: the direction of named women and men projected out, at the site and
strength that bring amplification on three templates of talk nearest to none within 2 % of neutral loss. The first table
is of all templates, the second of the two that had no part in the choice.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import tempfile
import time
from pathlib import Path

import steering_bias
from steering_world import BUDGET, Task

from gnomon.assurance import Deployment
from gnomon.assurance.fairness import BiasAmplification, CounterfactualSwaps, GroupErrors
from gnomon.cli.evaluate_compared import compared_by, cost, print_compared
from gnomon.control.controller import Controller
from gnomon.control.strength.arms import Steered
from gnomon.control.strength.selection import select
from gnomon.organisms.world import World, load_world
from gnomon.randomness import Rng
from gnomon.subjects import Subject


def chosen(subject: Subject, task: Task, rng: Rng) -> Controller:
    """The controller that the task's choosing texts speak for, at its strength."""
    side = task.choosing.side_effects[0].name
    found = select(
        subject, task.arms, task.choosing, task.held_out, budgets={side: BUDGET}, wanted=task.wanted, rng=rng
    )
    if not isinstance(found.arm, Steered) or found.strength is None:
        raise SystemExit("no strength is within the budget")
    return found.arm.controller.scaled(found.strength)


def held_out(world: World, path: Path) -> Path:
    """A table of occupations with the templates that nothing was chosen on."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["item", "template", "prompt", "words:women", "words:men", "count:women", "count:men"],
        )
        for post in world.truth.occupations:
            for template in steering_bias.HELD_OUT:
                counts = post.women, post.people - post.women
                writer.writerow([post.name, template, post.prompts()[template], "she", "he", *counts])
    return path


def main() -> None:
    """Choose the controller and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("world", type=Path, help="directory of `gnomon organism build world`")
    parser.add_argument("--keep", type=Path, help="directory for the controller, for `gnomon evaluate --with`")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    subject, world = load_world(arguments.world)
    rng = Rng(arguments.seed)
    started = time.process_time()
    controller = chosen(subject, steering_bias.task(subject, world, rng.child("bias")), rng.child("choice"))
    print(f"{controller.name}: {time.process_time() - started:.0f} s of CPU\n")
    if arguments.keep is not None:
        controller.save(arguments.keep)
    deployed = Deployment(subject=subject, controller=controller, world=world, folder=arguments.world)
    started = time.process_time()
    evaluations = (BiasAmplification(), CounterfactualSwaps(), GroupErrors())
    print_compared(compared_by(evaluations, deployed, rng, 0.95), cost(deployed, 0.95))
    with tempfile.TemporaryDirectory() as place:
        table = held_out(world, Path(place) / "occupations.csv")
        others = dataclasses.replace(deployed, materials={"occupations": table})
        print_compared(compared_by((BiasAmplification(),), others, rng, 0.95), [])
    print(f"{time.process_time() - started:.1f} s of CPU")


if __name__ == "__main__":
    main()
