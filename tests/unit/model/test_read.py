"""The reader next to onnx: the same graph from real models, and the corners of the format one by one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

from dlalint.errors import DlalintError, ModelError
from dlalint.graph import DTYPES, Attribute, Graph, Location, Model, Node, Tensor, TensorType
from dlalint.model.nodes import MEMO_BYTES
from dlalint.model.read import MAX_DEPTH, Reader
from dlalint.model.wire import encode_bytes, encode_int

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
FILES = sorted((Path(__file__).resolve().parents[3] / "models").glob("*.onnx")) + sorted(LIGHT.glob("*.onnx"))
HEADER = encode_int(1, 8) + encode_bytes(8, encode_int(2, 17))


def _model(data: bytes) -> Model:
    return Reader(data).model("m.onnx")


def _text(text: str) -> tuple[ModelProto, Model]:
    """A model in onnx's text form, as protobuf and as read."""
    proto = onnx.parser.parse_model(text)
    return proto, _model(proto.SerializeToString())


def _refused(data: bytes) -> DlalintError:
    with pytest.raises(DlalintError) as caught:
        _model(data)
    return caught.value


def _of_graph(*fields: bytes) -> bytes:
    return HEADER + encode_bytes(7, b"".join(fields))


def _of_node(*fields: bytes) -> bytes:
    return _of_graph(encode_bytes(1, b"".join(fields)))


def _of_attribute(*fields: bytes) -> bytes:
    return _of_node(encode_bytes(5, b"".join(fields)))


# the comparison


def _same_tensor(ours: Tensor, theirs: TensorProto, data: bytes) -> None:
    assert (ours.name, ours.dtype, ours.dims) == (theirs.name, DTYPES[theirs.data_type][0], tuple(theirs.dims))
    if theirs.data_location == TensorProto.EXTERNAL:
        entries = {entry.key: entry.value for entry in theirs.external_data}
        assert ours.where == Location(entries["location"], int(entries["offset"]), int(entries["length"]))
        assert ours.nbytes == int(entries["length"])
        assert ours.payload is None
        return
    array = numpy_helper.to_array(theirs)
    assert ours.nbytes == array.nbytes
    if theirs.HasField("raw_data"):
        assert ours.where is not None
        assert ours.where.length is not None
        assert data[ours.where.offset : ours.where.offset + ours.where.length] == theirs.raw_data
    values = ours.values()
    assert (values is not None) is (ours.payload is not None)
    if values is not None:
        np.testing.assert_array_equal(np.array(values, array.dtype).reshape(array.shape), array)


def _same_attribute(ours: Attribute, theirs: AttributeProto, data: bytes) -> None:
    value = onnx.helper.get_attribute_value(theirs)
    if isinstance(value, TensorProto):
        assert isinstance(ours, Tensor)
        _same_tensor(ours, value, data)
    elif isinstance(value, GraphProto):
        assert isinstance(ours, Graph)
        _same_graph(ours, value, data)
    elif isinstance(value, Iterable) and not isinstance(value, bytes):
        assert ours == tuple(value)
    else:
        assert ours == value
        assert type(ours) is type(value)


def _same_nodes(ours: tuple[Node, ...], theirs: Iterable[NodeProto], data: bytes) -> None:
    nodes = list(theirs)
    assert len(ours) == len(nodes)
    for node, proto in zip(ours, nodes, strict=True):
        assert (node.name, node.op.op_type, node.op.domain) == (proto.name, proto.op_type, proto.domain)
        assert (node.inputs, node.outputs) == (tuple(proto.input), tuple(proto.output))
        assert list(node.op.attributes) == [attribute.name for attribute in proto.attribute]
        for attribute in proto.attribute:
            _same_attribute(node.op.attributes[attribute.name], attribute, data)
        if node.op.wire:
            kept = NodeProto.FromString(node.op.wire)
            assert (kept.op_type, kept.domain, kept.overload) == (proto.op_type, proto.domain, proto.overload)
            assert list(kept.attribute) == list(proto.attribute)
        else:
            assert proto.ByteSize() > MEMO_BYTES


