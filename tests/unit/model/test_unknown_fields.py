"""Fields that onnx.proto does not have, or has with another type, stand in every message without a change of what is read."""

from __future__ import annotations

import pytest

from dlalint.errors import ModelError
from dlalint.graph import Model
from dlalint.model.read import Reader
from dlalint.model.records import text_field
from dlalint.model.skeleton import refuse_own_references
from dlalint.model.wire import encode_bytes, encode_int

UNKNOWN = {"bytes": encode_bytes(99, b"?"), "number": encode_int(99, 7), "fixed": b"\x9d\x06abcd", "group": b"\x9b\x06\x08\x01\x9c\x06"}


def _written(other: bytes) -> bytes:
    """A model with ``other`` in each of its messages."""

    def message(*parts: bytes) -> bytes:
        return other + b"".join(part + other for part in parts)

    dim = message(encode_int(1, 3))
    shape = message(encode_bytes(1, dim))
    kind = message(encode_bytes(1, message(encode_int(1, 1), encode_bytes(2, shape))))
    value = message(encode_bytes(1, b"x"), encode_bytes(2, kind))
    tensor = message(encode_int(1, 1), encode_int(2, 1), encode_bytes(8, b"w"), encode_bytes(9, bytes(4)))
    entry = message(encode_bytes(1, b"location"), encode_bytes(2, b"w.bin"))
    outside = message(encode_int(1, 1), encode_int(2, 1), encode_bytes(8, b"e"), encode_bytes(13, entry), encode_int(14, 1))
    sparse = message(
        encode_bytes(1, message(encode_int(1, 1), encode_int(2, 1), encode_bytes(8, b"s"), encode_bytes(9, bytes(4)))), encode_int(3, 5)
    )
    attribute = message(encode_bytes(1, b"alpha"), encode_int(20, 2), encode_int(3, 4))
    node = message(encode_bytes(1, b"x"), encode_bytes(2, b"y"), encode_bytes(4, b"Relu"), encode_bytes(5, attribute))
    opset = message(encode_bytes(1, b""), encode_int(2, 17))
    function = message(encode_bytes(1, b"F"), encode_bytes(10, b"f"), encode_bytes(4, b"p"), encode_bytes(7, node), encode_bytes(9, opset))
    graph = message(
        encode_bytes(1, node),
        encode_bytes(2, b"g"),
        encode_bytes(5, tensor),
        encode_bytes(5, outside),
        encode_bytes(11, value),
        encode_bytes(15, sparse),
    )
    return message(encode_int(1, 8), encode_bytes(8, opset), encode_bytes(7, graph), encode_bytes(25, function))


def _said(model: Model) -> tuple[object, ...]:
    graph, function = model.graph, model.functions[0]
    nodes = [(node.name, node.op.op_type, node.inputs, node.outputs, dict(node.op.attributes)) for node in (*graph.nodes, *function.nodes)]
    weights = [(tensor.name, tensor.dtype, tensor.dims, tensor.payload) for tensor in graph.constants.values()]
    opsets = (dict(model.opsets), dict(function.opsets))
    return model.ir_version, opsets, graph.name, graph.inputs, dict(graph.declared), weights, nodes, function.name, function.inputs


@pytest.mark.parametrize("name", UNKNOWN)
def test_they_are_passed_over(name: str) -> None:
    plain, strange = (Reader(_written(other)).model("m.onnx") for other in (b"", UNKNOWN[name]))
    assert _said(plain) == _said(strange)
    assert [tensor.where.file for tensor in strange.graph.constants.values() if tensor.where is not None] == ["", "w.bin"]
    refuse_own_references(_written(UNKNOWN[name]), "m.onnx")
    with pytest.raises(ModelError, match=r"lies in the model file itself \('w\.bin'\)"):
        refuse_own_references(_written(UNKNOWN[name]), "w.bin")
    assert text_field(_written(UNKNOWN[name]), 0, len(_written(UNKNOWN[name])), 7, 2) == "g"
    assert text_field(_written(UNKNOWN[name]), 0, len(_written(UNKNOWN[name])), 7, 50) == ""


def test_a_node_of_names_only() -> None:
    node = encode_bytes(1, b"x") + encode_bytes(2, b"y")
    (found,) = Reader(encode_bytes(7, encode_bytes(1, node))).model("m.onnx").graph.nodes
    assert (found.inputs, found.outputs, found.op.op_type) == (("x",), ("y",), "")


def test_dims_of_another_type() -> None:
    tensor = b"\x0d\x01\x00\x00\x00" + encode_int(2, 1) + encode_bytes(8, b"w") + encode_bytes(9, bytes(4))
    assert Reader(encode_bytes(7, encode_bytes(5, tensor))).model("m.onnx").graph.constants["w"].dims == ()
