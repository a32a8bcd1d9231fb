"""Models opened: shapes folded and inferred, functions and branches in place, and what stays unknown is said to be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
import pytest
from onnx import ModelProto, TensorProto

from dlalint.errors import LimitError, UsageError
from dlalint.graph import TensorType
from dlalint.graphview import GraphView, Value
from dlalint.model import view as view_module
from dlalint.model.inputs import Overrides
from dlalint.model.load import load
from dlalint.model.order import check_order
from dlalint.model.read import Reader
from dlalint.model.shapes import ShapeOracle
from dlalint.model.view import MAX_NESTING, build
from dlalint.worker import Worker

MODELS = sorted((Path(__file__).resolve().parents[3] / "models").glob("*.onnx"))
FREE = ("fcn_dynamic", "resnet18_dynamic")


@pytest.fixture(scope="module")
def oracle() -> Iterator[ShapeOracle]:
    with Worker() as worker:
        yield ShapeOracle(worker)


def _view(oracle: ShapeOracle, text: str | ModelProto, overrides: Overrides | None = None, **weights: Sequence[int]) -> GraphView:
    """The view of a model in onnx's text form, whose header may be left out; ``weights`` are constants of float32 without elements."""
    if isinstance(text, str):
        head = '<ir_version: 10, opset_import: ["": 17, "f": 1, "com.x": 1]> ' if not text.startswith("<") else ""
        text = onnx.parser.parse_model(f"{head}{text}")
    text.graph.initializer.extend(TensorProto(name=name, data_type=1, dims=dims) for name, dims in weights.items())
    model = Reader(text.SerializeToString()).model("m.onnx")
    check_order(model)
    found = build(model, oracle, overrides)
    _sound(found)
    return found


def _sound(view: GraphView) -> None:
    """Every tensor is made once and before its use; what is folded has constant outputs, what is dynamic no static type."""
    known = {"", *view.inputs, *view.model.graph.constants}
    for call in view.calls:
        assert {name for name in (*call.node.inputs, *call.captured) if name not in known | set(view.constants)} == set()
        for name in filter(None, call.node.outputs):
            assert name not in known
            known.add(name)
            assert (name in view.constants) is call.folded
    assert set(view.outputs) <= known
    for name in view.dynamic:
        assert name not in view.types or view.types[name].dims is None
    for name, value in view.values.items():
        assert view.types[name] == TensorType(value.dtype, value.shape)
        assert name in view.constants


def _left(view: GraphView) -> list[str]:
    """The calls that are not folded away, one ``inputs -> operator -> outputs`` each."""
    nodes = [call.node for call in view.calls if not call.folded]
    return [f"{','.join(node.inputs)} -> {node.op.op_type} -> {','.join(node.outputs)}" for node in nodes]


# real models


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_real_models_are_typed_as_onnx_types_them(path: Path, oracle: ShapeOracle) -> None:
    view = build(load(str(path)), oracle)
    _sound(view)
    assert view.crashes == ()
    assert view.unopened == frozenset()
    inferred = onnx.shape_inference.infer_shapes(onnx.load(path, load_external_data=False), data_prop=True).graph
    checked = 0
    for item in (*inferred.value_info, *inferred.output):
        kind = item.type.tensor_type
        dims = tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim)
        if kind.HasField("shape") and None not in dims:
            assert view.types[item.name].dims == dims, item.name
            checked += 1
    if path.stem not in FREE:
        assert checked > 0
        assert view.dynamic == frozenset()
        assert [call.node.name for call in view.calls if any(view.types[name].dims is None for name in call.node.outputs)] == []


@pytest.mark.parametrize("name", FREE)
def test_real_models_with_a_free_batch(name: str, oracle: ShapeOracle) -> None:
    model = load(str(next(path for path in MODELS if path.stem == name)))
    free = build(model, oracle)
    assert set(free.inputs) <= free.dynamic
    shape = free.types[free.inputs[0]].shape
    assert shape is not None
    fixed = build(model, oracle, Overrides({free.inputs[0]: tuple(dim if isinstance(dim, int) else 64 for dim in shape)}))
    assert fixed.dynamic == frozenset()
    assert [name for name, kind in fixed.types.items() if kind.dims is None] == []


