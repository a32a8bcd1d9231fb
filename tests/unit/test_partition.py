"""How layers become loadables, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import pytest

from dlalint.graph import TensorType
from dlalint.network import Layer, LayerSpec, Network, Operand
from dlalint.partition import ENTRY, Grouping, Mechanism, group

KIND = TensorType("float32", (1, 8, 4, 4))
PARSER = Mechanism("parser", False, False, False, frozenset(), None)


def network(*edges: str, kinds: Mapping[str, str] | None = None, products: Sequence[str] = ()) -> Network:
    """``"a b > c"``: layer c reads the tensors a and b and makes a tensor of its own name; ``x`` is the network's input."""
    layers = []
    for edge in edges:
        left, name = (part.split() for part in edge.split(">"))
        kind = (kinds or {}).get(name[0], "ACTIVATION")
        spec = LayerSpec(kind, {"product": True} if name[0] in products else {}, tuple(Operand(KIND) for _ in left), (KIND,))
        layers.append(Layer(name[0], spec, tuple(left), (name[0],), ()))
    return Network(tuple(layers), ("x",), (layers[-1].name,), {}, frozenset())


def grouped(
    net: Network,
    gpu: str = "",
    mechanism: Mechanism = PARSER,
    batches: Mapping[str, int] | None = None,
    late: Mapping[str, str] | None = None,
) -> tuple[list[str], Grouping]:
    """The candidates as names, letters joined."""
    names = [layer.name for layer in net.layers]
    found = group(
        net,
        [name not in gpu.split() for name in names],
        [(batches or {}).get(name, 1) for name in names],
        mechanism,
        lambda groups: {index: (late or {})[names[index]] for members in groups for index in members if names[index] in (late or {})},
    )
    return ["".join(names[index] for index in members) for members in found.groups], found


def test_connected_layers_share_a_loadable() -> None:
    assert grouped(network("x > a", "a > b", "a > c", "b c > d"))[0] == ["abcd"]


def test_unconnected_neighbours_share_one_too() -> None:
    assert grouped(network("x > a", "y > b"))[0] == ["ab"]


def test_a_gpu_layer_between_splits() -> None:
    assert grouped(network("x > a", "a > g", "g > b"), gpu="g")[0] == ["a", "b"]


def test_a_gpu_layer_beside_does_not_split() -> None:
    assert grouped(network("x > a", "a > g", "a > b"), gpu="g")[0] == ["ab"]


def test_a_layer_behind_the_gpu_opens_a_group_that_later_ones_join() -> None:
    """c needs nothing of g, but the group of a is closed when it comes."""
    assert grouped(network("x > a", "a > g", "g > b", "a > c"), gpu="g")[0] == ["a", "bc"]


def test_dependence_through_two_gpu_layers() -> None:
    assert grouped(network("x > a", "a > g", "g > h", "h > b"), gpu="g h")[0] == ["a", "b"]


def test_breadth_first_walk_takes_the_near_layer_first() -> None:
    """By the parser's order b comes before c; breadth first c is nearer to the input."""
    net = network("x > a", "a > g", "g > b", "x > c")
    walk = PARSER._replace(walk="breadth-first")
    assert grouped(net, gpu="g")[0] == ["a", "bc"]
    assert grouped(net, gpu="g", mechanism=walk)[0] == ["ac", "b"]


def test_sinking_moves_a_layer_to_its_latest_group() -> None:
    """s feeds only the GPU behind the second group, so it can wait for it; a cannot."""
    net = network("x > a", "a > s", "a > g", "g > b", "b > h", "s h > k", "k > c")
    assert grouped(net, gpu="g h k")[0] == ["as", "b", "c"]
    assert grouped(net, gpu="g h k", mechanism=PARSER._replace(sink=True))[0] == ["a", "sb", "c"]


def test_sinking_never_passes_a_reader() -> None:
    net = network("x > a", "a > s", "a > g", "s g > b", "b > h", "h > c")
    assert grouped(net, gpu="g h", mechanism=PARSER._replace(sink=True))[0] == ["a", "sb", "c"]


