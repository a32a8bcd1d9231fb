"""Random one-node models through the whole of the linter, in this process. ``DLALINT_NODES=20000`` checks more of them."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

from dlalint.engine.targets import parse
from dlalint.errors import DlalintError
from dlalint.pipeline import Session
from dlalint.report.to_json import to_json
from dlalint.worker import Worker
from tests.hostile.corpus.single_nodes import random_node

COUNT = int(os.environ.get("DLALINT_NODES", "2000"))
TARGETS = (
    ("xavier-trt5.0", "fp16"),
    ("xavier-trt8.5", "int8"),
    ("orin-trt8.6", "int8"),
    ("orin-trt10.3", "fp16"),
    ("orin-trt11.4", "fp16"),
)


def test_no_exception(tmp_path: Path) -> None:
    source = random.Random(20_000)
    found: Counter[str] = Counter()
    operators = set()
    with Worker(1.0) as worker:
        session = Session(worker=worker)
        targets = [parse(name, session.rules, precision) for name, precision in TARGETS]
        for number in range(COUNT):
            name, data = random_node(source)
            operators.add(name)
            try:
                outcome = session.check(session.view_bytes(data, "model.onnx"), targets[number % len(targets)])
                to_json([outcome], session.rules.sources)
                found[outcome.verdict] += 1
            except DlalintError as error:
                found[error.code] += 1
            except Exception as error:
                (tmp_path / "model.onnx").write_bytes(data)
                raise AssertionError(f"number {number}, {name}: {error!r}, see {tmp_path / 'model.onnx'}") from error
    assert len(operators) > 150
    assert not found["E900"]
    assert min(found[verdict] for verdict in ("full", "none", "unknown")) > 0
    assert sum(found.values()) == COUNT
