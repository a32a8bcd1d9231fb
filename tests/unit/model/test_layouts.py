"""Nodes and tensors in a row: names are cut out by where they stood in a node before, and are those that protobuf reads."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto

from dlalint.errors import DlalintError
from dlalint.model.nodes import Known
from dlalint.model.read import Reader
from dlalint.model.wire import encode_bytes

HEADER = ModelProto(ir_version=8).SerializeToString()
INPUT, OUTPUT, NAME, OPERATOR = (1, 2, 3, 4)
RELU = encode_bytes(OPERATOR, b"Relu")


Read = list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]  # name, operator, inputs and outputs of each node


def _read(*nodes: bytes, known: Known | None = None) -> Read:
    """What dlalint reads from stored nodes."""
    graph = b"".join(encode_bytes(1, node) for node in nodes)
    found = Reader(HEADER + encode_bytes(7, graph), known).model("m.onnx").graph.nodes
    return [(node.name, node.op.op_type, node.inputs, node.outputs) for node in found]


def _stored(*nodes: bytes) -> Read:
    """What protobuf reads from them."""
    return [(node.name, node.op_type, tuple(node.input), tuple(node.output)) for node in map(NodeProto.FromString, nodes)]


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
    assert _read(*stored, known=known) == _stored(*stored)
    back = stored[::-1]
    assert _read(*back, known=known) == _stored(*back)  # with what was learnt before


def test_names_of_the_same_lengths_are_cut_at_the_same_places() -> None:
    known = Known()
    nodes = [_node((INPUT, f"in{number}"), (OUTPUT, f"t{number}"), (NAME, f"n{number}")) for number in range(10)]
    assert _read(*nodes, known=known) == _stored(*nodes)
    assert len(known.layouts) == 1


def test_nodes_as_long_whose_names_are_not() -> None:
    first, second = _node((INPUT, "aa"), (OUTPUT, "b"), (NAME, "cc")), _node((INPUT, "aa"), (OUTPUT, "bb"), (NAME, "c"))
    assert len(first) == len(second)
    assert _read(first, first, second, first, second)[2:4] == [("c", "Relu", ("aa",), ("bb",)), ("cc", "Relu", ("aa",), ("b",))]


def test_a_name_in_another_alphabet_among_names_as_long() -> None:
    plain, other = _node((INPUT, "ab"), (OUTPUT, "cd")), _node((INPUT, "é"), (OUTPUT, "cd"))
    assert len(plain) == len(other)
    assert _read(plain, plain, other)[2] == ("", "Relu", ("é",), ("cd",))


def test_outputs_before_inputs_and_two_names() -> None:
    mixed = _node((OUTPUT, "b"), (INPUT, "a"), (NAME, "n"))
    twice = _node((INPUT, "a"), (OUTPUT, "b"), (NAME, "m"), (NAME, "n"))
    known = Known()
    assert _read(mixed, mixed, mixed, twice, twice, twice, known=known) == [("n", "Relu", ("a",), ("b",))] * 6
    assert not known.layouts


def test_names_of_ever_new_lengths_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlalint.model.nodes.MAX_LAYOUTS", 3)
    known = Known()
    nodes = [_node((INPUT, "x"), (OUTPUT, "y" * number)) for number in range(1, 20)]
    assert _read(*nodes, known=known) == _stored(*nodes)
    assert len(known.layouts) == 3


@pytest.mark.parametrize("field", [1, 5])
def test_the_last_one_of_a_row_runs_past_the_end(field: int) -> None:
    proto = TensorProto(name="w" * 9) if field == 5 else NodeProto(input=["x" * 9])
    whole = encode_bytes(field, proto.SerializeToString())
    with pytest.raises(DlalintError) as caught:
        Reader(HEADER + encode_bytes(7, whole + whole[:-3])).model("m.onnx")
    assert (caught.value.code, caught.value.what) == ("E101", "the file is truncated or damaged: a field of 11 bytes runs past its end")
