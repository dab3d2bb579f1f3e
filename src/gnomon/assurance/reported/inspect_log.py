"""Logs of inspect_ai: `.eval`, which is a zip of JSON files, and `.json`."""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.assurance.reported.archive import read_member
from gnomon.assurance.reported.score import Array, Points, Score
from gnomon.errors import GnomonError

_VERSION = 2
_LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
# of how scores vary, which are no scores
_SPREADS = ("stderr", "bootstrap_stderr", "std", "bootstrap_std", "var", "ci")
_MEANS = ("accuracy", "mean")
_MEAN = (None, "mean")  # names of the reducer that takes the mean over epochs
_EXACT = 1e-9  # to which a mean is found again
_START = 60  # characters of a question: enough to tell two apart, and no more than summaries keep


def read_archive(path: Path) -> list[Score]:
    """Scores of an `.eval` file. Raises GnomonError on what is no whole log of a finished run."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "header.json" not in names:
                begun = "_journal/start.json" in names
                raise GnomonError(
                    f"{path}: {'the run is unfinished' if begun else 'this zip is no log of inspect_ai'}",
                    mend="finish it (inspect eval-retry)" if begun else "give an .eval file",
                )

            def document(name: str) -> Any:
                return json.loads(read_member(archive, path, name))

            header = document("header.json")
            if "summaries.json" in names:
                samples = document("summaries.json")
            else:
                samples = [document(name) for name in sorted(names) if name.startswith("samples/")]
            reductions = document("reductions.json") if "reductions.json" in names else []
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise GnomonError(f"{path}: the zip is broken: {error}", mend="copy it anew") from None
    return scores(path, {**header, "samples": samples, "reductions": reductions})


def is_log(document: Any) -> bool:
    """Whether a JSON document is a log of inspect_ai."""
    return isinstance(document, dict) and "eval" in document and "status" in document


def scores(path: Path, log: Mapping[str, Any]) -> list[Score]:
    """Every score that a log states, with the samples that it is the mean of.

    Epochs of a sample are one cluster, or whatever the log's own error clusters by. Values are made numbers as
    inspect_ai does: C is 1, P is 1/2, I and N are 0. A reducer other than the mean has one value a sample, and is named
    with the scorer, as in ``match/at_least_2``. Samples that were to be run and have no score are NaN.

    Raises GnomonError where the run did not succeed, or the log is of another version or marked invalid.
    """
    if log.get("version") != _VERSION:
        raise GnomonError(f"{path}: version {log.get('version')} of inspect_ai's logs", mend="give one of version 2")
    if log["status"] != "success":
        raise GnomonError(
            f"{path}: the run has status {log['status']!r}; what was scored before is no fair sample",
            mend="finish it (inspect eval-retry)",
        )
    if log.get("invalidated"):
        raise GnomonError(f"{path}: the log is marked invalid", mend="score it again")
    results, samples = log.get("results") or {}, log.get("samples") or []
    if not results.get("scores"):
        raise GnomonError(f"{path}: nothing was scored", mend="run `inspect score` on it")
    if not samples:
        raise GnomonError(f"{path}: the log has no samples", mend="log with samples, not only headers")
    try:
        return [score for stated in results["scores"] for score in _of_one(path, log, stated, samples)]
    except (KeyError, TypeError, AttributeError) as error:
        raise GnomonError(f"{path}: the log is not whole: {error!r}", mend="write it anew") from None


def _of_one(path: Path, log: Mapping[str, Any], stated: Mapping[str, Any], samples: Sequence[Any]) -> Iterator[Score]:
    name, scorer = stated["name"], stated.get("scorer") or stated["name"]
    metrics = {key.rsplit("/", 1)[-1]: metric for key, metric in stated["metrics"].items()}
    errors = [metrics[key] for key in ("stderr", "bootstrap_stderr", "bootstrap_std") if key in metrics]
    cluster = (errors[0].get("params") or {}).get("cluster") if errors else None
    reducer = stated.get("reducer")
    points = _points(log, name, scorer, reducer, samples, cluster)
    for key, metric in metrics.items():
        if key in _SPREADS or not isinstance(metric["value"], int | float):
            continue
        value = float(metric["value"])
        scored = points.values[~np.isnan(points.values)]
        is_mean = not len(scored) or math.isclose(float(scored.mean()), value, rel_tol=_EXACT, abs_tol=_EXACT)
        error = errors[0]["value"] if errors and key in _MEANS else None
        yield Score(
            log=path,
            task=log["eval"]["task"],
            metric=key,
            scorer=(name if name == scorer else f"{scorer}.{name}") + (f"/{reducer}" if reducer not in _MEAN else ""),
            model=log["eval"]["model"],
            stated=value,
            error=float(error) if isinstance(error, int | float) else None,
            points=points if is_mean else None,
        )


def _points(
    log: Mapping[str, Any],
    name: str,
    scorer: str,
    reducer: str | None,
    samples: Sequence[Any],
    cluster: str | None,
) -> Points:
    raw = [_value(sample, name, scorer) for sample in samples]
    given = [value for value in raw if value is not None and not (isinstance(value, float) and math.isnan(value))]
    keys = [_question(sample) for sample in samples]
    groups = [
        str((s.get("metadata") or {}).get(cluster, k)) if cluster else k for s, k in zip(samples, keys, strict=True)
    ]
    values = np.array([_number(value) for value in raw], dtype=np.float64)
    # samples of which the log has nothing, not even that they failed
    gone = max(0, int(log["results"].get("total_samples", 0)) - len(samples))
    if reducer not in _MEAN:
        found = [r for r in log.get("reductions") or [] if (r["scorer"], r.get("reducer")) == (scorer, reducer)]
        reduced = {str(s["sample_id"]): _number(_part(s["value"], name)) for one in found for s in one["samples"]}
        firsts = {str(s["id"]): i for i, s in reversed(list(enumerate(samples)))}
        values = np.array([reduced.get(i, math.nan) for i in firsts])
        keys, groups = [keys[i] for i in firsts.values()], [groups[i] for i in firsts.values()]
        gone = 0
    elif len(set(Counter(k for k, v in zip(keys, values, strict=True) if not math.isnan(v)).values())) > 1:
        values, keys, groups = _each_sample(values, keys, groups)
    fresh = [f"not in the log {i}" for i in range(gone)]
    letters = bool(given) and all(isinstance(value, str) and value in _LETTERS for value in given)
    return Points(
        values=np.append(values, np.full(gone, math.nan)),
        samples=(*keys, *fresh),
        clusters=(*groups, *fresh),
        within=(0.0, 1.0) if letters else None,
    )


def _each_sample(values: Array, keys: list[str], groups: list[str]) -> tuple[Array, list[str], list[str]]:
    """One value a sample, the mean of those it has: where epochs are missing, inspect_ai weighs samples alike."""
    places = {key: [i for i, k in enumerate(keys) if k == key] for key in dict.fromkeys(keys)}
    scored = [values[at][~np.isnan(values[at])] for at in places.values()]
    found = np.array([v.mean() if len(v) else math.nan for v in scored])
    return found, list(places), [groups[at[0]] for at in places.values()]


def _question(sample: Mapping[str, Any]) -> str:
    asked = sample.get("input")
    return f"{sample['id']} {asked[:_START]}" if isinstance(asked, str) else str(sample["id"])


def _value(sample: Mapping[str, Any], name: str, scorer: str) -> Any:
    scored = sample.get("scores") or {}
    if scorer not in scored and name not in scored:
        return None
    return _part((scored.get(scorer) or scored[name])["value"], name)


def _part(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else value


def _number(value: Any) -> float:
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, str):
        known = _LETTERS.get(value, _WORDS.get(value.lower()))
        if known is not None:
            return known
        try:
            return float(value)
        except ValueError:
            return math.nan
    return math.nan
