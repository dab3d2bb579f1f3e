"""How near methods come to a planted direction, and how often the interval of the angle holds it: a table.

Run with ``python docs/examples/planted_directions.py [SEEDS [N …]]``; 200 seeds take about 15 minutes of one core.
"""

import sys
import time

import numpy as np

from gnomon.randomness import Rng
from gnomon.structure.directions import method
from gnomon.structure.directions.known import Planted
from gnomon.structure.directions.uncertainty import angle

METHODS = ("mean_difference", "lda", "logistic", "pca", "rfm", "random")
SIZES = (16, 64, 256)


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


def main() -> None:
    """Print the table, row by row."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    print("| method | n | mean cosine | intervals of 95 % that hold it, of 100 | median width | seeds | CPU |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for n in [int(word) for word in sys.argv[2:]] or SIZES:
        for name in METHODS:
            print(row(name, n, seeds), flush=True)
        print(f"| closed form | {n} | {Planted().expected_cosine(n):.4f} | | | | |", flush=True)


if __name__ == "__main__":
    main()
