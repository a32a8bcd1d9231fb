"""The order in which a placed network runs."""

from __future__ import annotations

from dlalint.graph import Device, TensorType
from dlalint.network import Layer, LayerSpec, Network, Operand
from dlalint.partition import Grouping, devices
from dlalint.plan import Crossing, Partition
from dlalint.segments import partition

KIND = TensorType("float32", (1, 8, 4, 4))


def placed(groups: tuple[tuple[int, ...], ...], kept: tuple[int, ...], *edges: tuple[str, str], outputs: str = "") -> Partition:
    layers = tuple(
        Layer(name, LayerSpec("ACTIVATION", {}, tuple(Operand(KIND) for _ in left.split()), (KIND,)), tuple(left.split()), (name,), ())
        for left, name in edges
    )
    net = Network(layers, ("x",), tuple((outputs or edges[-1][1]).split()), {}, frozenset())
    grouping = Grouping(groups, kept, {})
    return partition(net, grouping, devices(net, grouping, frozenset()))


def test_a_chain() -> None:
    found = placed(((0,), (2,)), (0, 1), ("x", "a"), ("a", "g"), ("g", "b"))
    assert [(segment.device, segment.layers) for segment in found.segments] == [
        (Device.DLA, (0,)),
        (Device.GPU, (1,)),
        (Device.DLA, (2,)),
    ]
    assert found.crossings == (Crossing("x", -1, 0), Crossing("a", 0, 1), Crossing("g", 1, 2), Crossing("b", 2, -1))
    assert found.segment_of == (0, 1, 2)


def test_gpu_layers_that_can_run_together_do() -> None:
    """Both branches of the GPU run between the two loadables, although one is written after the second."""
    found = placed(((0,), (2,)), (0, 1), ("x", "a"), ("a", "g"), ("g", "b"), ("a", "h"), ("b h", "k"))
    assert [segment.layers for segment in found.segments] == [(0,), (1, 3), (2,), (4,)]


def test_a_candidate_over_the_limit_is_a_segment_of_the_gpu() -> None:
    found = placed(((0,), (2,)), (0,), ("x", "a"), ("a", "g"), ("g", "b"))
    last = found.segments[-1]
    assert (last.device, last.placed, last.layers) == (Device.GPU, False, (2,))
    assert found.dropped == (1,)


def test_a_tensor_crosses_once_for_each_reading_segment() -> None:
    found = placed(((0,), (2, 3)), (0, 1), ("x", "a"), ("a", "g"), ("a g", "b"), ("a b", "c"))
    assert [crossing for crossing in found.crossings if crossing.tensor == "a"] == [Crossing("a", 0, 1), Crossing("a", 0, 2)]


def test_every_segment_runs_after_what_it_reads() -> None:
    found = placed(((0, 4), (2,)), (0, 1), ("x", "a"), ("y", "g"), ("g", "b"), ("b", "h"), ("a", "c"), ("c h", "k"))
    for crossing in found.crossings:
        assert crossing.target == -1 or crossing.source < crossing.target
