"""A prediction held against files, without the command around it."""

from __future__ import annotations

from pathlib import Path

from dlalint.graphview import GraphView
from dlalint.plan import Outcome
from dlalint.trtexec.arrange import arranged
from dlalint.trtexec.claims import told
from dlalint.trtexec.compare import compare
from dlalint.trtexec.comparison import Comparison
from dlalint.trtexec.joining import Names, Paths
from dlalint.trtexec.read import read


def compared(view: GraphView, outcome: Outcome, text: str, folder: Path) -> Comparison:
    """``outcome`` against a file of ``text``."""
    path = folder / "build.log"
    path.write_text(text, encoding="utf-8")
    return of_file(view, outcome, path)


def of_file(view: GraphView, outcome: Outcome, path: Path) -> Comparison:
    """``outcome`` against the file at ``path``."""
    case = arranged([read(str(path))]).cases[0]
    profile = case.profile if case.profile is not None and case.profile.form != "autotuning" else None
    build = case.engine.build
    names = Names(outcome, build.registered if build is not None else {})
    return compare(outcome, told(case.engine, profile), names, Paths(outcome, view.calls), build)