def _type_of(proto: onnx.TypeProto) -> TensorType:
    kind = proto.tensor_type
    dims = tuple(
        dim.dim_value if dim.HasField("dim_value") else (dim.dim_param or None) if dim.HasField("dim_param") else None
        for dim in kind.shape.dim
    )
    return TensorType(DTYPES[kind.elem_type][0], dims if kind.HasField("shape") else None)


def _same_graph(ours: Graph, theirs: GraphProto, data: bytes) -> None:
    assert ours.name == theirs.name
    assert ours.inputs == tuple(item.name for item in theirs.input)
    assert ours.outputs == tuple(item.name for item in theirs.output)
    assert list(ours.constants) == [tensor.name for tensor in theirs.initializer]
    for tensor in theirs.initializer:
        _same_tensor(ours.constants[tensor.name], tensor, data)
    declared = [item for item in (*theirs.input, *theirs.output, *theirs.value_info) if item.HasField("type")]
    assert dict(ours.declared) == {item.name: _type_of(item.type) for item in reversed(declared)}
    _same_nodes(ours.nodes, theirs.node, data)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_real_models(path: Path) -> None:
    data = path.read_bytes()
    proto = ModelProto.FromString(data)
    model = Reader(data).model(str(path))
    assert (model.path, model.ir_version, model.size) == (str(path), proto.ir_version, len(data))
    assert dict(model.opsets) == {item.domain: item.version for item in proto.opset_import}
    assert model.producer == " ".join(filter(None, [proto.producer_name, proto.producer_version]))
    assert model.functions == ()
    _same_graph(model.graph, proto.graph, data)


def test_real_models_are_there() -> None:
    assert len(FILES) >= 38
    assert {"mnist-7", "resnet18_dynamo", "light_shufflenet", "light_vgg19"} <= {path.stem for path in FILES}


# the header


def test_header() -> None:
    proto = onnx.parser.parse_model('<ir_version: 9, opset_import: ["ai.onnx": 18, "com.x": 2]> g (float x) => (float y) { y = Relu(x) }')
    proto.producer_name, proto.producer_version = "maker", "1.2"
    model = _model(proto.SerializeToString())
    assert (model.ir_version, dict(model.opsets), model.opset, model.producer) == (9, {"": 18, "com.x": 2}, 18, "maker 1.2")
    assert _model(_of_graph()).producer == ""
    assert dict(_model(encode_bytes(7, b"")).opsets) == {}
    assert _model(encode_bytes(7, b"") + encode_int(1, -1)).ir_version == -1


def test_opset_of_an_empty_entry_is_zero() -> None:
    assert dict(_model(encode_bytes(8, b"") + encode_bytes(7, b"")).opsets) == {"": 0}


