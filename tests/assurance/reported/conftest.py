"""Logs in the formats of inspect_ai (as of its commit 499e615) and lm-evaluation-harness (4e7e0d4), written by code."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

Log = Callable[..., Path]


def _summaries(answers: Mapping[str, Sequence[Any]], scorer: str, metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "id": name,
            "epoch": epoch + 1,
            "input": f"What is {name}?",
            "target": "A",
            "metadata": metadata.get(name, {}),
            "completed": True,
            **({"error": "TimeoutError()"} if value is None else {"scores": {scorer: {"value": value, "history": []}}}),
        }
        for name, values in answers.items()
        for epoch, value in enumerate(values)
    ]


@pytest.fixture
def inspect_log(tmp_path: Path) -> Log:
    """Writes one: ``answers`` are the values of each sample, epoch by epoch; None is one that failed."""

    def write(
        name: str,
        answers: Mapping[str, Sequence[Any]],
        metrics: Mapping[str, float],
        *,
        cluster: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        scores: Sequence[Mapping[str, Any]] | None = None,
        reductions: Sequence[Mapping[str, Any]] = (),
        total: int | None = None,
        compression: int = zipfile.ZIP_DEFLATED,
        leave_out: Sequence[str] = (),
        **header: Any,
    ) -> Path:
        samples = _summaries(answers, "match", metadata or {})
        stated = {
            key: {"name": key, "value": value, "params": {"cluster": cluster} if cluster and key == "stderr" else {}}
            for key, value in metrics.items()
        }
        log = {
            "version": 2,
            "status": "success",
            "eval": {"task": "arithmetic", "model": "gnomon/tiny", "config": {"epochs": 1}, "dataset": {}},
            "plan": {},
            "results": {
                "total_samples": len(samples) if total is None else total,
                "completed_samples": sum("error" not in s for s in samples),
                "scores": scores or [{"name": "match", "scorer": "match", "params": {}, "metrics": stated}],
            },
            "stats": {},
            **header,
        }
        path = tmp_path / name
        if path.suffix == ".json":
            path.write_text(json.dumps({**log, "samples": samples, "reductions": list(reductions)}))
            return path
        members = {
            "_journal/start.json": {key: log[key] for key in ("version", "eval", "plan")},
            **{f"samples/{s['id']}_epoch_{s['epoch']}.json": {**s, "messages": []} for s in samples},
            "_journal/summaries/1.json": samples,
            "summaries.json": samples,
            "reductions.json": list(reductions),
            "header.json": log,
        }
        with zipfile.ZipFile(path, "w", compression) as archive:
            for member, document in members.items():
                if member not in leave_out:
                    archive.writestr(member, json.dumps(document))
        return path

    return write


@pytest.fixture
def harness_log(tmp_path: Path) -> Log:
    """Writes results, and samples where ``points`` of a task are given: a metric's values by document."""

    def write(
        folder: str,
        results: Mapping[str, Mapping[str, Any]],
        *,
        points: Mapping[str, Mapping[str, Sequence[Any]]] | None = None,
        counts: Mapping[str, int] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
    ) -> Path:
        date = "2026-03-01T12-00-00.123456"
        place = tmp_path / folder
        place.mkdir()
        path = place / f"results_{date}.json"
        path.write_text(
            json.dumps(
                {
                    "results": {task: {"alias": task, **metrics} for task, metrics in results.items()},
                    "group_subtasks": dict(groups or {}),
                    "versions": dict.fromkeys(results, 1.0),
                    "n-samples": {t: {"original": 1000, "effective": n} for t, n in (counts or {}).items()},
                    "model_name": "gnomon/tiny",
                }
            )
        )
        for task, by_key in (points or {}).items():
            lines = [
                {"doc_id": i, "doc": {}, "filter": key.partition(",")[2], "metrics": [key.partition(",")[0]]}
                | {"doc_hash": f"{task}{i}", key.partition(",")[0]: value}
                for key, values in by_key.items()
                for i, value in enumerate(values)
            ]
            (place / f"samples_{task}_{date}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    return write


@pytest.fixture
def zstandard() -> Callable[[Path], Path]:
    """Rewrites a zip as inspect_ai does since 2026: its members compressed with Zstandard, method 93."""
    arrow = pytest.importorskip("pyarrow")

    def rewrite(path: Path) -> Path:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: archive.read(info) for info in archive.infolist()}
        body, directory = b"", b""
        for name, data in members.items():
            packed = bytes(arrow.Codec("zstd").compress(data, asbytes=True))
            common = struct.pack("<5H3I2H", 63, 0, 93, 0, 33, zlib.crc32(data), len(packed), len(data), len(name), 0)
            directory += struct.pack("<4sH", b"PK\1\2", 63) + common + struct.pack("<3H2I", 0, 0, 0, 0, len(body))
            directory += name.encode()
            body += b"PK\3\4" + common + name.encode() + packed
        end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, len(members), len(members), len(directory), len(body), 0)
        path.write_bytes(body + directory + end)
        return path

    return rewrite
