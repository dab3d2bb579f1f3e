"""Bytes: of weights in memory and in files, of activations, and of what is kept of earlier tokens."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from gnomon.assurance.efficiency.passes import prefill
from gnomon.assurance.efficiency.quantities import ACTIVATION_BYTES, DISK_BYTES, WEIGHT_BYTES
from gnomon.measurement import Measurement, Uncertainty
from gnomon.subjects import Subject
from gnomon.subjects.memory import PeakMemory

_FILES = ("*.safetensors", "*.bin")


def weight_bytes(subject: Subject) -> int:
    """Of all parameters and buffers, shared ones once."""
    held = (*subject.module.parameters(), *subject.module.buffers())
    return sum({id(t): t.numel() * t.element_size() for t in held}.values())


def weights(subject: Subject, estimator: str) -> Measurement:
    """`WEIGHT_BYTES` as they are in memory."""
    return Measurement.ok(WEIGHT_BYTES, float(weight_bytes(subject)), Uncertainty.exact(), estimator=estimator)


def on_disk(folder: Path | None, estimator: str) -> Measurement:
    """`DISK_BYTES` of the files of weights in ``folder``."""
    files = {f for ending in _FILES for f in folder.glob(ending)} if folder else set()
    if not files:
        return Measurement.insufficient(DISK_BYTES, "it was read from no folder of weights", estimator=estimator)
    size = sum(f.stat().st_size for f in files)
    return Measurement.ok(DISK_BYTES, float(size), Uncertainty.exact(), estimator=estimator)


def activations(subject: Subject, prompt: Tensor, estimator: str) -> Measurement:
    """`ACTIVATION_BYTES` of a prefill, without gradients."""
    if subject.device.type == "cuda":
        torch.cuda.synchronize(subject.device)
        torch.cuda.reset_peak_memory_stats(subject.device)
        before = torch.cuda.memory_allocated(subject.device)
        prefill(subject, prompt)
        torch.cuda.synchronize(subject.device)
        peak = torch.cuda.max_memory_allocated(subject.device) - before
    else:
        known = (*subject.module.parameters(), *subject.module.buffers(), prompt)
        with PeakMemory(known) as memory:
            prefill(subject, prompt)
        peak = memory.peak
    told = {"tokens": prompt.shape[1]}
    return Measurement.ok(ACTIVATION_BYTES, float(peak), Uncertainty.exact(), estimator=estimator, diagnostics=told)
