"""Dictionaries exchanged with SAELens itself: the same reconstructions both ways.

    python benchmarks/saelens.py --peer-python PATH [--width 64] [--latents 256] [--rows 2000] [--json]

The peer runs in its own environment (PATH is its python). Ours are trained for some steps on rows far from zero,
exported, and loaded by `SAE.load_from_disk`; SAELens's training classes get random weights with directions of unequal
length, are saved as it saves them (`save_inference_model`, and `save_model` for transcoders) and imported. What counts
is the largest difference of any reconstructed number, relative to the root mean square of the reconstruction, and how
many codes are active on one side only. A code whose pre-activation is within rounding of its threshold may be one.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

SAME = 1e-5
OURS = {
    "relu": {},
    "top_k": {"k": 8},
    "batch_top_k": {"k": 8},
    "jump_relu": {},
    "matryoshka": {"k": 8},
    "relu transcoder": {},
    "jump_relu transcoder": {},
    "batch_top_k transcoder": {"k": 8},
}
THEIRS = ("standard", "topk", "batchtopk", "jumprelu", "matryoshka_batchtopk", "transcoder", "jumprelu_transcoder")
TARGETS = 48


def main() -> int:
    """Run it; the exit code is 1 when a reconstruction differs by more than 1e-5."""
    parser = argparse.ArgumentParser(description="dictionaries exchanged with SAELens")
    parser.add_argument("--peer-python", type=Path, help="python of an environment that has sae-lens")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--latents", type=int, default=256)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        peer(arguments)
        return 0
    if arguments.peer_python is None or not arguments.peer_python.exists():
        parser.error("--peer-python: give the python of an environment that has sae-lens")
    with tempfile.TemporaryDirectory() as name:
        arguments.folder = Path(name)
        found = exchange(arguments)
    passed = all(one["difference"] <= SAME for one in found.values())
    if arguments.json:
        print(json.dumps({"dictionaries": found, "passed": passed}))
    else:
        for name, one in found.items():
            print(
                f"{name}: differs by {one['difference']:.1e}; {one['active']:.1f} latents active, "
                f"{one['one_sided']} of {one['codes']} codes on one side only"
            )
    return 0 if passed else 1


def exchange(arguments: argparse.Namespace) -> dict[str, Any]:
    """Export ours, let the peer do its part, and compare."""
    import torch

    from gnomon.structure.dictionaries.saelens import import_saelens

    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(arguments.width, arguments.width, generator=generator) / arguments.width**0.5
    rows = 5 + torch.randn(arguments.rows, arguments.width, generator=generator) @ mixing
    np.save(arguments.folder / "rows.npy", rows.numpy())
    found = {}
    mine = {name: export(name, arguments, rows) for name in OURS}
    run_peer(arguments)
    for name, dictionary in mine.items():
        made = np.load(arguments.folder / "ours" / name / "made.npz")
        found[f"ours → SAELens, {name}"] = compared(dictionary, rows, made)
    for name in THEIRS:
        dictionary, _ = import_saelens(arguments.folder / "theirs" / name)
        made = np.load(arguments.folder / "theirs" / name / "made.npz")
        found[f"SAELens → ours, {name}"] = compared(dictionary, rows, made)
    return found


def export(name: str, arguments: argparse.Namespace, rows: Any) -> Any:
    """One of ours, trained for a few steps, and exported."""
    import torch

    from gnomon.randomness import Rng
    from gnomon.structure.dictionaries import ArrayRows, Training, architecture, train
    from gnomon.structure.dictionaries.saelens import export_saelens

    kind, _, transcoder = name.partition(" ")
    targets = None
    if transcoder:
        weight = torch.randn(arguments.width, TARGETS, generator=torch.Generator().manual_seed(1))
        targets = (rows - 5).relu() @ weight - 2
    spec = architecture(kind, latents=arguments.latents, **OURS[name])
    training = Training(rows=200 * 500, batch=500)
    dictionary = train(ArrayRows(rows, targets), spec, training, rng=Rng(0)).dictionary
    export_saelens(dictionary, arguments.folder / "ours" / name, metadata={"hook_name": "blocks.0"})
    return dictionary


def compared(dictionary: Any, rows: Any, made: Any) -> dict[str, Any]:
    """Our reconstructions and codes against the peer's."""
    import torch

    with torch.no_grad():
        codes = dictionary.encode(rows)
        ours = dictionary.decode(codes).double().numpy()
    active = codes.dense().numpy() > 0
    size = np.sqrt(np.square(ours).mean())
    return {
        "difference": float(np.abs(ours - made["reconstructed"]).max() / size),
        "active": float(active.sum(axis=1).mean()),
        "one_sided": int((active != made["active"]).sum()),
        "codes": active.size,
    }


def run_peer(arguments: argparse.Namespace) -> None:
    """The peer's part, in its own process."""
    # -P: the peer is called as this file is
    command = [str(arguments.peer_python), "-P", __file__, "--worker", "--folder", str(arguments.folder)]
    command += ["--width", str(arguments.width), "--latents", str(arguments.latents)]
    quiet = {"WANDB_MODE": "disabled", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=os.environ | quiet, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"the peer cannot run in {command[0]}: {done.stderr.strip().splitlines()[-1]}")


def peer(arguments: argparse.Namespace) -> None:
    """SAELens: load ours and reconstruct; save its own and reconstruct with what it loads."""
    real = importlib.util.find_spec  # a torchvision that does not load beside the torch that is there is none
    importlib.util.find_spec = lambda name, *rest: None if name.split(".")[0] == "torchvision" else real(name, *rest)
    import torch
    from sae_lens import SAE
    from sae_lens.registry import get_sae_class, get_sae_training_class

    rows = torch.from_numpy(np.load(arguments.folder / "rows.npy"))

    def reconstruct(folder: Path) -> None:
        sae = SAE.load_from_disk(folder)
        with torch.no_grad():
            codes = sae.encode(rows)
            made = sae(rows)
        np.savez(folder / "made.npz", reconstructed=made.double().numpy(), active=(codes > 0).numpy())

    for folder in sorted((arguments.folder / "ours").iterdir()):
        reconstruct(folder)
    for name in THEIRS:
        transcoder = "transcoder" in name
        kind, settings = get_sae_class(name) if transcoder else get_sae_training_class(name)
        options: dict[str, Any] = {"d_in": arguments.width, "d_sae": arguments.latents}
        if transcoder:
            options |= {"d_out": TARGETS, "apply_b_dec_to_input": False}
        if "topk" in name:
            options |= {"k": 8}
        if "matryoshka" in name:
            options |= {"matryoshka_widths": [arguments.latents // 4, arguments.latents]}
        sae = kind(settings(**options))
        draw(sae, float(rows.mean()))
        folder = arguments.folder / "theirs" / name
        if transcoder:
            sae.save_model(folder)
        else:
            sae.save_inference_model(folder)
        reconstruct(folder)


def draw(sae: Any, centre: float) -> None:
    """Random weights: directions of unequal length, biases, thresholds."""
    import torch

    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, value in sae.named_parameters():
            fresh = torch.randn(value.shape, generator=generator)
            if name == "W_dec":
                fresh *= 0.2 + 2 * torch.rand(len(value), 1, generator=generator)
            if name == "b_dec" and sae.cfg.apply_b_dec_to_input:
                fresh += centre
            value.copy_(fresh.abs() * 5 if name == "threshold" else fresh)
        if hasattr(sae, "topk_threshold"):
            sae.topk_threshold.fill_(7.0)


if __name__ == "__main__":
    sys.exit(main())
