"""Holds the prediction against published builds: `python tests/cases/score.py` prints the table that golden.txt keeps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlalint.engine.targets import parse
from dlalint.pipeline import Session
from dlalint.plan import Outcome

HERE = Path(__file__).resolve().parent
ACCEPTED = {"dla": {"dla"}, "gpu": {"gpu"}, "not-dla": {"gpu", "folded"}, "not-gpu": {"dla", "folded"}}


@dataclass(frozen=True)
class Score:
    """One build: how many of its known nodes the prediction places as the build did; `wrong` says which not."""

    name: str
    known: dict[str, str]
    wrong: tuple[tuple[str, str, str], ...]
    loadables: tuple[int | None, int]
    candidates: tuple[int | None, int]
    ends: tuple[tuple[str, str], ...]
    outcome: Outcome

    def counts(self, device: str) -> tuple[int, int]:
        """How many nodes the build has on `device`, and how many of them the prediction finds there."""
        real = [name for name, where in self.known.items() if where == device]
        missed = {name for name, _, _ in self.wrong}
        return len(real), sum(name not in missed for name in real)


def builds() -> Iterator[tuple[str, dict[str, Any]]]:
    """The published builds by name."""
    for path in sorted((HERE / "builds").glob("*.json")):
        yield path.stem, json.loads(path.read_text(encoding="utf-8"))


def operators() -> list[dict[str, Any]]:
    """The facts on single operators."""
    found: list[dict[str, Any]] = json.loads((HERE / "operators.json").read_text(encoding="utf-8"))
    return found


def judge(session: Session, name: str, build: dict[str, Any]) -> Score:
    """The prediction for one build, held against it."""
    view = session.view(HERE / "graphs" / f"{build['graph']}.onnx")
    outcome = session.check(view, parse(build["target"], session.rules, build["precision"]))
    placed = {node.id: node.device.value for node in outcome.nodes}
    known = {node: where for node, where in build["nodes"].items() if where in ACCEPTED}
    wrong = tuple((node, where, placed[node]) for node, where in known.items() if placed[node] not in ACCEPTED[where])
    partition, layers = outcome.partition, outcome.network.layers
    kept = [partition.candidates[number] for number in partition.kept]
    ids = [node.id for node in outcome.nodes]
    ends = tuple((ids[layers[members[0]].origin[0]], ids[layers[members[-1]].origin[0]]) for members in kept)
    loadables = (build.get("loadables"), outcome.summary.loadables)
    return Score(name, known, wrong, loadables, (build.get("candidates"), outcome.summary.candidates), ends, outcome)


def table(session: Session) -> str:
    """The agreement build by build, and in total."""
    rows = [f"{'build':42}{'DLA':>11}{'GPU':>11}{'copies':>8}  {'loadables':10}{'candidates':10}"]
    totals = {"dla": [0, 0], "gpu": [0, 0], "copy": [0, 0]}
    for name, build in builds():
        score = judge(session, name, build)
        counts = {"dla": score.counts("dla"), "gpu": score.counts("gpu")}
        soft = [score.counts(where) for where in ("not-dla", "not-gpu")]
        counts["copy"] = (sum(real for real, _ in soft), sum(found for _, found in soft))
        for key, (real, found) in counts.items():
            totals[key][0] += real
            totals[key][1] += found
        cells = [f"{counts[key][1]}/{counts[key][0]}" for key in ("dla", "gpu", "copy")]
        pairs = [f"{found}/{'?' if real is None else real}" for real, found in (score.loadables, score.candidates)]
        rows.append(f"{name:42}{cells[0]:>11}{cells[1]:>11}{cells[2]:>8}  {pairs[0]:10}{pairs[1]:10}".rstrip())
    cells = [f"{totals[key][1]}/{totals[key][0]}" for key in ("dla", "gpu", "copy")]
    rows.append(f"{'all':42}{cells[0]:>11}{cells[1]:>11}{cells[2]:>8}")
    right = checks = 0
    for fact in operators():
        score = judge(session, fact["id"], fact)
        checks += len(score.known)
        right += len(score.known) - len(score.wrong)
    rows.append(f"operator facts: {right}/{checks} checks")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    with Session() as running:
        print(table(running), end="")
