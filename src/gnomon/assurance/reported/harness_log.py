"""Logs of lm-evaluation-harness: `results_*.json`, and `samples_*.jsonl` beside it where samples were logged."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.assurance.reported.counts import counted
from gnomon.assurance.reported.score import Points, Score
from gnomon.errors import GnomonError

_DATE = re.compile(r"_(\d{4}-\d{2}-\d{2}T[\d\-.]+)$")
# metrics whose points lie between 0 and 1
_SHARES = re.compile(r"^(acc(_.*)?|exact_match|em|mc1|mc2|f1|pass@\d+)$")
_EXACT = 1e-9  # to which a mean is found again


def is_log(document: Any) -> bool:
    """Whether a JSON document is one of results."""
    return isinstance(document, dict) and isinstance(document.get("results"), dict) and "versions" in document


def scores(path: Path, log: Mapping[str, Any]) -> list[Score]:
    """Every score of every task and group that a log states, with its samples where they lie beside it.

    A group's score is the mean over all samples of its subtasks, where that is what the log states: an interval then
    speaks of new questions for the same subtasks. Metrics that are no means of their samples (perplexity, F1 over all)
    keep the log's own error.

    Raises GnomonError when there are no results, or they or a file of samples are not whole.
    """
    try:
        return _scores(path, log)
    except (KeyError, TypeError, AttributeError) as error:
        raise GnomonError(
            f"{path}: the results or their samples are not whole: {error!r}", mend="copy them anew"
        ) from None


def _scores(path: Path, log: Mapping[str, Any]) -> list[Score]:
    found: dict[tuple[str, str, str], Score] = {}
    tasks, groups = log["results"], {k: v for k, v in (log.get("group_subtasks") or {}).items() if v}
    order = sorted(tasks, key=lambda name: name in groups)
    for task in order:
        samples = _samples(path, task, log)
        for key, value in tasks[task].items():
            metric, _, picked = key.partition(",")
            if metric.endswith("_stderr") or metric == "sample_len" or not isinstance(value, int | float):
                continue
            score = _of_task(path, log, task, metric, picked, float(value), samples)
            if task in groups:
                score = _of_group(score, [found.get((t, picked, metric)) for t in _leaves(task, groups)])
            found[task, picked, metric] = score
    if not found:
        raise GnomonError(f"{path}: there are no results in it", mend="give a results_*.json")
    return [found[key] for task in tasks for key in found if key[0] == task]


def _of_task(
    path: Path,
    log: Mapping[str, Any],
    task: str,
    metric: str,
    picked: str,
    value: float,
    samples: Sequence[Mapping[str, Any]],
) -> Score:
    stated = log["results"][task]
    error = stated.get(f"{metric}_stderr,{picked}" if picked else f"{metric}_stderr")
    count = (log.get("n-samples") or {}).get(task, {}).get("effective", stated.get("sample_len"))
    return Score(
        log=path,
        task=task,
        metric=metric,
        scorer=picked,
        model=str(log.get("model_name") or (log.get("config") or {}).get("model_args") or ""),
        stated=value,
        error=float(error) if isinstance(error, int | float) else None,
        points=_points(path, task, metric, picked, value, count, samples),
        count=count,
        share=bool(_SHARES.match(metric)),
    )


def _points(
    path: Path,
    task: str,
    metric: str,
    picked: str,
    stated: float,
    count: int | None,
    samples: Sequence[Mapping[str, Any]],
) -> Points | None:
    chosen = [s for s in samples if s.get("filter", picked) == picked and metric in s]
    if not chosen or not all(isinstance(s[metric], bool | int | float) for s in chosen):
        return None
    if count is not None and len(chosen) != count:
        raise GnomonError(f"{path}: {len(chosen)} samples of {count} for {task}", mend="copy the samples anew")
    values = np.array([s[metric] for s in chosen], dtype=np.float64)
    scored = values[~np.isnan(values)]
    if len(scored) and not math.isclose(float(scored.mean()), stated, rel_tol=_EXACT, abs_tol=_EXACT):
        return None
    keys = tuple(f"{s['doc_id']} {s.get('doc_hash', '')}".strip() for s in chosen)
    inside = bool(_SHARES.match(metric)) and bool(((scored >= 0) & (scored <= 1)).all())
    return Points(values=values, samples=keys, clusters=keys, within=(0.0, 1.0) if inside else None)


def _leaves(group: str, groups: Mapping[str, Sequence[str]]) -> list[str]:
    return [leaf for part in groups[group] for leaf in (_leaves(part, groups) if part in groups else [part])]


def _of_group(group: Score, parts: Sequence[Score | None]) -> Score:
    """The group with what its subtasks know, where its value is the mean over all their samples."""
    known = [part for part in parts if part is not None]
    if not parts or len(known) < len(parts):
        return group
    common: dict[str, Any] = {
        "log": group.log,
        "task": group.task,
        "metric": group.metric,
        "scorer": group.scorer,
        "model": group.model,
        "stated": group.stated,
        "error": group.error,
        "share": group.share,
    }
    points = [part.points for part in known if part.points is not None]
    if len(points) == len(known):
        values = np.concatenate([one.values for one in points])
        if _agrees(float(np.nanmean(values)), group):
            keys = tuple(f"{p.task} {key}" for p, one in zip(known, points, strict=True) for key in one.samples)
            within = points[0].within if len({one.within for one in points}) == 1 else None
            return Score(**common, points=Points(values=values, samples=keys, clusters=keys, within=within))
    counts = [counted(part.stated, part.error, part.count, share=part.share) for part in known]
    if all(counts):
        hits, n = (sum(one[i] for one in counts if one is not None) for i in (0, 1))
        if _agrees(hits / n, group):
            return Score(**common, hits=hits, count=n)
    return group


def _agrees(value: float, group: Score) -> bool:
    return math.isclose(value, group.stated, rel_tol=_EXACT, abs_tol=_EXACT)


def _samples(path: Path, task: str, log: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    dated = _DATE.search(path.stem)
    beside = path.with_name(f"samples_{task}_{dated[1]}.jsonl") if dated else None
    if beside is None or not beside.is_file() or task not in log["results"]:
        return []
    try:
        lines = beside.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.strip()]
    except ValueError as error:
        raise GnomonError(f"{beside}: not whole: {error}", mend="copy it anew, or remove it") from None