# shape arithmetic

FLATTEN = """g (float[BATCH,4,2,3] x) => (y)
{
  s = Shape(x)
  zero = Constant<value: tensor = int64 {0}>()
  n = Gather<axis: int = 0>(s, zero)
  axes = Constant<value_ints: ints = [0]>()
  row = Unsqueeze(n, axes)
  rest = Constant<value_ints: ints = [-1]>()
  target = Concat<axis: int = 0>(row, rest)
  r = Reshape(x, target)
  y = Relu(r)
}"""


def test_a_chain_that_computes_a_shape(oracle: ShapeOracle) -> None:
    view = _view(oracle, FLATTEN.replace("BATCH", "5"))
    assert view.values["s"] == Value("int64", (4,), (5, 4, 2, 3))
    assert view.values["n"] == Value("int64", (), (5,))
    assert view.values["target"] == Value("int64", (2,), (5, -1))
    assert view.types["y"] == view.types["r"] == TensorType("float32", (5, 24))
    assert _left(view) == ["x,target -> Reshape -> r", "r -> Relu -> y"]
    assert [call.origin for call in view.calls] == list(range(9))
    assert view.dynamic == frozenset()


def test_the_same_chain_with_a_free_batch(oracle: ShapeOracle) -> None:
    view = _view(oracle, FLATTEN.replace("BATCH", "N"))
    assert view.types["x"] == TensorType("float32", ("N", 4, 2, 3))
    assert "s" not in view.values
    assert view.types["s"] == TensorType("int64", (4,))
    assert view.types["target"] == TensorType("int64", (2,))
    assert {"x", "r", "y"} <= view.dynamic
    assert not {"s", "n", "row", "target"} & view.dynamic  # their shape is known, only their values are not
    assert [line.split(" -> ")[1] for line in _left(view)] == ["Shape", "Gather", "Unsqueeze", "Concat", "Reshape", "Relu"]


@pytest.mark.parametrize("overrides", [Overrides(batch=5), Overrides({"x": (5, 4, 2, 3)})])
def test_the_same_chain_with_its_batch_fixed(overrides: Overrides, oracle: ShapeOracle) -> None:
    view = _view(oracle, FLATTEN.replace("BATCH", "N"), overrides)
    assert view.types["y"] == TensorType("float32", (5, 24))
    assert view.dynamic == frozenset()
    assert _left(view) == ["x,target -> Reshape -> r", "r -> Relu -> y"]


def test_optional_inputs_left_out_do_not_hinder_folding(oracle: ShapeOracle) -> None:
    view = _view(
        oracle,
        """g (float[4,5,6,7] x) => (y) <int64[1] a = {1}, int64[1] b = {9}, int64[1] step = {2}>
        { s = Shape(x) t = Slice(s, a, b, "", step) y = ConstantOfShape(t) }""",
    )
    assert view.values["t"] == Value("int64", (2,), (5, 7))
    assert view.values["y"].shape == (5, 7)
    assert _left(view) == []


def test_values_reach_inference(oracle: ShapeOracle) -> None:
    view = _view(
        oracle,
        """g (float[1,8,4,4] x) => (y) <float[4] scales = {1, 1, 2, 3}>
        { y = Resize(x, "", scales) }""",
    )
    assert view.types["y"] == TensorType("float32", (1, 8, 8, 12))


def test_all_of_constants_is_folded_even_where_it_is_not_computed(oracle: ShapeOracle) -> None:
    view = _view(
        oracle,
        "g (float[1,2,4,4] x) => (y) { c = Conv(k, w) r = Relu(c) y = Add(x, k) z = Conv(x, w) }",
        k=(1, 2, 4, 4),
        w=(3, 2, 1, 1),
    )
    assert [(call.node.op.op_type, call.folded) for call in view.calls] == [("Conv", True), ("Relu", True), ("Add", False), ("Conv", False)]
    assert view.constants["c"] is None
    assert view.constants["r"] is None
    assert view.constants["w"] is view.model.graph.constants["w"]
    assert view.types["r"] == TensorType("float32", (1, 3, 4, 4))
    assert "c" not in view.values


