"""Small files that ask for much: of memory, of time, of the stack."""

from __future__ import annotations

import random
from collections.abc import Iterator

from onnx import FunctionProto, NodeProto, TensorProto, helper

from dlalint.model.wire import encode_bytes, encode_int
from tests.hostile.corpus.case import Case, graph_of, info, model

node = helper.make_node


def cases(source: random.Random) -> Iterator[Case]:
    """Some fifty."""
    yield from _functions()
    yield from _values()
    yield from _graphs(source)
    yield from _nesting()
    yield from _faults()


def _function(name: str, nodes: list[NodeProto]) -> FunctionProto:
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
    return helper.make_function("f", name, ["p"], ["r"], nodes, imports)


def _functions() -> Iterator[Case]:
    for depth, refused in ((10, False), (30, True), (60, None)):
        doubled = [
            _function(f"F{level}", [node(f"F{level + 1}", ["p"], ["q"], domain="f"), node(f"F{level + 1}", ["q"], ["r"], domain="f")])
            for level in range(depth)
        ]
        made = [*doubled, _function(f"F{depth}", [node("Relu", ["p"], ["r"])])]
        yield Case(f"doubling_{depth}", model([node("F0", ["x"], ["y"], domain="f")], functions=made).SerializeToString(), refused=refused)
    chain = [_function(f"F{level}", [node(f"F{level + 1}", ["p"], ["r"], domain="f")]) for level in range(3000)]
    yield Case("function_chain", model([node("F0", ["x"], ["y"], domain="f")], functions=chain).SerializeToString())
    both = [_function("A", [node("B", ["p"], ["r"], domain="f")]), _function("B", [node("A", ["p"], ["r"], domain="f")])]
    yield Case("function_ring", model([node("A", ["x"], ["y"], domain="f")], functions=both).SerializeToString())
    yield Case(
        "function_self",
        model([node("A", ["x"], ["y"], domain="f")], functions=[_function("A", [node("A", ["p"], ["r"], domain="f")])]).SerializeToString(),
    )
    same = [_function("A", [node("Relu", ["p"], ["r"])])] * 500
    yield Case("function_again", model([node("A", ["x"], ["y"], domain="f")], functions=same).SerializeToString())


def _numbers(name: str, *values: int) -> TensorProto:
    return helper.make_tensor(name, TensorProto.INT64, (len(values),), values)


def _scalar(name: str, value: int) -> TensorProto:
    return helper.make_tensor(name, TensorProto.INT64, (), [value])


def _values() -> Iterator[Case]:
    for count in (40, 70, 3000):
        nodes = [node("Concat", [f"t{step}"] * 2, [f"t{step + 1}"], axis=0) for step in range(count)]
        nodes.append(node("Reshape", ["x", f"t{count}"], ["y"]))
        yield Case(f"concat_{count}", model(nodes, [_numbers("t0", 1, 1, 1, 1)]).SerializeToString())
    for most in (10**6, 10**12, (1 << 63) - 1):
        nodes = [node("Range", ["a", "b", "d"], ["s"]), node("Reshape", ["x", "s"], ["y"])]
        yield Case(f"range_{most}", model(nodes, [_scalar("a", 0), _scalar("b", most), _scalar("d", 1)]).SerializeToString())
    for dims in ((10**9, 10**9), ((1 << 63) - 1,) * 8, (1 << 31,), (65536, 65536), (0, 1 << 60)):
        nodes = [node("ConstantOfShape", ["s"], ["c"]), node("Add", ["x", "c"], ["y"])]
        yield Case("fill", model(nodes, [_numbers("s", *dims)]).SerializeToString())
        nodes = [node("ConstantOfShape", ["s"], ["c"], value=helper.make_tensor("v", 7, (1,), [1])), node("Reshape", ["x", "c"], ["y"])]
        yield Case("fill_integers", model(nodes, [_numbers("s", *dims)]).SerializeToString())
    for times in (10**6, 1 << 40, (1 << 63) - 1):
        nodes = [node("Tile", ["t", "n"], ["s"]), node("Reshape", ["x", "s"], ["y"])]
        yield Case(f"tile_{times}", model(nodes, [_numbers("t", 1), _numbers("n", times)]).SerializeToString())
        nodes = [node("Expand", ["t", "n"], ["s"]), node("Reshape", ["x", "s"], ["y"])]
        yield Case(f"expand_{times}", model(nodes, [_numbers("t", 1), _numbers("n", times)]).SerializeToString())
        nodes = [node("OneHot", ["t", "n", "v"], ["s"]), node("Reshape", ["x", "s"], ["y"])]
        yield Case(f"onehot_{times}", model(nodes, [_numbers("t", 1), _numbers("n", times), _numbers("v", 0, 1)]).SerializeToString())
    powers = [node("Mul", [f"t{step}"] * 2, [f"t{step + 1}"]) for step in range(60)]
    yield Case("squares", model([*powers, node("Reshape", ["x", "t60"], ["y"])], [_numbers("t0", 3, 3)]).SerializeToString())
    shifts = [node("Pow", ["t0", "t0"], ["t1"]), node("Pow", ["t1", "t1"], ["t2"]), node("Reshape", ["x", "t2"], ["y"])]
    yield Case("powers", model(shifts, [_numbers("t0", (1 << 62), 99)]).SerializeToString())


