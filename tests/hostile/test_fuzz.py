"""Mutated models and random graphs: dlalint reports or refuses, never anything else, and says the same thing twice."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto
from onnx.defs import OpSchema

from dlalint.engine.ruleset import RuleSet
from dlalint.engine.targets import parse
from dlalint.errors import DlalintError
from dlalint.lower import table
from dlalint.pipeline import Session
from dlalint.report.to_json import to_json
from dlalint.report.to_text import to_text
from dlalint.worker import Worker
from tests.hostile.corpus.fields import messages

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
OWN = Path(__file__).resolve().parents[2] / "models"
SMALL = [OWN / f"{name}.onnx" for name in ("crnn", "espcn", "fcn_dynamic", "mnist-7", "resnet18")]
SMALL += [LIGHT / f"light_{name}.onnx" for name in ("bvlc_alexnet", "squeezenet", "vgg19", "zfnet512")]
FILES = [path.read_bytes() for path in SMALL]
TARGETS = [
    (name, precision) for name in ("xavier-trt5.0", "xavier-trt8.5", "orin-trt10.3", "orin-trt11.4") for precision in ("fp16", "int8")
]

Check = Callable[[bytes, tuple[str, str]], str]


def _bounded(examples: int) -> settings:
    return settings(max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Check]:
    """The JSON report of some bytes, or the line that refuses them; twice, with and without what earlier models left in memory."""
    path = tmp_path_factory.mktemp("fuzz") / "model.onnx"
    rules = RuleSet.load()
    with Worker() as worker:
        old = Session(rules, worker=worker)

        def run(data: bytes, target: tuple[str, str]) -> str:
            path.write_bytes(data)
            found = _said(old, path, target)
            assert _said(Session(rules, worker=worker), path, target) == found
            return found

        yield run


def _said(session: Session, path: Path, target: tuple[str, str]) -> str:
    try:
        outcome = session.check(session.view(path), parse(target[0], session.rules, target[1]))
    except DlalintError as error:
        return _line(error, path)
    text = to_text(outcome, session.rules.sources, 100, verbose=True, quiet=False)
    assert all("\n" not in span.text for row in text for span in row)
    return to_json([outcome], session.rules.sources)


def _line(error: DlalintError, path: Path) -> str:
    line = str(error)
    assert line.startswith(f"{path}: error[E")
    assert error.code != "E900"
    assert error.cure.endswith(".")
    assert line.isprintable()
    return line


# bytes


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(FILES)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data) - 1))
        size = draw(st.sampled_from([1, 2, 8, 40, 300]))
        kind = draw(st.sampled_from(["flip", "set", "cut", "insert", "copy", "move", "end"]))
        if kind == "flip":
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "set":
            data[at] = draw(st.sampled_from([0, 1, 8, 10, 0x7F, 0x80, 0xFF]))
        elif kind == "cut":
            del data[at : at + size]
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=8))
        elif kind == "copy":
            other = draw(st.sampled_from(FILES))
            start = draw(st.integers(0, len(other) - 1))
            data[at : at + size] = other[start : start + size]
        elif kind == "move":
            data[at:at] = data[: draw(st.integers(0, 2000))][-size:]
        else:
            del data[max(at, len(data) - size) :]
        if not data:
            break
    return bytes(data)


@_bounded(500)
@given(data=_mutated(), target=st.sampled_from(TARGETS))
def test_mutated_bytes(check: Check, data: bytes, target: tuple[str, str]) -> None:
    assert check(data, target)


# fields of real models

WORDS = ["", "x", "input", "Relu", "Conv", "Reshape", "Concat", "Constant", "If", "\x1b[1m", "ä", "a" * 300]
NUMBERS = [0, 1, -1, 2, 3, 7, 64, 8193, 1 << 31, (1 << 63) - 1, -(1 << 63)]


def _change(draw: st.DrawFn, message: Any) -> None:
    """One field of one message: other numbers, other words, one entry less or more."""
    fields = [(field, value) for field, value in message.ListFields() if field.message_type is None or field.is_repeated]
    if not fields:
        return
    field, value = draw(st.sampled_from(fields))
    if field.is_repeated:
        at = draw(st.integers(0, len(value) - 1))
        how = draw(st.sampled_from(["drop", "repeat", "swap", "set"]))
        if how == "drop":
            del value[at]
        elif how == "repeat" and len(value) < 1000:
            value.append(value[at])
        elif how == "set" and field.message_type is None:
            value[at] = _other(draw, value[at])
        elif how == "swap":
            items = list(value)
            items[0], items[at] = items[at], items[0]
            del value[:]
            value.extend(items)
    elif field.enum_type is not None:
        setattr(message, field.name, draw(st.sampled_from(list(field.enum_type.values_by_number))))
    else:
        setattr(message, field.name, _other(draw, value))


def _other(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, bytes):
        return draw(st.sampled_from([b"", b"SAME_UPPER", b"\xff\x00", value[:-1], value * 2]))
    if isinstance(value, str):
        return draw(st.sampled_from(WORDS))
    if isinstance(value, float):
        return draw(st.sampled_from([0.0, -1.0, 0.5, 1e30]))
    return draw(st.sampled_from(NUMBERS if value not in (-1, 0, 1) else [-1, 0, 1, 2]))


@st.composite
def _changed(draw: st.DrawFn) -> bytes:
    proto = ModelProto.FromString(draw(st.sampled_from(FILES)))
    for _ in range(draw(st.integers(1, 3))):
        node = draw(st.sampled_from(range(len(proto.graph.node)))) if len(proto.graph.node) else 0
        part = draw(st.sampled_from(["node", "node", "initializer", "input", "output", "all"]))
        entries = getattr(proto.graph, part) if part != "all" else [proto]
        if len(entries):
            entry = entries[min(node, len(entries) - 1)]
            chosen = list(messages(entry)) if part != "all" else [proto, proto.graph, *proto.opset_import]
            with contextlib.suppress(ValueError):  # a number that the field cannot hold
                _change(draw, draw(st.sampled_from(chosen)))
    return bytes(proto.SerializeToString())


@_bounded(500)
@given(data=_changed(), target=st.sampled_from(TARGETS))
def test_changed_fields(check: Check, data: bytes, target: tuple[str, str]) -> None:
    assert check(data, target)


# random graphs

# onnx reads beyond its memory for some attributes of these, so what it answers is chance; or it never ends
LEFT_OUT = {"GatherND", "LayerNormalization", "Split", "Einsum", "EyeLike"}
OPERATORS = [*sorted(set(table()) - LEFT_OUT), "NonMaxSuppression", "NoSuchOperator"]
INTS = [0, 0, 1, 1, 1, 2, 2, 3, 4, -1, 8, 64, 1 << 31, (1 << 63) - 1, -(1 << 63)]
FLOATS = [0.0, 1.0, -1.0, 0.5, 6.0, 1e30]
STRINGS = [
    "",
    "NOTSET",
    "SAME_UPPER",
    "VALID",
    "linear",
    "nearest",
    "cubic",
    "half_pixel",
    "align_corners",
    "floor",
    "DCR",
    "constant",
    "sum",
    "\x1b",
]
SIZES: list[int | str] = [1, 1, 2, 3, 4, 8, 16, 0, 8193, "N"]
TYPES = [TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64, TensorProto.BOOL]


def _schema(name: str, opset: int) -> OpSchema | None:
    try:
        return onnx.defs.get_schema(name, opset, "")
    except onnx.defs.SchemaError:
        return None


def _attribute(draw: st.DrawFn, kind: OpSchema.AttrType) -> Any:
    kinds = OpSchema.AttrType
    single: dict[Any, Sequence[Any]] = {kinds.INT: INTS, kinds.FLOAT: FLOATS, kinds.STRING: STRINGS}
    several: dict[Any, Sequence[Any]] = {kinds.INTS: INTS, kinds.FLOATS: FLOATS, kinds.STRINGS: STRINGS}
    if kind in single:
        return draw(st.sampled_from(single[kind]))
    if kind in several:
        return draw(st.lists(st.sampled_from(several[kind]), min_size=1, max_size=6))
    return _constant(draw, "value") if kind == kinds.TENSOR else None


def _constant(draw: st.DrawFn, name: str) -> TensorProto:
    dims = draw(st.lists(st.sampled_from([1, 1, 2, 3, 4, 0]), max_size=4))
    count = 1
    for dim in dims:
        count *= dim
    kind = draw(st.sampled_from(TYPES))
    pool = INTS if kind == TensorProto.INT64 else [0, 1] if kind == TensorProto.BOOL else FLOATS[:5]
    start = draw(st.integers(0, len(pool) - 1))
    return onnx.helper.make_tensor(name, kind, dims, [pool[(start + index) % len(pool)] for index in range(count)])


def _node(draw: st.DrawFn, index: int, known: Sequence[str], constants: list[TensorProto], opset: int) -> NodeProto:
    name = draw(st.sampled_from(OPERATORS))
    schema = _schema(name, opset)
    least, most = (schema.min_input, min(schema.max_input, schema.min_input + 3)) if schema is not None else (0, 4)
    inputs = []
    for place in range(draw(st.integers(least, most)) if draw(st.integers(0, 9)) else draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(["known", "known", "constant", "omitted"] if place else ["known", "known", "known", "constant"]))
        if kind == "constant":
            constants.append(_constant(draw, f"c{index}.{place}"))
        inputs.append({"known": draw(st.sampled_from(known)), "constant": f"c{index}.{place}", "omitted": ""}[kind])
    outputs = [f"t{index}"] + [f"t{index}.{place}" for place in range(1, draw(st.integers(1, 3)))]
    node = onnx.helper.make_node(name, inputs, outputs, name=draw(st.sampled_from(["", "same", f"n{index}"])))
    for key, attribute in schema.attributes.items() if schema is not None else ():
        if attribute.required or draw(st.booleans()):
            value = _attribute(draw, attribute.type)
            if value is not None:
                node.attribute.append(onnx.helper.make_attribute(key, value))
    return node


@st.composite
def _graphs(draw: st.DrawFn) -> bytes:
    opset = draw(st.sampled_from([7, 9, 11, 13, 17, 18, 21]))
    known, constants, nodes = ["x"], list[TensorProto](), list[NodeProto]()
    for index in range(draw(st.integers(1, 4))):
        nodes.append(_node(draw, index, known, constants, opset))
        known.extend(nodes[-1].output)
    shape = draw(
        st.one_of(st.none(), st.lists(st.sampled_from(SIZES), min_size=4, max_size=4), st.lists(st.sampled_from(SIZES), max_size=6))
    )
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(nodes, "g", [info("x", draw(st.sampled_from(TYPES)), shape)], [info(known[-1], 1, None)], constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8)
    return bytes(model.SerializeToString())


@_bounded(1200)
@given(data=_graphs(), target=st.sampled_from(TARGETS))
def test_random_graphs(check: Check, data: bytes, target: tuple[str, str]) -> None:
    assert check(data, target)


# single nodes that once raised something else

NAN, INF = float("nan"), float("inf")


def _one(operator: str, opset: int = 17, constant: Sequence[float] = (), **attributes: Any) -> bytes:
    inputs = ["x", "c"] if constant else ["x"]
    node = onnx.helper.make_node(operator, inputs, ["y"], **attributes)
    info = onnx.helper.make_tensor_value_info
    tensors = [onnx.helper.make_tensor("c", TensorProto.FLOAT, (len(constant),), constant)] if constant else []
    graph = onnx.helper.make_graph([node], "g", [info("x", 1, (1, 4, 8, 8))], [info("y", 1, None)], tensors)
    return bytes(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8).SerializeToString())


def _bare(operator: str) -> bytes:
    proto = ModelProto.FromString(_one(operator))
    del proto.graph.node[0].input[:]
    return bytes(proto.SerializeToString())


FAULTS = {
    "softmax-axis": _one("Softmax", axis=-5),
    "softmax-axis-far": _one("LogSoftmax", axis=-(1 << 63)),
    "pad-infinite": _one("Pad", constant=[INF] * 8),
    "pad-nan": _one("Pad", constant=[NAN] * 8),
    "upsample-infinite": _one("Upsample", opset=9, constant=[1, 1, INF, 2]),
    "upsample-nan": _one("Upsample", opset=9, constant=[1, 1, NAN, 2]),
    "clip-nan": _one("Clip", opset=7, min=NAN),
    "clip-infinite": _one("Clip", opset=7, max=INF),
    "elu-nan": _one("Elu", alpha=NAN),
    "leaky-infinite": _one("LeakyRelu", alpha=INF),
    "lrn-nan": _one("LRN", size=3, bias=NAN),
    "relu-without-input": _bare("Relu"),
    "conv-without-input": _bare("Conv"),
    "pool-without-input": _bare("MaxPool"),
    "negative-kernel": _one("MaxPool", kernel_shape=[-1, 1 << 40], strides=[0, -(1 << 63)]),
    "flatten-axis": _one("Flatten", axis=1 << 62),
    "transpose-permutation": _one("Transpose", perm=[9, 9, 9, 9]),
    "reduce-axes": _one("ReduceMean", axes=[-9, 1 << 40]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_odd_nodes(name: str, check: Check) -> None:
    for target in TARGETS:
        assert check(FAULTS[name], target)