def test_constant_nodes(oracle: ShapeOracle) -> None:
    view = _view(
        oracle,
        """g (float[1] x) => (y)
        { a = Constant<value: tensor = int64[2] {7, 8}>() b = Constant<value_float: float = 0.5>() c = Constant<value_ints: ints = [1, 2]>()
          t = Constant<value_string: string = "s">() y = Relu(x) }""",
    )
    assert view.values["a"] == Value("int64", (2,), (7, 8))
    assert view.values["b"] == Value("float32", (), (0.5,))
    assert view.values["c"] == Value("int64", (2,), (1, 2))
    tensor = view.constants["a"]
    assert tensor is not None
    assert tensor.dims == (2,)


def test_outputs_left_out(oracle: ShapeOracle) -> None:
    view = _view(oracle, 'g (float[4,6] x) => (y) <int64[1] k = {2}> { "", y = Split<axis: int = 0>(x) "", i = TopK(x, k) z = Relu(i) }')
    assert view.types["y"] == TensorType("float32", (2, 6))
    assert view.types["i"] == TensorType("int64", (4, 2))
    assert "" not in view.types


def test_constant_nodes_that_hand_out_nothing(oracle: ShapeOracle) -> None:
    proto = onnx.parser.parse_model('<ir_version: 8, opset_import: ["": 17]> g (float[1] x) => (y) { y = Clip(x, "", "") }')
    tensor = onnx.helper.make_tensor("t", 7, (1,), [3])
    for outputs in ([], [""]):
        proto.graph.node.insert(0, onnx.helper.make_node("Constant", [], outputs, value=tensor))
        proto.graph.node.insert(0, onnx.helper.make_node("Constant", [], outputs, value_int=3))
    view = _view(oracle, proto)
    assert view.types["y"] == TensorType("float32", (1,))
    assert "" not in view.types
    assert "" not in view.constants
    assert "" not in view.values


def test_inputs_that_are_initializers_are_constants(oracle: ShapeOracle) -> None:
    view = _view(
        oracle,
        '<ir_version: 3, opset_import: ["": 9]> g (float[1,3] x, int64[2] s = {3, 1}) => (float[3,1] y) { y = Reshape(x, s) }',
    )
    assert view.model.graph.inputs == ("x", "s")
    assert view.inputs == ("x",)
    assert view.values["s"].items == (3, 1)
    assert view.types["y"] == TensorType("float32", (3, 1))
    with pytest.raises(UsageError) as caught:
        build(view.model, oracle, Overrides({"s": (2,)}))
    assert str(caught.value) == "m.onnx: --shape s: error[E501]: the model has no input 's'. Its inputs: 'x'."


# what cannot be known


def test_operators_from_elsewhere_have_the_types_that_the_file_declares(oracle: ShapeOracle) -> None:
    text = (
        "g (float[1,4] x) => (float[2,2] y) <float[3,N] b, float[1,1] c> { a = com.x.Any(x) b = com.x.Any(a) c = Relu(b) y = com.x.Any(c) }"
    )
    view = _view(oracle, text)
    assert "a" not in view.types
    assert view.types["b"] == TensorType("float32", (3, "N"))
    assert view.types["c"] == TensorType("float32", (3, 1))  # inference wins, the file fills what it left open
    assert view.types["y"] == TensorType("float32", (2, 2))
    assert view.dynamic == frozenset()  # nothing here depends on a free input dimension


def test_declared_types_are_not_believed_once_a_shape_is_fixed(oracle: ShapeOracle) -> None:
    text = "g (float[N,4] x) => (float[1,4] y) <float[1,4] a> { a = Relu(x) y = NoSuchOperator(a) }"
    assert _view(oracle, text).types["a"] == TensorType("float32", (1, 4))
    fixed = _view(oracle, text, Overrides(batch=3))
    assert fixed.types["a"] == TensorType("float32", (3, 4))
    assert "y" not in fixed.types


def test_what_depends_on_values_is_dynamic(oracle: ShapeOracle) -> None:
    view = _view(
        oracle, "g (float[2,3] x) => (y) { i = NonZero(x) a = Cast<to: int = 1>(i) b = Relu(a) y = ReduceSum<keepdims: int = 0>(b) }"
    )
    assert view.dynamic == {"i", "a", "b"}
    assert view.types["y"] == TensorType("float32", ())


