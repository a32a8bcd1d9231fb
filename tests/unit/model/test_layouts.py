"""Nodes and tensors in a row: names are cut out by where they stood in a node before, and are those that protobuf reads."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from dlalint.errors import DlalintError
from dlalint.model import layouts
from dlalint.model.nodes import Known
from dlalint.model.read import Reader
from dlalint.model.wire import encode_bytes

HEADER = ModelProto(ir_version=8).SerializeToString()
INPUT, OUTPUT, NAME, OPERATOR = (1, 2, 3, 4)
RELU = encode_bytes(OPERATOR, b"Relu")


def _nodes(*nodes: bytes, known: Known | None = None) -> list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    """What dlalint reads from stored nodes, after it was compared with what protobuf reads."""
    graph = b"".join(encode_bytes(1, node) for node in nodes)
    found = Reader(HEADER + encode_bytes(7, graph), known).model("m.onnx").graph.nodes
    ours = [(node.name, node.op.op_type, node.inputs, node.outputs) for node in found]
    theirs = GraphProto.FromString(graph).node
    assert ours == [(node.name, node.op_type, tuple(node.input), tuple(node.output)) for node in theirs]
    return ours


def _node(*names: tuple[int, str], operator: bytes = RELU) -> bytes:
    return b"".join(encode_bytes(field, name.encode()) for field, name in names) + operator


NAMES = st.text(st.sampled_from("ab/\n\x12\x1a\x01\x02é"), max_size=4)
FIELDS = st.lists(st.tuples(st.sampled_from([INPUT, INPUT, OUTPUT, NAME]), NAMES), max_size=4)
USUAL = st.tuples(st.lists(NAMES, max_size=3), st.lists(NAMES, min_size=1, max_size=2), st.lists(NAMES, max_size=1)).map(
    lambda given: [(field, name) for field, names in zip((INPUT, OUTPUT, NAME), given, strict=True) for name in names]
)
NODES = st.lists(st.tuples(st.one_of(USUAL, FIELDS), st.sampled_from([RELU, encode_bytes(OPERATOR, b"Abs"), b""])), min_size=1, max_size=12)


@settings(max_examples=300, deadline=None)
@given(NODES)
def test_any_nodes_in_a_row(nodes: list[tuple[list[tuple[int, str]], bytes]]) -> None:
    stored = [_node(*names, operator=operator) for names, operator in nodes]
    known = Known()
    _nodes(*stored, known=known)
    _nodes(*reversed(stored), known=known)  # with what was learnt before


def test_names_of_the_same_lengths_are_cut_at_the_same_places() -> None:
    known = Known()
    _nodes(*(_node((INPUT, f"in{number}"), (OUTPUT, f"t{number}"), (NAME, f"n{number}")) for number in range(10)), known=known)
    assert len(known.layouts) == 1


def test_nodes_as_long_whose_names_are_not() -> None:
    first, second = _node((INPUT, "aa"), (OUTPUT, "b"), (NAME, "cc")), _node((INPUT, "aa"), (OUTPUT, "bb"), (NAME, "c"))
    assert len(first) == len(second)
    assert _nodes(first, first, second, first, second)[2:4] == [("c", "Relu", ("aa",), ("bb",)), ("cc", "Relu", ("aa",), ("b",))]


def test_a_name_in_another_alphabet_among_names_as_long() -> None:
    plain, other = _node((INPUT, "ab"), (OUTPUT, "cd")), _node((INPUT, "é"), (OUTPUT, "cd"))
    assert len(plain) == len(other)
    assert _nodes(plain, plain, other)[2] == ("", "Relu", ("é",), ("cd",))


def test_outputs_before_inputs_and_two_names() -> None:
    mixed = _node((OUTPUT, "b"), (INPUT, "a"), (NAME, "n"))
    twice = _node((INPUT, "a"), (OUTPUT, "b"), (NAME, "m"), (NAME, "n"))
    known = Known()
    _nodes(mixed, mixed, mixed, twice, twice, twice, known=known)
    assert not known.layouts


def test_names_of_ever_new_lengths_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlalint.model.nodes.MAX_LAYOUTS", 3)
    known = Known()
    _nodes(*(_node((INPUT, "x"), (OUTPUT, "y" * number)) for number in range(1, 20)), known=known)
    assert len(known.layouts) == 3
    assert layouts.MAX_LAYOUTS > 1000


@pytest.mark.parametrize("field", [1, 5])
def test_the_last_one_of_a_row_runs_past_the_end(field: int) -> None:
    whole = encode_bytes(
        field, TensorProto(name="w" * 9).SerializeToString() if field == 5 else NodeProto(input=["x" * 9]).SerializeToString()
    )
    data = HEADER + encode_bytes(7, whole + whole[:-3])
    with pytest.raises(DlalintError) as caught:
        Reader(data).model("m.onnx")
    assert caught.value.code == "E101"
