"""Tensors are made once and before their first use: in the graph, in functions, and in bodies with what lies around them."""

from __future__ import annotations

import onnx
import pytest

from dlalint.errors import ModelError
from dlalint.model.order import check_order
from dlalint.model.read import Reader

OWN_NAME = "Give each output its own name."
AGAIN = "Export the model again."
SORT = "Sort them: onnx_graphsurgeon.import_onnx(model).toposort()."
LATE = "the nodes are not in order, or form a cycle: {} before it is made"


def _check(body: str, inputs: str = "bool c, float[4] x", outputs: str = "y", functions: str = "") -> None:
    text = f'<ir_version: 10, opset_import: ["": 17, "f": 1]> g ({inputs}) => ({outputs}) {{ {body} }} {functions}'
    check_order(Reader(onnx.parser.parse_model(text).SerializeToString()).model("m"))


def _function(body: str, inputs: str = "a", outputs: str = "r") -> str:
    return f'<domain: "f", opset_import: ["": 17]> F ({inputs}) => ({outputs}) {{ {body} }}'


def _if(then: str, otherwise: str = "q = Neg(x)") -> str:
    return f"y = If(c)<then_branch = t () => (float[4] p) {{ {then} }}, else_branch = e () => (float[4] q) {{ {otherwise} }}>"


@pytest.mark.parametrize(
    "body",
    [
        "y = Relu(x)",
        "a = Relu(x) y = Add(a, a)",
        'y = Clip(x, "", "")',
        'a, "" = Dropout(x) b, "" = Dropout(a) y = Neg(b)',
        _if("p = Relu(x)"),
        "a = Relu(x) " + _if("p = Relu(a)", "q = Neg(a)"),
        _if("a = Relu(x) p = Neg(a)", "a = Neg(x) q = Relu(a)"),  # two bodies may use one name
        "a = Neg(x) " + _if("a = Relu(x) p = Neg(a)"),  # and hide one from outside
        _if("p = If(c)<then_branch = i () => (float[4] r) { r = Neg(x) }, else_branch = j () => (float[4] s) { s = Relu(x) }>"),
        "n = Constant<value_int: int = 3>() y = Loop(n, c, x)<body = b (int64 i, bool g, float[4] s) => (g, t) { t = Relu(s) }>",
    ],
)
def test_in_order(body: str) -> None:
    _check(body)


def test_a_body_may_hand_on_what_lies_outside() -> None:
    _check("y = If(c)<then_branch = t () => (float[4] x) { }, else_branch = e () => (float[4] x) { }>")


def test_outputs_may_be_inputs_or_repeat() -> None:
    _check("", outputs="float[4] x")
    _check("y = Relu(x)", outputs="y, y")


def test_functions_in_order() -> None:
    _check("y = f.F(x)", functions=_function("b = Relu(a) r = Neg(b)"))
    _check("y = f.F(x)", functions=_function("", outputs="a"))
    _check("y = f.F(x)", functions=_function("r = f.F(a)"))


@pytest.mark.parametrize(
    ("body", "what", "cure"),
    [
        ("y = Relu(x) y = Neg(x)", "tensor 'y' is made twice", OWN_NAME),
        ("x = Relu(x) y = Neg(x)", "tensor 'x' is made twice", OWN_NAME),
        ("y, y = Split(x)", "tensor 'y' is made twice", OWN_NAME),
        (_if("p = Relu(x) p = Neg(x)"), "tensor 'p' is made twice", OWN_NAME),
        ("y = Relu(nowhere)", "'Relu:y' uses tensor 'nowhere', which nothing makes", AGAIN),
        ("[n] y = Add(x, nowhere)", "'n' uses tensor 'nowhere', which nothing makes", AGAIN),
        (_if("p = Relu(nowhere)"), "'Relu:p' uses tensor 'nowhere', which nothing makes", AGAIN),
        (_if("p = Relu(q)"), "'Relu:p' uses tensor 'q', which nothing makes", AGAIN),  # of the other branch
        ("a = Relu(x)", "graph output 'y' is made by no node", AGAIN),
        (_if("a = Relu(x)"), "graph output 'p' is made by no node", AGAIN),
        ("y = Relu(a) a = Neg(x)", LATE.format("'Relu:y' uses 'a'"), SORT),
        ("y = Relu(y)", LATE.format("'Relu:y' uses 'y'"), SORT),
        ("a = Add(x, b) b = Relu(a) y = Neg(b)", LATE.format("'Add:a' uses 'b'"), SORT),
        (_if("p = Relu(b)") + " b = Relu(x)", LATE.format("'Relu:p' uses 'b'"), SORT),
        (_if("p = Relu(y)"), LATE.format("'Relu:p' uses 'y'"), SORT),
        (_if("p = Relu(a) a = Neg(x)"), LATE.format("'Relu:p' uses 'a'"), SORT),
    ],
)
def test_out_of_order(body: str, what: str, cure: str) -> None:
    with pytest.raises(ModelError) as caught:
        _check(body)
    assert (caught.value.what, caught.value.cure) == (what, cure)
    assert caught.value.code == ("E107" if cure == SORT else "E106")


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (_function("r = Relu(b) b = Neg(a)"), LATE.format("'Relu:r' uses 'b'")),
        (_function("r = Relu(x)"), "'Relu:r' uses tensor 'x', which nothing makes"),  # a function sees nothing of its caller
        (_function("b = Relu(a)"), "graph output 'r' is made by no node"),
        (_function("a = Relu(a) r = Neg(a)"), "tensor 'a' is made twice"),
        (_function("r = Relu(a)", inputs="a, a"), "input 'a' is there twice"),
    ],
)
def test_functions_out_of_order(function: str, what: str) -> None:
    with pytest.raises(ModelError) as caught:
        _check("y = Relu(x)", functions=function)
    assert caught.value.what == what


def test_inputs_twice() -> None:
    with pytest.raises(ModelError) as caught:
        _check("y = Relu(x)", inputs="float x, float x")
    assert str(caught.value) == "error[E106]: input 'x' is there twice. Give each tensor its own name."


def test_an_initializer_made_again() -> None:
    with pytest.raises(ModelError) as caught:
        check_order(
            Reader(
                onnx.parser.parse_model(
                    '<ir_version: 8, opset_import: ["": 17]> g (float x) => (y) <float w = {1}> { w = Relu(x) y = Neg(w) }'
                ).SerializeToString()
            ).model("m")
        )
    assert caught.value.what == "tensor 'w' is made twice"


def test_long_chains_do_not_recurse() -> None:
    nodes = [onnx.helper.make_node("Relu", [f"t{i}"], [f"t{i + 1}"]) for i in range(5000)]
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(nodes, "g", [info("t0", 1, (4,))], [info("t5000", 1, (4,))])
    model = onnx.helper.make_model(graph)
    check_order(Reader(model.SerializeToString()).model("m"))
    model.graph.node.reverse()
    backwards = model.graph.node.pop()
    model.graph.node.append(backwards)
    with pytest.raises(ModelError) as caught:
        check_order(Reader(model.SerializeToString()).model("m"))
    assert caught.value.what == LATE.format("'Relu:t5000' uses 't4999'")


def test_label() -> None:
    nodes = [
        onnx.helper.make_node("Split", ["x"], ["", "b"]),
        onnx.helper.make_node("Split", ["x"], ["c"], name="named"),
        onnx.helper.make_node("Relu", [], []),
    ]
    proto = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], []))
    assert [node.label for node in Reader(proto.SerializeToString()).model("m").graph.nodes] == ["Split:b", "named", "Relu:"]
