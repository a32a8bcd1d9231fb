"""Functions and branches in place: names that stay apart, attributes that arrive, outputs that come out."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
import pytest

from dlalint.graph import Attribute, Function, Graph, Node, Op, TensorType
from dlalint.model.opening import Frame, Scopes, branch_frame, call_frame, renamed, tensors_of
from dlalint.model.read import Reader

RELU = Op("Relu", "", {})


def _frame(rename: Mapping[str, str] | None = None, attributes: Mapping[str, Attribute] | None = None, prefix: str = "") -> Frame:
    return Frame(iter(()), rename or {}, prefix, 3, {"": 17, "f": 1}, 1, attributes or {})


def _opened(frame: Frame) -> list[str]:
    """What a frame makes, one ``inputs -> operator -> outputs`` a node."""
    nodes = [renamed(node, frame) for node in frame.nodes]
    return [f"{','.join(node.inputs)} -> {node.op.op_type} -> {','.join(node.outputs)}" for node in nodes]


def _function(text: str) -> Function:
    main = '<ir_version: 10, opset_import: ["": 17, "f": 1]> g (float x) => (float y) { y = Relu(x) }'
    proto = onnx.parser.parse_model(f'{main} <domain: "f", opset_import: ["": 13]> {text}')
    return Reader(proto.SerializeToString()).model("m").functions[0]


def _branch(text: str) -> Graph:
    return Reader(onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 17]> {text}').SerializeToString()).model("m").graph


# prefixes


def test_the_prefix_is_the_name_of_the_node() -> None:
    scopes = Scopes(())
    assert scopes.prefix(Node("layer", RELU, ("x",), ("y",)), ["a"]) == "layer/"
    assert scopes.prefix(Node("", RELU, ("x",), ("", "y")), ["a"]) == "y/"
    assert scopes.prefix(Node("", RELU, ("x",), ()), ["a"]) == "Relu/"


def test_a_prefix_is_numbered_where_names_would_meet() -> None:
    scopes = Scopes(("n/a", "n#2/b"))
    node = Node("n", RELU, ("x",), ("y",))
    assert scopes.prefix(node, ["c"]) == "n/"
    assert scopes.prefix(node, ["a"]) == "n#2/"
    assert scopes.prefix(node, ["a", "b"]) == "n#3/"
    assert scopes.prefix(node, ["d", ""]) == "n/"
    assert scopes.prefix(node, ["", ""]) == "n/"


def test_tensors_of() -> None:
    assert list(tensors_of((Node("", RELU, ("x",), ("a", "")), Node("", RELU, ("a",), ("b",))))) == ["a", "", "b"]


# names and attributes of one node


def test_renamed() -> None:
    node = renamed(Node("n", RELU, ("a", "", "outside"), ("b", "")), _frame({"a": "f/a", "b": "y"}, prefix="f/"))
    assert (node.name, node.inputs, node.outputs) == ("f/n", ("f/a", "", "outside"), ("y", ""))
    assert renamed(Node("", RELU, (), ()), _frame(prefix="f/")).name == ""


def test_attributes_that_refer_to_those_of_the_function() -> None:
    op = Op(
        "Elu",
        "d",
        {
            "alpha": TensorType("attribute-reference", ("k",)),
            "gone": TensorType("attribute-reference", ("absent",)),
            "own": 1,
            "kind": TensorType("float32", (1,)),
        },
        b"wire",
        "fast",
    )
    found = renamed(Node("", op, (), ()), _frame(attributes={"k": 2.5})).op
    assert dict(found.attributes) == {"own": 1, "kind": TensorType("float32", (1,)), "alpha": 2.5}
    assert (found.op_type, found.domain, found.wire, found.overload) == ("Elu", "d", b"", "fast")
    plain = Op("Relu", "", {"own": 1}, b"wire")
    assert renamed(Node("", plain, (), ()), _frame(attributes={"k": 2.5})).op is plain


# functions


def _call(function: Function, node: Node, frame: Frame | None = None) -> Frame:
    return call_frame(function, node, "n/", frame or _frame())


def test_call() -> None:
    function = _function("F (a, b) => (r, s) { t = Add(a, b) r = Relu(t) s = Neg(r) }")
    frame = _call(function, Node("n", RELU, ("x", "z"), ("y", "q")))
    assert (frame.prefix, frame.origin, frame.depth, dict(frame.opsets)) == ("n/", 3, 2, {"": 13, "f": 1})
    assert _opened(frame) == ["x,z -> Add -> n/t", "n/t -> Relu -> y", "y -> Neg -> q"]


def test_call_with_fewer_tensors() -> None:
    function = _function("F (a, b) => (r, s) { t = Clip(a, b) r = Relu(t) s = Neg(r) }")
    assert _opened(_call(function, Node("n", RELU, ("x",), ("y",)))) == ["x, -> Clip -> n/t", "n/t -> Relu -> y", "y -> Neg -> n/s"]
    assert _opened(_call(function, Node("n", RELU, ("", "x"), ("", "y")))) == [
        ",x -> Clip -> n/t",
        "n/t -> Relu -> n/r",
        "n/r -> Neg -> y",
    ]


def test_call_whose_tensors_have_the_names_of_the_function() -> None:
    function = _function("F (a) => (r) { b = Relu(a) r = Neg(b) }")
    assert _opened(_call(function, Node("n", RELU, ("r",), ("a",)))) == ["r -> Relu -> n/b", "n/b -> Neg -> a"]


def test_function_that_hands_on_its_input() -> None:
    function = _function("F (a) => (a, r) { r = Relu(a) }")
    assert _opened(_call(function, Node("n", RELU, ("x",), ("y", "q")))) == ["x -> Relu -> q", "x -> Identity -> y"]


def test_function_that_hands_out_a_tensor_twice() -> None:
    function = _function("F (a) => (r, r) { r = Relu(a) }")
    assert _opened(_call(function, Node("n", RELU, ("x",), ("y", "q")))) == ["x -> Relu -> y", "y -> Identity -> q"]


def test_attributes_of_a_call() -> None:
    function = _function("F <k, m: int = 4, n: int = 5> (a) => (r) { r = Elu<alpha: float = @k>(a) }")
    frame = _call(function, Node("n", Op("F", "f", {"k": 0.5, "m": 6}), ("x",), ("y",)))
    assert dict(frame.attributes) == {"k": 0.5, "m": 6, "n": 5}
    assert renamed(next(frame.nodes), frame).op.get_float("alpha") == 0.5


# branches


def test_branch() -> None:
    branch = _branch("b () => (r) <float k = {2}> { t = Mul(outside, k) r = Relu(t) }")
    frame = branch_frame(branch, Node("n", RELU, ("c",), ("y",)), "n/", _frame(attributes={"k": 1}))
    assert (frame.prefix, frame.depth, dict(frame.attributes), dict(frame.opsets)) == ("n/", 2, {"k": 1}, {"": 17, "f": 1})
    assert _opened(frame) == ["outside,n/k -> Mul -> n/t", "n/t -> Relu -> y"]


def test_branch_inside_of_something_opened() -> None:
    branch = _branch("b () => (r) { t = Add(a, q) r = Relu(t) }")
    frame = branch_frame(branch, Node("f/n", RELU, ("c",), ("f/y",)), "f/n/", _frame({"a": "f/a", "t": "f/t"}))
    assert _opened(frame) == ["f/a,q -> Add -> f/n/t", "f/n/t -> Relu -> f/y"]


@pytest.mark.parametrize("outputs", [("y",), ("y", "")])
def test_branch_that_hands_on_a_tensor(outputs: tuple[str, ...]) -> None:
    branch = _branch("b () => (a, r) { r = Relu(a) }")
    frame = branch_frame(branch, Node("n", RELU, ("c",), outputs), "n/", _frame({"a": "f/a"}))
    assert _opened(frame) == ["f/a -> Relu -> n/r", "f/a -> Identity -> y"]


def test_branch_that_hands_on_its_constant() -> None:
    branch = _branch("b () => (k) <float k = {2}> { }")
    frame = branch_frame(branch, Node("n", RELU, ("c",), ("y",)), "n/", _frame())
    assert _opened(frame) == ["n/k -> Identity -> y"]
