"""How near methods come to a planted direction, and how often the interval of the angle holds it: a table.

Run with ``python docs/examples/planted_directions.py [SEEDS [N …]]``; 200 seeds take about 15 minutes of one core. With
``cases`` instead it prints where which method is right, in a minute.
"""

import sys
import time
from dataclasses import replace

import numpy as np

from gnomon.randomness import Rng
from gnomon.structure.directions import method
from gnomon.structure.directions.known import Planted
from gnomon.structure.directions.pca import Pca
from gnomon.structure.directions.uncertainty import angle

METHODS = ("mean_difference", "lda", "logistic", "pca", "rfm", "random")
SIZES = (16, 64, 256)
CASES = {
    "a distractor that differs between the classes": (Planted(lean=1.0), 256),
    "classes that differ in spread, not in mean": (Planted(dimension=10, target="even"), 500),
    "shuffled classes": (Planted(shuffled=True), 256),
}


def row(name: str, n: int, seeds: int) -> str:
    """Mean cosine with its standard error, and how many intervals of 95 % hold the cosine."""
    planted, cosines, held, widths, start = Planted(), [], [], [], time.process_time()
    for seed in range(seeds):
        rng = Rng(seed)
        truth, examples = planted.draw(n, rng)
        direction = method(name)().subspace(examples, rank=1, rng=rng).direction
        found = angle(method(name)(), examples, rng=rng)
        cosines.append(float(direction @ truth))
        held.append(found.low <= cosines[-1] <= found.high)
        widths.append(found.high - found.low)
    share = 100 * float(np.mean(held))
    said = "" if 90 <= share <= 98 else " (misses 90 to 98)"
    error = np.std(cosines, ddof=1) / len(cosines) ** 0.5
    seconds = (time.process_time() - start) / seeds
    return (
        f"| `{name}` | {n} | {np.mean(cosines):.4f} ± {error:.4f} | {share:.1f}{said} | {np.median(widths):.3f} | "
        f"{seeds} | {seconds:.2f} s |"
    )


def cases(seeds: int = 10) -> None:
    """Print the mean absolute cosine with w of every method, case by case."""
    print(f"| case | {' | '.join(f'`{name}`' for name in METHODS)} |")
    print(f"| --- |{' ---: |' * len(METHODS)}")
    for words, (planted, n) in CASES.items():
        means = []
        for name in METHODS:
            drawn = [(planted.draw(n, Rng(seed)), Rng(seed)) for seed in range(seeds)]
            found = [float(method(name)().subspace(e, rank=1, rng=rng).direction @ truth) for (truth, e), rng in drawn]
            means.append(float(np.mean(np.abs(found))))
        print(f"| {words}, d = {planted.dimension}, n = {n} | {' | '.join(f'{m:.3f}' for m in means)} |", flush=True)


def centring(seeds: int = 50, n: int = 64) -> None:
    """Print what PCA of the differences of pairs finds, about zero and about their mean."""
    print(f"\nPairs, n = {n}, {seeds} seeds: mean absolute cosine with the planted direction")
    for centred in (False, True):
        found = []
        for seed in range(seeds):
            truth, drawn = Planted().draw(n, Rng(seed))
            pairs = replace(drawn, kind="paired", clusters=np.arange(n) // 2)
            found.append(abs(float(Pca(centred=centred).subspace(pairs, rank=1, rng=Rng(seed)).direction @ truth)))
        print(f"pca of differences about {'their mean' if centred else 'zero'}: {np.mean(found):.3f}")


def main() -> None:
    """Print a table, row by row."""
    if sys.argv[1:] == ["cases"]:
        cases()
        centring()
        return
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    print("| method | n | mean cosine | intervals of 95 % that hold it, of 100 | median width | seeds | CPU |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for n in [int(word) for word in sys.argv[2:]] or SIZES:
        for name in METHODS:
            print(row(name, n, seeds), flush=True)
        print(f"| closed form | {n} | {Planted().expected_cosine(n):.4f} | | | | |", flush=True)


if __name__ == "__main__":
    main()