def test_an_input_of_unknown_rank(oracle: ShapeOracle) -> None:
    proto = onnx.parser.parse_model('<ir_version: 8, opset_import: ["": 17]> g (float[1] x) => (y) { a = Relu(x) y = Gemm(a, a) }')
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    view = _view(oracle, proto)
    assert view.types["x"] == TensorType("float32", None)
    assert view.dynamic == {"x", "a", "y"}
    proto.graph.input[0].ClearField("type")
    view = _view(oracle, proto)
    assert view.types["x"] == TensorType("undefined", None)
    assert view.dynamic == {"x", "a", "y"}
    assert _view(oracle, proto, Overrides({"x": (2, 2)})).types["x"] == TensorType("undefined", (2, 2))


def test_sizes_that_no_tensor_has_are_unknown(oracle: ShapeOracle) -> None:
    """onnx infers a negative size where a window is larger than the image; old exporters declare -1 for a free one."""
    proto = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["": 17, "com.x": 1]> g (float[1,3,8,8] x) => (y, float[2] z, float[2] q)
        { y = Conv(x, w) z = com.x.Any(x) q = com.x.Any(x) }"""
    )
    proto.graph.output[1].type.tensor_type.shape.dim[0].dim_value = -1
    proto.graph.output[2].type.tensor_type.shape.dim[0].dim_value = 1 << 40
    view = _view(oracle, proto, w=(4, 3, 15, 15))
    assert view.types["y"] == TensorType("float32", (1, 4, None, None))
    assert view.types["z"] == TensorType("float32", (None,))
    assert view.types["q"] == TensorType("float32", (None,))
    assert view.dynamic == frozenset()


# If, Loop, Scan


def _choice(condition: str, then: str = "p = Relu(x)", otherwise: str = "q = Neg(x)", name: str = "") -> str:
    branches = f"then_branch = t () => (float[4] p) {{ {then} }}, else_branch = e () => (float[4] q) {{ {otherwise} }}"
    return f"{name} y = If({condition})<{branches}>"


def test_if_with_a_constant_condition(oracle: ShapeOracle) -> None:
    for condition, line in (("1", "x -> Relu -> y"), ("0", "x -> Neg -> y")):
        view = _view(oracle, f"g (float[4] x) => (y) <bool c = {{{condition}}}> {{ {_choice('c')} }}")
        assert _left(view) == [line]
        assert view.types["y"] == TensorType("float32", (4,))
        assert [call.origin for call in view.calls] == [0]


def test_if_on_the_rank_of_a_tensor(oracle: ShapeOracle) -> None:
    """As exporters write a squeeze of an axis that may not be there."""
    view = _view(
        oracle,
        f"""g (float[4] x) => (y) <int64[1] one = {{1}}>
        {{ s = Shape(x) n = Shape(s) same = Equal(n, one) [choose] {_choice("same", "[inner] t = Abs(x) p = Relu(t)")} }}""",
    )
    assert _left(view) == ["x -> Abs -> choose/t", "choose/t -> Relu -> y"]
    assert [(call.node.name, call.origin) for call in view.calls if not call.folded] == [("choose/inner", 3), ("", 3)]


def test_if_in_an_if_and_constants_inside(oracle: ShapeOracle) -> None:
    then, otherwise = "i () => (float[4] u) { u = Exp(t) }", "j () => (float[4] v) <float k = {2}> { v = Mul(t, k) }"
    inner = f"p = If(no)<then_branch = {then}, else_branch = {otherwise}>"
    view = _view(
        oracle,
        f"""g (float[4] x) => (y) <bool c = {{1}}>
        {{ [top] {_choice("c", f"no = Constant<value: tensor = bool {{0}}>() t = Abs(x) {inner}")} }}""",
    )
    assert _left(view) == ["x -> Abs -> top/t", "top/t,y/k -> Mul -> y"]
    assert view.values["y/k"] == Value("float32", (), (2.0,))


def test_branches_that_hand_on_tensors(oracle: ShapeOracle) -> None:
    view = _view(
        oracle,
        """g (float[4] x) => (y, z) <bool c = {1}>
        { [n] y, z = If(c)<then_branch = t () => (float[4] x, float k) <float k = {2}> { }, else_branch = e () => (float[4] x, x) { }> }""",
    )
    assert _left(view) == ["x -> Identity -> y"]
    assert view.values["z"] == Value("float32", (), (2.0,))


def test_two_choices_of_one_name(oracle: ShapeOracle) -> None:
    then = "t = Abs(x) p = Relu(t)"
    second = _choice("c", "t = Exp(y) p = Relu(t)", "q = Neg(y)", "[n]").replace(" y = ", " z = ")
    view = _view(oracle, f"g (float[4] x) => (z) <bool c = {{1}}> {{ {_choice('c', then, name='[n]')} {second} }}")
    assert _left(view) == ["x -> Abs -> n/t", "n/t -> Relu -> y", "y -> Exp -> n#2/t", "n#2/t -> Relu -> z"]


def test_if_that_is_not_decided(oracle: ShapeOracle) -> None:
    view = _view(
        oracle, f"g (bool c, float[4] x) => (y) {{ a = Abs(x) b = Exp(x) {_choice('c', 'p = Relu(a)', 'h = Neg(b) q = Neg(h)')} }}"
    )
    assert _left(view)[2:] == ["c -> If -> y"]
    assert sorted(view.calls[2].captured) == ["a", "b"]
    assert not view.calls[2].folded
    assert "y" not in view.types
    assert view.dynamic == frozenset()


def test_if_whose_condition_has_no_elements_or_no_branch(oracle: ShapeOracle) -> None:
    empty = "c = Constant<value: tensor = bool[0] {}>()"
    assert _left(_view(oracle, f"g (float[4] x) => (y) {{ {empty} {_choice('c')} }}")) == ["c -> If -> y"]
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> g (float[4] x) => (y) <bool c = {{1}}> {{ {_choice("c")} }}')
    proto.graph.node[0].attribute[0].name = "other"
    assert _left(_view(oracle, proto)) == ["c -> If -> y"]


def test_loop_and_scan_stay_whole(oracle: ShapeOracle) -> None:
    view = _view(
        oracle,
        """g (float[4] x) => (y, s) <int64 n = {3}, bool c = {1}>
        {
          k = Abs(x)
          y = Loop(n, c, x)<body = b (int64 i, bool go, float[4] state) => (go, next) { next = Add(state, k) }>
          s = Scan(x)<num_scan_inputs: int = 1, body = r (float line) => (float out) { out = Abs(line) }>
        }""",
    )
    assert _left(view) == ["x -> Abs -> k", "n,c,x -> Loop -> y", "x -> Scan -> s"]
    assert [call.captured for call in view.calls] == [(), ("k",), ()]
    assert view.dynamic == {"y", "s"}


def test_a_loop_over_constants_is_not_folded_when_it_reads_more(oracle: ShapeOracle) -> None:
    body = "b (int64 i, bool go, float[4] state) => (go, next) { next = Add(state, x) }"
    text = f"g (float[4] x) => (y) <int64 n = {{3}}, bool c = {{1}}> {{ y = Loop(n, c, k)<body = {body}> }}"
    view = _view(oracle, text, k=(4,))
    assert _left(view) == ["n,c,k -> Loop -> y"]
    assert view.calls[0].captured == ("x",)


# functions


def _functions(*bodies: str) -> str:
    return " ".join(f'<domain: "f", opset_import: ["": 17, "f": 1]> {body}' for body in bodies)


def test_functions_are_opened(oracle: ShapeOracle) -> None:
    view = _view(
        oracle,
        "g (float[2,3] x) => (y) { [a] b = f.Two(x) [c] y = f.Two(b) }"
        + _functions("Two (p) => (r) { [first] q = f.One(p) [second] r = f.One(q) }", "One (p) => (r) { t = Abs(p) [neg] r = Neg(t) }"),
    )
    assert _left(view) == [
        "x -> Abs -> a/first/t",
        "a/first/t -> Neg -> a/q",
        "a/q -> Abs -> a/second/t",
        "a/second/t -> Neg -> b",
        "b -> Abs -> c/first/t",
        "c/first/t -> Neg -> c/q",
        "c/q -> Abs -> c/second/t",
        "c/second/t -> Neg -> y",
    ]
    assert [call.origin for call in view.calls] == [0] * 4 + [1] * 4
    assert [call.node.name for call in view.calls][1:4:2] == ["a/first/neg", "a/second/neg"]
    assert {view.types[name].dims for call in view.calls for name in call.node.outputs} == {(2, 3)}


def test_calls_without_a_name(oracle: ShapeOracle) -> None:
    """The last call of a function makes the same tensor as the call of the function itself."""
    view = _view(
        oracle,
        "g (float[4] x) => (y) { y = f.Two(x) }"
        + _functions("Two (p) => (r) { q = f.One(p) r = f.One(q) }", "One (p) => (r) { q = Abs(p) r = Neg(q) }"),
    )
    assert _left(view) == ["x -> Abs -> y/q/q", "y/q/q -> Neg -> y/q", "y/q -> Abs -> y#2/q", "y#2/q -> Neg -> y"]


def test_names_inside_that_the_model_has_outside(oracle: ShapeOracle) -> None:
    text = "g (float[4] x) => (y, z) { [n] y = f.One(x) z = Identity(y) }" + _functions("One (p) => (r) { q = Abs(p) r = Neg(q) }")
    proto = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 17, "f": 1]> {text}')
    proto.graph.node[1].output[0] = proto.graph.output[1].name = "n/q"
    assert _left(_view(oracle, proto)) == ["x -> Abs -> n#2/q", "n#2/q -> Neg -> y", "y -> Identity -> n/q"]


def test_attributes_and_operator_sets_of_functions(oracle: ShapeOracle) -> None:
    """The body is of opset 12, where the axes of Squeeze are an attribute."""
    view = _view(
        oracle,
        """g (float[1,4] x) => (y) { y = f.One<axis: int = 0>(x) }
        <domain: "f", opset_import: ["": 12]> One <axis, low: float = -1.0> (p) => (r)
        { k = Constant<value_float: float = @low>() q = Max(p, k) r = Softmax<axis: int = @axis>(q) }""",
    )
    assert view.values["y/k"] == Value("float32", (), (-1.0,))
    assert view.calls[2].node.op.get_int("axis", 9) == 0
    assert view.types["y"] == TensorType("float32", (1, 4))
    old = (
        'g (float[1,4] x) => (y) { y = f.One(x) } <domain: "f", opset_import: ["": 12]> One (p) => (r) { r = Squeeze<axes: ints = [0]>(p) }'
    )
    assert _view(oracle, old).types["y"] == TensorType("float32", (4,))


def test_overloads(oracle: ShapeOracle) -> None:
    text = "g (float[4] x) => (z) { y = f.One(x) z = f.One(y) }" + _functions(
        "One (p) => (r) { r = Abs(p) }", "One (p) => (r) { r = Neg(p) }"
    )
    proto = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 17, "f": 1]> {text}')
    proto.functions[1].overload = proto.graph.node[1].overload = "other"
    assert _left(_view(oracle, proto)) == ["x -> Abs -> y", "y -> Neg -> z"]
    proto.graph.node[1].overload = "unknown"
    assert _left(_view(oracle, proto)) == ["x -> Abs -> y", "y -> One -> z"]


def test_a_function_of_a_standard_name_takes_its_place(oracle: ShapeOracle) -> None:
    view = _view(oracle, 'g (float[4] x) => (y) { y = Relu(x) } <domain: "", opset_import: ["": 17]> Relu (p) => (r) { r = Neg(p) }')
    assert _left(view) == ["x -> Neg -> y"]


def test_choices_and_loops_inside_of_functions(oracle: ShapeOracle) -> None:
    view = _view(
        oracle,
        "g (float[4] x, bool c) => (y) { [n] y = f.One(x, c) }"
        + _functions(
            """One (p, c) => (r) {
              yes = Constant<value: tensor = bool {1}>() q = Abs(p)
              a = If(yes)<then_branch = t () => (float[4] u) { u = Neg(q) }, else_branch = e () => (float[4] v) { v = Exp(q) }>
              r = If(c)<then_branch = t () => (float[4] u) { u = Neg(a) }, else_branch = e () => (float[4] v) { v = Exp(q) }> }"""
        ),
    )
    assert _left(view) == ["x -> Abs -> n/q", "n/q -> Neg -> n/a", "c -> If -> y"]
    assert view.calls[-1].captured == ("n/q", "n/a") or view.calls[-1].captured == ("n/a", "n/q")


def test_a_function_that_calls_itself(oracle: ShapeOracle) -> None:
    view = _view(oracle, "g (float[4] x) => (y) { y = f.One(x) }" + _functions("One (p) => (r) { q = Abs(p) r = f.One(q) }"))
    assert view.unopened == {("f", "One")}
    assert [call.node.op.op_type for call in view.calls] == ["Abs"] * MAX_NESTING + ["One"]
    assert view.types[view.calls[-2].node.outputs[0]] == TensorType("float32", (4,))
    assert "y" not in view.types


def _doubling(depth: int) -> str:
    bodies = [f"F{level} (p) => (r) {{ q = f.F{level + 1}(p) r = f.F{level + 1}(q) }}" for level in range(depth)]
    return "g (float[4] x) => (y) { y = f.F0(x) }" + _functions(*bodies, f"F{depth} (p) => (r) {{ r = Relu(p) }}")


def test_functions_that_double(oracle: ShapeOracle) -> None:
    view = _view(oracle, _doubling(8))
    assert len(view.calls) == 256
    assert view.types["y"] == TensorType("float32", (4,))


def test_functions_that_double_too_often(oracle: ShapeOracle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_module, "MAX_STEPS", 767)  # 256 nodes, and the 511 calls on the way
    assert len(_view(oracle, _doubling(8)).calls) == 256
    monkeypatch.setattr(view_module, "MAX_STEPS", 766)
    with pytest.raises(LimitError):
        _view(oracle, _doubling(8))
    monkeypatch.setattr(view_module, "MAX_STEPS", 1000)
    for depth, leaf in ((10, "Relu"), (25, "Relu"), (25, "")):
        text = (
            _doubling(depth)
            if leaf
            else _doubling(depth).replace("{ r = Relu(p) }", "{ }").replace(f"F{depth} (p) => (r)", f"F{depth} (p) => (p)")
        )
        with pytest.raises(LimitError) as caught:
            _view(oracle, text)
        assert str(caught.value) == (
            "m.onnx: error[E203]: the model has more than 1000 nodes once its functions are opened. Export it with fewer nested functions."
        )


# crashes


def _crashing(outputs: str = "y, z", axis: int = -7) -> str:
    return f"""g (float[2,3] x, int64[1,2] i) => ({outputs}, float[7] d)
    {{ y = GatherND<batch_dims: int = {axis}>(x, i) z = Relu(x) d = GatherND<batch_dims: int = {axis}>(z, i) }}"""


def test_a_crash_of_onnx_costs_one_type(oracle: ShapeOracle) -> None:
    view = _view(oracle, _crashing())
    if not view.crashes:  # pragma: no cover
        pytest.skip(f"onnx {onnx.__version__} survives it")
    assert view.crashes == ("onnx died with signal 11 in shape inference of GatherND",) * 2
    assert view.types["z"] == TensorType("float32", (2, 3))
    assert "y" not in view.types
    assert view.types["d"] == TensorType("float32", (7,))  # as declared
    assert _view(oracle, _crashing()).crashes == view.crashes  # told of each model, not only of the first
    assert _view(oracle, "g (float[2,3] x) => (y) { y = Relu(x) }").crashes == ()


def test_errors_name_the_model(oracle: ShapeOracle) -> None:
    with pytest.raises(UsageError) as caught:
        _view(oracle, "g (float[1,3] x) => (y) { y = Relu(x) }", Overrides(batch=2))
    assert str(caught.value) == (
        "m.onnx: --batch 2: error[E501]: input 'x' is fixed at 1x3 in the file."
        " Export the model again with that size, or with a free dimension."
    )