@pytest.mark.parametrize(
    ("data", "code", "what"),
    [
        (b"", "E102", "not an ONNX model: it holds no graph"),
        (HEADER, "E102", "not an ONNX model: it holds no graph"),
        (encode_bytes(1, b"8"), "E101", "not an ONNX model: field 1 of the header has the wrong type"),
        (encode_int(7, 1), "E101", "not an ONNX model: field 7 of the header has the wrong type"),
        (encode_int(8, 1), "E101", "not an ONNX model: field 8 of the header has the wrong type"),
        (encode_int(2, 1), "E101", "not an ONNX model: field 2 of the header has the wrong type"),
        (encode_int(25, 1), "E101", "not an ONNX model: field 25 of the header has the wrong type"),
        (_of_graph(encode_int(1, 1)), "E101", "the file is damaged: field 1 of a graph has the wrong type"),
        (_of_graph(encode_int(5, 1)), "E101", "the file is damaged: field 5 of a graph has the wrong type"),
        (_of_graph(encode_int(11, 1)), "E101", "the file is damaged: field 11 of a graph has the wrong type"),
        (_of_graph(encode_int(13, 1)), "E101", "the file is damaged: field 13 of a graph has the wrong type"),
        (_of_node(encode_int(4, 1)), "E101", "the file is damaged: field 4 of a node has the wrong type"),
        (_of_node(encode_int(5, 1)), "E101", "the file is damaged: field 5 of a node has the wrong type"),
        (_of_node(b"\x0a\x09x"), "E101", "the file is truncated or damaged: a name of 9 bytes runs past its end"),
        (_of_attribute(encode_bytes(3, b"1")), "E101", "the file is damaged: an attribute has the wrong type"),
        (_of_attribute(encode_int(2, 1)), "E101", "the file is damaged: an attribute has the wrong type"),
        (_of_attribute(encode_int(4, 1)), "E101", "the file is damaged: an attribute has the wrong type"),
        (_of_attribute(encode_bytes(2, b"1234")), "E101", "the file is damaged: an attribute has the wrong type"),
        (_of_attribute(encode_bytes(7, b"12345")), "E101", "the file is damaged: a list of floats has the wrong type"),
        (_of_attribute(encode_int(7, 1)), "E101", "the file is damaged: a list of floats has the wrong type"),
        (_of_attribute(b"\x45\x00\x00\x00\x00"), "E101", "the file is damaged: a list of integers has the wrong type"),
        (_of_attribute(encode_int(9, 1)), "E101", "the file is damaged: an attribute list has the wrong type"),
    ],
)
def test_damaged_structure(data: bytes, code: str, what: str) -> None:
    error = _refused(data)
    assert (error.code, error.what, error.cure) == (code, what, "Export or download the model again.")


def test_a_graph_in_pieces_is_merged_as_protobuf_does() -> None:
    proto = onnx.parser.parse_model('<ir_version: 8, opset_import: ["": 17]> g (float[1] x) => (float[1] y) { t = Relu(x) y = Neg(t) }')
    first, second = GraphProto(), GraphProto()
    first.CopyFrom(proto.graph)
    del first.node[1:], first.output[:]
    second.node.append(proto.graph.node[1])
    second.output.append(proto.graph.output[0])
    data = HEADER + encode_bytes(7, first.SerializeToString()) + encode_bytes(7, second.SerializeToString())
    assert ModelProto.FromString(data).graph == proto.graph
    _same_graph(_model(data).graph, proto.graph, data)


# nodes and attributes

ATTRIBUTES: dict[str, Any] = {
    "an_int": -3,
    "a_float": 0.1,
    "a_string": b"\xff\x00",
    "ints": [1, -1, 1 << 40],
    "floats": [1.5, math.inf, -0.0],
    "strings": [b"a", b""],
    "tensor": onnx.helper.make_tensor("t", TensorProto.INT64, (2,), [4, 5]),
    "tensors": [onnx.helper.make_tensor("t", TensorProto.FLOAT, (), [1.0])],
}


def test_attributes() -> None:
    node = onnx.helper.make_node("Any", ["x"], ["y"], domain="d", **ATTRIBUTES)
    (ours,) = _model(_of_graph(encode_bytes(1, node.SerializeToString()))).graph.nodes
    found = dict(ours.op.attributes)
    tensor, tensors = found.pop("tensor"), found.pop("tensors")
    assert isinstance(tensor, Tensor)
    assert isinstance(tensors, tuple)
    assert tensor.values() == (4, 5)
    assert [item.values() for item in tensors if isinstance(item, Tensor)] == [(1.0,)]
    assert found == {
        "an_int": -3,
        "a_float": 0.10000000149011612,
        "a_string": b"\xff\x00",
        "ints": (1, -1, 1 << 40),
        "floats": (1.5, math.inf, -0.0),
        "strings": (b"a", b""),
    }
    op = ours.op
    assert (op.get_int("an_int"), op.get_int("absent", 7), op.get_float("a_float"), op.get_ints("ints")) == (
        -3,
        7,
        0.10000000149011612,
        (1, -1, 1 << 40),
    )


