"""Cases of toy policies, decided and built as gnomon assure does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gnomon.assurance.asking import Question
from gnomon.assurance.case import AnyNode, Case, build
from gnomon.assurance.policy import Decision, assure, policy_of
from gnomon.randomness import Rng
from toy_rates import deployment, document, safeguard, threshold

NOW = datetime(2001, 2, 3, 12, tzinfo=UTC)


def command(question: Question, level: float) -> tuple[str, ...]:
    settings = [part for one in question.settings for part in ("--set", one)]
    return ("gnomon", "evaluate", "toy", question.evaluation, *settings, "--level", repr(level), "--seed", "0")


def decided(harm: int | str, watch: int | str | None = None, *, limit: float = 0.2, **parts: Any) -> Decision:
    """A threshold "at most ``limit`` less 0.05" at ``harm`` of 100, and a safeguard "at least 0.9" at ``watch``.

    A word in place of a number is a manner of the toy evaluation.
    """

    def options(of: str, given: int | str) -> dict[str, Any]:
        return {"of": of, "hits": {"all": given}} if isinstance(given, int) else {"of": of, "manner": given}

    rows: dict[str, Any] = {"threshold": [threshold(title="Harm", limit=limit, options=options("harm", harm))]}
    if watch is not None:
        needs = ["monitor"] if watch == "absent" else []
        opts = options("watch", 0 if watch == "absent" else watch)
        rows["threshold"][0]["safeguards"] = ["watch"]
        rows["safeguard"] = [safeguard("watch", title="Watch", options=opts, needs=needs)]
    policy = policy_of(document(**rows))
    return assure(policy, deployment(**parts), Rng(0), now=NOW)


def made(
    harm: int | str, watch: int | str | None = None, *, limit: float = 0.2, cited: Sequence[AnyNode] = (), **parts: Any
) -> Case:
    decision = decided(harm, watch, limit=limit, **parts)
    return build(decision, deployment(**parts), command=command, made=NOW, cited=cited)


def written(folder: Path, text: str) -> Path:
    (folder / "case.json").write_text(text, encoding="utf-8")
    return folder