def test_sinking_keeps_batches_apart() -> None:
    net = network("x > a", "a > s", "a > g", "g > b", "b > h", "s h > k")
    sink = PARSER._replace(sink=True)
    assert grouped(net, gpu="g h k", mechanism=sink)[0] == ["a", "sb"]
    assert grouped(net, gpu="g h k", mechanism=sink, batches={"b": 2})[0] == ["as", "b"]


def test_another_batch_cuts() -> None:
    net = network("x > a", "a > b", "b > c")
    cut = PARSER._replace(cut_batch=True)
    assert grouped(net, mechanism=cut, batches={"c": 100})[0] == ["ab", "c"]
    assert grouped(net, batches={"c": 100})[0] == ["abc"]


def test_products_of_other_tensors_are_cut_apart() -> None:
    """Two products of one tensor stay together, a third of another tensor does not, whatever sinks."""
    net = network("x > p", "x > q", "y > r", products="pqr")
    cut = PARSER._replace(cut_batch=True, cut_source=True, sink=True)
    assert grouped(net, mechanism=cut)[0] == ["pq", "r"]
    assert grouped(net, mechanism=cut._replace(cut_source=False))[0] == ["pqr"]


def test_a_join_at_the_entry_stays_outside() -> None:
    net = network("x > a", "a > g", "a > h", "g h > j", "j > b", kinds={"j": "CONCATENATION"})
    entry = PARSER._replace(entry_gpu=frozenset({"CONCATENATION"}))
    assert grouped(net, gpu="g h")[0] == ["a", "jb"]
    names, found = grouped(net, gpu="g h", mechanism=entry)
    assert names == ["a", "b"]
    assert found.refused == {3: ENTRY}


def test_a_join_that_leaves_parts_what_stood_on_both_sides() -> None:
    """o and b have nothing to do with each other; in the log of YOLOv4-tiny the join between them makes two groups of them."""
    net = network("x > a", "a > g", "g > o", "g > u", "g u > j", "j > b", kinds={"j": "CONCATENATION"})
    entry = PARSER._replace(entry_gpu=frozenset({"CONCATENATION"}))
    assert grouped(net, gpu="g u")[0] == ["a", "ojb"]
    assert grouped(net, gpu="g u", mechanism=entry)[0] == ["a", "o", "b"]


def test_a_join_of_its_own_group_stays_inside() -> None:
    net = network("x > a", "x > b", "a b > j", "j > c", kinds={"j": "CONCATENATION"})
    assert grouped(net, mechanism=PARSER._replace(entry_gpu=frozenset({"CONCATENATION"})))[0] == ["abjc"]


def test_what_the_compiler_refuses_splits_its_group() -> None:
    names, found = grouped(network("x > a", "a > v", "v > b", "a > c"), late={"v": "too large"})
    assert names == ["a", "bc"]
    assert found.refused == {1: "too large"}


def test_a_refused_layer_at_the_end_splits_nothing() -> None:
    assert grouped(network("x > a", "a > b", "b > v"), late={"v": "too large"})[0] == ["ab"]


@pytest.mark.parametrize(("limit", "kept"), [(None, (0, 1, 2)), (3, (0, 1, 2)), (2, (0, 1)), (1, (1,)), (0, ())])
def test_the_largest_stay_and_the_earlier_of_equals(limit: int | None, kept: tuple[int, ...]) -> None:
    net = network("x > a", "a > g", "g > b", "b > c", "c > h", "h > d")
    names, found = grouped(net, gpu="g h", mechanism=PARSER._replace(limit=limit))
    assert names == ["a", "bc", "d"]
    assert found.kept == kept


def test_nothing_for_the_dla_makes_no_group() -> None:
    assert grouped(network("x > a", "a > b"), gpu="a b")[0] == []


def test_a_long_chain_is_near_linear() -> None:
    names = [f"n{index}" for index in range(20_000)]
    net = network("x > n0", *(f"{left} > {right}" for left, right in pairwise(names)))
    _, found = grouped(net, gpu=" ".join(names[::100]), mechanism=PARSER._replace(sink=True, cut_batch=True, limit=16))
    assert (len(found.groups), len(found.kept)) == (200, 16)