def test_attributes_of_other_kinds() -> None:
    kind = onnx.helper.make_tensor_type_proto(1, (2, "N"))
    sparse = onnx.helper.make_sparse_tensor(
        onnx.helper.make_tensor("v", TensorProto.FLOAT, (1,), [2.0]), onnx.helper.make_tensor("i", TensorProto.INT64, (1,), [3]), (5,)
    )
    node = onnx.helper.make_node("Any", [], ["y"], kind=kind, sparse=sparse, sparses=[sparse], kinds=[kind])
    (ours,) = _model(_of_graph(encode_bytes(1, node.SerializeToString()))).graph.nodes
    assert ours.op.attributes["kind"] == TensorType("float32", (2, "N"))
    assert ours.op.attributes["kinds"] == (TensorType("float32", (2, "N")),)
    assert ours.op.attributes["sparse"] == Tensor("v", "float32", (5,))
    assert ours.op.attributes["sparses"] == (Tensor("v", "float32", (5,)),)


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        (encode_int(20, 2), 0),  # protobuf leaves a default out
        (encode_int(20, 1), 0.0),
        (encode_int(20, 3), b""),
        (encode_int(20, 7), ()),
        (encode_int(20, 6), ()),
        (encode_int(20, 4), None),
        (encode_int(3, 5), 5),  # IR 1 and 2 do not write the type
        (b"\x15\x00\x00\x80\x3f", 1.0),
        (encode_bytes(4, b"s"), b"s"),
        (encode_int(8, 5) + encode_int(8, 6), (5, 6)),
        (encode_bytes(8, b"\x05\x06"), (5, 6)),
        (encode_bytes(7, b"\x00\x00\x80\x3f"), (1.0,)),
        (b"\x3d\x00\x00\x80\x3f", (1.0,)),
        (encode_int(3, 5) + encode_int(8, 6) + encode_int(20, 7), (6,)),  # the declared type decides
        (encode_int(3, 5) + encode_int(3, 6) + encode_int(20, 2), 6),  # the last one counts
        (encode_int(3, 5) + encode_int(20, 99), 5),
        (b"", None),
        (encode_bytes(21, b"alpha") + encode_int(20, 1), TensorType("attribute-reference", ("alpha",))),
    ],
)
def test_attribute_without_or_besides_its_type(fields: bytes, value: Attribute) -> None:
    (node,) = _model(_of_attribute(encode_bytes(1, b"a"), fields)).graph.nodes
    assert dict(node.op.attributes) == {"a": value}


def test_equal_operators_are_shared_and_different_ones_are_not() -> None:
    _, model = _text(
        """<ir_version: 8, opset_import: ["": 17]> g (float[1] x) => (float[1] y)
        { a = Elu<alpha: float = 2.0>(x) [named] b = Elu<alpha: float = 2.0>(a) y = Elu<alpha: float = 3.0>(b) }"""
    )
    first, second, third = model.graph.nodes
    assert (first.name, second.name) == ("", "named")
    assert first.op is second.op
    assert (first.op.get_float("alpha"), third.op.get_float("alpha")) == (2.0, 3.0)


def test_fields_of_a_node_in_any_order() -> None:
    attribute = encode_bytes(5, encode_bytes(1, b"axis") + encode_int(3, 1) + encode_int(20, 2))
    pieces = [
        encode_bytes(3, b"n"),
        encode_bytes(4, b"Concat"),
        attribute,
        encode_bytes(2, b"y"),
        encode_bytes(1, b"a"),
        encode_bytes(1, b"b"),
    ]
    for order in (pieces, pieces[::-1], pieces[2:] + pieces[:2]):
        data = _of_node(*order, encode_bytes(6, b"a comment"))
        proto = ModelProto.FromString(data)
        (node,) = _model(data).graph.nodes
        assert (node.name, node.op.op_type, node.op.get_int("axis")) == ("n", "Concat", 1)
        assert (node.inputs, node.outputs) == (tuple(proto.graph.node[0].input), ("y",))
        assert sorted(node.inputs) == ["a", "b"]


def test_left_out_optional_inputs_and_outputs_stay() -> None:
    node = onnx.helper.make_node("LSTM", ["x", "w", "r", "", "", "h"], ["", "y_h"])
    (ours,) = _model(_of_graph(encode_bytes(1, node.SerializeToString()))).graph.nodes
    assert (ours.name, ours.inputs, ours.outputs) == ("", ("x", "w", "r", "", "", "h"), ("", "y_h"))


