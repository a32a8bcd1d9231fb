"""A log of the prediction itself agrees with it; of a log with some nodes moved, exactly those are reported."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlalint.engine.targets import parse
from dlalint.graph import Device
from dlalint.pipeline import Session
from dlalint.plan import Outcome
from dlalint.trtexec.agreement import agreement
from tests.trtexec import built, drawn, holding

_SETTINGS = settings(
    derandomize=True, max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def _movable(outcome: Outcome) -> list[int]:
    """The nodes that are one layer of their own."""
    counts: dict[int, int] = {}
    for layer in outcome.network.layers:
        for number in layer.origin:
            counts[number] = counts.get(number, 0) + (1 if len(layer.origin) == 1 and not layer.spec.helper else 2)
    return [number for number, count in counts.items() if count == 1]


@pytest.mark.parametrize("target", sorted(built.FORMS))
@_SETTINGS
@given(model=drawn.networks(), prefix=st.sampled_from(["timed", "python", "trt"]))
def test_own_log_agrees(session: Session, tmp_path: Path, target: str, model: onnx.ModelProto, prefix: str) -> None:
    view = session.view(drawn.saved(model, tmp_path))
    outcome = session.check(view, parse(target, session.rules))
    found = holding.compared(view, outcome, built.log(outcome, prefix=prefix), tmp_path)
    numbers = agreement(found)
    assert found.differing == ()
    assert found.agrees
    assert found.unjoined == ()
    assert (numbers.whole.dla.real, numbers.whole.gpu.real) == (outcome.summary.dla_nodes, outcome.summary.gpu_nodes)
    assert numbers.untold == 0
    assert found.loaded == outcome.summary.loadables
    assert all(item.same for item in found.loadables)


@pytest.mark.parametrize("target", sorted(built.FORMS))
@_SETTINGS
@given(model=drawn.networks(), data=st.data())
def test_moved_nodes_are_found(session: Session, tmp_path: Path, target: str, model: onnx.ModelProto, data: st.DataObject) -> None:
    view = session.view(drawn.saved(model, tmp_path))
    outcome = session.check(view, parse(target, session.rules))
    movable = _movable(outcome)
    moved = data.draw(st.sets(st.sampled_from(movable), min_size=1, max_size=min(4, len(movable))))
    found = holding.compared(view, outcome, built.log(outcome, frozenset(moved)), tmp_path)
    assert {pair.node.number for pair in found.differing} == moved
    assert not found.agrees
    for pair in found.differing:
        assert pair.real.device == ("gpu" if pair.node.device is Device.DLA else "dla")