def _graphs(source: random.Random) -> Iterator[Case]:
    fan = [node("Relu", ["x"], [f"t{index}"]) for index in range(20_000)]
    yield Case("fan_out", model(fan, outputs=["t0"]).SerializeToString(), refused=False)
    yield Case("fan_in", model([*fan[:5000], node("Concat", [f"t{index}" for index in range(5000)], ["y"], axis=1)]).SerializeToString())
    yield Case("fan_in_twice", model([node("Concat", ["x"] * 20_000, ["y"], axis=1)]).SerializeToString())
    diamond = [node("Add", [f"t{step}"] * 2, [f"t{step + 1}"]) for step in range(60)]
    diamond[0].input[:] = ["x", "x"]
    yield Case("diamond", model(diamond).SerializeToString(), refused=False)
    chain = [node(source.choice(("Relu", "Sigmoid")), [f"t{step}" if step else "x"], [f"t{step + 1}"]) for step in range(5000)]
    yield Case("chain", model(chain).SerializeToString(), refused=False)
    yield Case("chain_backwards", model(chain[::-1], outputs=["t5000"]).SerializeToString(), refused=True)
    yield Case("ring", model([*chain[:-1], node("Relu", ["t4999"], ["t1"])]).SerializeToString(), refused=True)
    many = [f"o{index}" for index in range(5000)]
    yield Case("outputs", model([node("Split", ["x"], many)], outputs=many[:2]).SerializeToString())
    yield Case("inputs", model([node("Relu", ["i0"], ["y"])], inputs=[info(f"i{index}") for index in range(5000)]).SerializeToString())
    yield Case("mixed", model([node("Conv", ["x"] * 2000, ["y"])]).SerializeToString())


def _nesting() -> Iterator[Case]:
    for depth in (20, 31):
        inner = node("Relu", ["x"], ["z"])
        for _ in range(depth):
            body = graph_of([inner], [inner.output[0]])
            inner = node("If", ["k"], ["z"], then_branch=body, else_branch=body) if depth < 5 else _half(body)
        condition = helper.make_tensor("k", TensorProto.BOOL, (), [True])
        yield Case(f"if_{depth}", model([inner], [condition]).SerializeToString())
    for depth, refused in ((32, None), (64, None), (65, True), (1000, True), (20_000, True)):
        graph = b""
        for _ in range(depth):
            attribute = encode_bytes(1, b"then_branch") + encode_bytes(6, graph) + encode_int(20, 5)
            graph = encode_bytes(1, encode_bytes(2, b"y") + encode_bytes(4, b"If") + encode_bytes(5, attribute))
        yield Case(f"bodies_{depth}", encode_int(1, 8) + encode_bytes(8, encode_int(2, 17)) + encode_bytes(7, graph), refused=refused)
    kind = b""
    for _ in range(20_000):
        kind = encode_bytes(4, encode_bytes(1, kind))
    value = encode_bytes(11, encode_bytes(1, b"x") + encode_bytes(2, kind))
    yield Case("types", encode_int(1, 8) + encode_bytes(8, encode_int(2, 17)) + encode_bytes(7, value))
    yield Case("groups", encode_int(1, 8) + b"\x9b\x06" * 100_000, refused=True)


def _half(body: object) -> NodeProto:
    return node("If", ["k"], ["z"], then_branch=body)


def _faults() -> Iterator[Case]:
    """What brings onnx's own shape inference down."""
    pair = _numbers("i", 0, 0)
    for number in (-7, -100_000):
        yield Case("gather_nd", model([node("GatherND", ["x", "i"], ["y"], batch_dims=number)], [pair]).SerializeToString())
    yield Case("layer_norm", model([node("LayerNormalization", ["x", "x"], ["y"], axis=(1 << 63) - 1)]).SerializeToString())
    yield Case("split", model([node("Split", ["x"], list("abcdef"), num_outputs=5)], opset=18).SerializeToString())
    for domain, operator in (("", "EyeLike"), ("ai.onnx.ml", "LabelEncoder"), ("ai.onnx.ml", "DictVectorizer")):
        yield Case(operator, model([node(operator, [""], ["y"], domain=domain)]).SerializeToString())
    for equation in ("\x1b", "i2->i", "[i->i"):
        yield Case("einsum", model([node("Einsum", ["x"], ["y"], equation=equation)]).SerializeToString())