def test_node_names_may_repeat() -> None:
    _, model = _text(
        '<ir_version: 8, opset_import: ["": 17]> g (float[1] x) => (float[1] y) { [n] a = Relu(x) [n] b = Relu(a) y = Relu(b) }'
    )
    assert [node.name for node in model.graph.nodes] == ["n", "n", ""]


def test_long_operators_keep_no_wire() -> None:
    big = onnx.helper.make_node("Constant", [], ["c"], value_floats=[1.0] * (MEMO_BYTES // 4))
    small = onnx.helper.make_node("Constant", [], ["d"], value_floats=[1.0] * 100)
    data = _of_graph(*(encode_bytes(1, node.SerializeToString()) for node in (big, small)))
    first, second = _model(data).graph.nodes
    assert first.op.wire == b""
    assert NodeProto.FromString(second.op.wire).attribute == small.attribute
    assert first.op.get_floats("value_floats") == (1.0,) * (MEMO_BYTES // 4)


def test_text_that_is_not_utf8() -> None:
    node = encode_bytes(1, encode_bytes(1, b"x\xff") + encode_bytes(2, b"y") + encode_bytes(3, b"\xfe") + encode_bytes(4, b"R\xfd"))
    (ours,) = _model(_of_graph(node)).graph.nodes
    assert (ours.inputs, ours.name, ours.op.op_type) == (("x\udcff",), "\udcfe", "R\udcfd")


# constants and inputs


def test_ir_3_initializers_that_are_inputs_too() -> None:
    proto, model = _text(
        """<ir_version: 3, opset_import: ["": 9]>
        g (float[1,3] x, float[3] w = {1, 2, 3}) => (float[1,3] y) { y = Add(x, w) }"""
    )
    assert [item.name for item in proto.graph.input] == ["x", "w"]
    assert model.ir_version == 3
    assert model.graph.inputs == ("x", "w")
    assert model.graph.constants["w"].values() == (1.0, 2.0, 3.0)
    assert model.graph.declared["w"] == TensorType("float32", (3,))


def test_constant_nodes() -> None:
    _, model = _text(
        """<ir_version: 8, opset_import: ["": 17]> g () => (y) {
        a = Constant<value: tensor = int64[2] {7, 8}>()
        b = Constant<value_int: int = 5>()
        c = Constant<value_ints: ints = [1, 2]>()
        y = Identity(a) }"""
    )
    value = model.graph.nodes[0].op.attributes["value"]
    assert isinstance(value, Tensor)
    assert (value.dims, value.values()) == ((2,), (7, 8))
    assert model.graph.nodes[1].op.get_int("value_int") == 5
    assert model.graph.nodes[2].op.get_ints("value_ints") == (1, 2)


def test_sparse_initializers_are_constants_of_their_dense_shape() -> None:
    sparse = onnx.helper.make_sparse_tensor(
        onnx.helper.make_tensor("w", TensorProto.FLOAT, (2,), [2.0, 3.0]),
        onnx.helper.make_tensor("i", TensorProto.INT64, (2,), [0, 5]),
        (3, 4),
    )
    data = _of_graph(encode_bytes(15, sparse.SerializeToString()))
    assert dict(_model(data).graph.constants) == {"w": Tensor("w", "float32", (3, 4))}
    wrong = _of_graph(encode_bytes(15, sparse.SerializeToString() + encode_int(3, -1)))
    assert _refused(wrong).what == "tensor 'w' has the impossible shape (3, 4, -1)"


@pytest.mark.parametrize("field", [5, 15])
def test_two_initializers_of_one_name(field: int) -> None:
    tensor = onnx.helper.make_tensor("w", TensorProto.FLOAT, (1,), [2.0]).SerializeToString()
    entry = tensor if field == 5 else encode_bytes(1, tensor) + encode_int(3, 1)
    error = _refused(_of_graph(encode_bytes(5, tensor), encode_bytes(field, entry)))
    assert isinstance(error, ModelError)
    assert str(error) == "error[E106]: initializer 'w' is there twice. Give each tensor its own name."


def test_inputs_and_outputs_without_a_type() -> None:
    model = _model(_of_graph(encode_bytes(11, encode_bytes(1, b"x")), encode_bytes(12, encode_bytes(1, b"y")), encode_bytes(13, b"")))
    assert (model.graph.inputs, model.graph.outputs, dict(model.graph.declared)) == (("x",), ("y",), {})


# subgraphs and functions


def test_bodies_of_if_loop_and_scan() -> None:
    proto, model = _text(
        """<ir_version: 8, opset_import: ["": 17]> g (bool c, float[2,3] x, int64 n) => (y, z, s)
        {
          y = If(c)<then_branch = t () => (float[2,3] a) { a = Relu(x) },
                    else_branch = e () => (float[2,3] b) <float k = {2}> { b = Mul(x, k) }>
          z = Loop(n, c, x)<body = body (int64 i, bool go, float[2,3] state) => (bool on, float[2,3] next)
              { on = Identity(go) next = Neg(state) }>
          s = Scan(x)<num_scan_inputs: int = 1, body = row (float[3] line) => (float[3] out) { out = Abs(line) }>
        }"""
    )
    data = proto.SerializeToString()
    _same_graph(model.graph, proto.graph, data)
    choice, loop, scan = (node.op for node in model.graph.nodes)
    assert [graph.name for graph in choice.graphs] == ["t", "e"]
    assert choice.graphs[1].constants["k"].values() == (2.0,)
    assert loop.graphs[0].inputs == ("i", "go", "state")
    assert scan.graphs[0].declared["line"] == TensorType("float32", (3,))
    assert [len(op.graphs) for op in (choice, loop, scan)] == [2, 1, 1]


def _nested(depth: int) -> bytes:
    graph = b""
    for _ in range(depth):
        attribute = encode_bytes(1, b"then_branch") + encode_bytes(6, graph) + encode_int(20, 5)
        graph = encode_bytes(1, encode_bytes(2, b"y") + encode_bytes(4, b"If") + encode_bytes(5, attribute))
    return HEADER + encode_bytes(7, graph)


def test_depth_of_subgraphs() -> None:
    graph, depth = _model(_nested(MAX_DEPTH)).graph, 0
    while graph.nodes:
        (graph,), depth = graph.nodes[0].op.graphs, depth + 1
    assert depth == MAX_DEPTH
    for too_deep in (MAX_DEPTH + 1, 5000):
        error = _refused(_nested(too_deep))
        assert str(error) == "error[E201]: subgraphs are nested more than 64 deep. Export it with fewer nested bodies."


def test_functions() -> None:
    proto, model = _text(
        """<ir_version: 10, opset_import: ["": 17, "f": 1]> g (float[1] x) => (float[1] y) { y = f.twice<k: float = 3.0>(x) }
        <domain: "f", opset_import: ["": 16, "ai.onnx.ml": 3]> twice <k, m: int = 4> (a) => (c)
        { b = Elu<alpha: float = @k>(a) c = Add(b, b) }"""
    )
    proto.functions[0].overload = proto.graph.node[0].overload = "fast"
    model = _model(proto.SerializeToString())
    (function,) = model.functions
    theirs: FunctionProto = proto.functions[0]
    assert (function.name, function.domain, function.overload) == ("twice", "f", "fast")
    assert (function.inputs, function.outputs, function.attributes) == (("a",), ("c",), ("k", "m"))
    assert (dict(function.defaults), dict(function.opsets)) == ({"m": 4}, {"": 16, "ai.onnx.ml": 3})
    assert function.nodes[0].op.attributes["alpha"] == TensorType("attribute-reference", ("k",))
    assert [node.outputs for node in function.nodes] == [tuple(node.output) for node in theirs.node]
    (call,) = model.graph.nodes
    assert (call.op.op_type, call.op.domain, call.op.overload, call.op.get_float("k")) == ("twice", "f", "fast", 3.0)
