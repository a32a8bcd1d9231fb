"""A model without its weights, and the same model again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.external_data_helper import load_external_data_for_model

from dlalint.errors import LimitError, ModelError
from dlalint.model.load import READ_WHOLE_BYTES
from dlalint.model.save import Piece, Span, write
from dlalint.model.skeleton import excise, restore
from dlalint.model.wire import WireError, encode_bytes, encode_int, encode_varint

ROOT = Path(__file__).resolve().parents[3]
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
MODELS = sorted([*(ROOT / "models").glob("*.onnx"), *LIGHT.glob("*.onnx")])
BIG = np.arange(1000, dtype=np.float32)


def _joined(pieces: Sequence[Piece]) -> bytes:
    return b"".join(Path(p.path).read_bytes()[p.offset : p.offset + p.length] if isinstance(p, Span) else p for p in pieces)


def _again(path: Path, threshold: int = 1024) -> bytes:
    return _joined(restore(excise(str(path), threshold), str(path)))


def _model(*tensors: TensorProto, nodes: Sequence[NodeProto] = ()) -> ModelProto:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"]), *nodes], "g", [x], [y], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _saved(folder: Path, model: ModelProto | bytes, name: str = "m.onnx") -> Path:
    path = folder / name
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path


def _external(tensor: TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _refer(tensor: TensorProto, location: str, length: int = 4) -> TensorProto:
    """``tensor`` with its data outside."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    return tensor


# files as exporters write them


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
@pytest.mark.parametrize("threshold", [0, 16, 1024])
def test_the_way_back_gives_the_same_file(path: Path, threshold: int) -> None:
    assert _again(path, threshold) == path.read_bytes()


def _kinds() -> list[TensorProto]:
    made = []
    for code in (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16):
        dtype = helper.tensor_dtype_to_np_dtype(code)
        made.append(numpy_helper.from_array(np.ones((2, 999), dtype), f"raw{code}"))
    typed = helper.make_tensor("typed", TensorProto.FLOAT, [1000], BIG)
    strings = TensorProto(name="strings", data_type=TensorProto.STRING, dims=[1000], string_data=[b"some text"] * 1000)
    stated = numpy_helper.from_array(BIG, "stated")
    stated.data_location = TensorProto.DEFAULT  # as onnx leaves it behind when it loads external data
    described = numpy_helper.from_array(BIG, "described")
    described.doc_string = "behind the data in the canonical order"
    described.metadata_props.add(key="k", value="v")
    return [*made, typed, strings, stated, described, _refer(numpy_helper.from_array(BIG, "outside"), "other.bin", 4000)]


def test_all_kinds_of_initializers(tmp_path: Path) -> None:
    path = _saved(tmp_path, _model(*_kinds()))
    (tmp_path / "other.bin").write_bytes(BIG.tobytes())
    found = onnx.load_from_string(excise(str(path)))
    by_name = {tensor.name: tensor for tensor in found.graph.initializer}
    inline = {name for name, tensor in by_name.items() if not tensor.external_data}
    assert inline == {"typed", "strings"}
    assert {_external(tensor)["location"] for name, tensor in by_name.items() if name not in inline} == {"m.onnx", "other.bin"}
    load_external_data_for_model(found, str(tmp_path))
    original = onnx.load(path)
    for before, after in zip(original.graph.initializer, found.graph.initializer, strict=True):
        assert np.array_equal(numpy_helper.to_array(before), numpy_helper.to_array(after))
    assert _again(path) == path.read_bytes()


@pytest.mark.parametrize(("threshold", "inline"), [(0, False), (3999, False), (4000, True), (1 << 40, True)])
def test_the_threshold(threshold: int, inline: bool, tmp_path: Path) -> None:
    path = _saved(tmp_path, _model(numpy_helper.from_array(BIG, "w")))
    data = excise(str(path), threshold)
    assert (BIG.tobytes() in data) == inline
    assert (data == path.read_bytes()) == inline
    assert _again(path, threshold) == path.read_bytes()


def test_what_a_reference_says(tmp_path: Path) -> None:
    path = _saved(tmp_path, _model(numpy_helper.from_array(BIG, "w")))
    (tensor,) = onnx.load_from_string(excise(str(path))).graph.initializer
    assert _external(tensor) == {"location": "m.onnx", "offset": str(path.read_bytes().index(BIG.tobytes())), "length": "4000"}
    assert (tensor.data_location, tensor.name, list(tensor.dims)) == (TensorProto.EXTERNAL, "w", [1000])


def test_spans_for_weights_and_nothing_else(tmp_path: Path) -> None:
    path = _saved(tmp_path, _model(numpy_helper.from_array(BIG, "v"), numpy_helper.from_array(-BIG, "w")))
    spans = [piece for piece in restore(excise(str(path)), str(path)) if isinstance(piece, Span)]
    assert [_joined([span]) for span in spans] == [BIG.tobytes(), (-BIG).tobytes()]


def test_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"odd \xff.onnx")
    path.write_bytes(_model(numpy_helper.from_array(BIG, "w")).SerializeToString())
    assert BIG.tobytes() not in excise(str(path))
    assert _again(path) == path.read_bytes()


# skeletons that were edited


def _inlined(pieces: Sequence[Piece]) -> ModelProto:
    return onnx.load_from_string(_joined(pieces))


def test_through_the_parser_and_back(tmp_path: Path) -> None:
    path = _saved(tmp_path, _model(*_kinds()))
    parsed = onnx.load_from_string(excise(str(path)))
    restored = _inlined(restore(parsed.SerializeToString(), str(path)))
    expected = onnx.load(path, load_external_data=False)
    for tensor in expected.graph.initializer:
        if tensor.name == "stated":
            tensor.ClearField("data_location")  # which is what it means
    assert restored == expected


def test_edits_stay(tmp_path: Path) -> None:
    path = _saved(tmp_path, _model(numpy_helper.from_array(BIG, "v"), numpy_helper.from_array(-BIG, "w")))
    model = onnx.load_from_string(excise(str(path)))
    model.graph.initializer[1].name = "renamed"
    model.graph.initializer[1].dims[:] = [10, 100]
    del model.graph.initializer[0]
    model.graph.initializer.append(numpy_helper.from_array(BIG * 2, "added"))
    model.graph.node[0].op_type = "Sigmoid"
    found = _inlined(restore(model.SerializeToString(), str(path)))
    assert [(tensor.name, list(tensor.dims)) for tensor in found.graph.initializer] == [("renamed", [10, 100]), ("added", [1000])]
    assert np.array_equal(numpy_helper.to_array(found.graph.initializer[0]), -BIG.reshape(10, 100))
    assert found.graph.node[0].op_type == "Sigmoid"
    onnx.checker.check_model(found)


def _holders(tensor: TensorProto) -> list[Callable[[ModelProto], None]]:
    body = helper.make_graph([], "body", [], [], [tensor])
    deep = helper.make_graph([helper.make_node("If", ["c"], ["d"], then_branch=body, else_branch=body)], "deep", [], [])
    function = helper.make_function("f", "F", [], ["o"], [helper.make_node("Constant", [], ["o"], value=tensor)], [])
    sparse = onnx.SparseTensorProto(values=tensor)
    training = onnx.TrainingInfoProto(initialization=body)
    several = NodeProto(op_type="C", attribute=[AttributeProto(name="t", type=AttributeProto.TENSORS, tensors=[TensorProto(), tensor])])
    default = onnx.FunctionProto(name="D", attribute_proto=[AttributeProto(name="t", type=AttributeProto.TENSOR, t=tensor)])
    return [
        lambda model: model.graph.initializer.append(tensor),
        lambda model: model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor)),
        lambda model: model.graph.node.append(helper.make_node("If", ["c"], ["d"], then_branch=deep, else_branch=body)),
        lambda model: model.graph.node.append(several),
        lambda model: model.functions.append(function),
        lambda model: model.functions.append(default),
        lambda model: model.graph.sparse_initializer.append(sparse),
        lambda model: model.training_info.append(training),
    ]


@pytest.mark.parametrize("where", range(8))
def test_a_tensor_that_was_moved(where: int, tmp_path: Path) -> None:
    path = _saved(tmp_path, _model(numpy_helper.from_array(BIG, "w")))
    skeleton = onnx.load_from_string(excise(str(path)))
    tensor = TensorProto.FromString(skeleton.graph.initializer.pop().SerializeToString())
    expected = _model()
    _holders(numpy_helper.from_array(BIG, "w"))[where](expected)
    _holders(tensor)[where](skeleton)
    assert _inlined(restore(skeleton.SerializeToString(), str(path))) == expected


def test_side_files_stay_outside(tmp_path: Path) -> None:
    model = _model(
        _refer(numpy_helper.from_array(BIG, "w"), "weights.bin", 4000), _refer(numpy_helper.from_array(BIG, "v"), "sub/m.onnx", 4000)
    )
    path = _saved(tmp_path, model)
    assert excise(str(path)) == path.read_bytes()
    assert restore(path.read_bytes(), str(path)) == [path.read_bytes()]


@pytest.mark.parametrize("key", ["offset", "length"])
@pytest.mark.parametrize("value", ["", "-1", "1_0", "٣", "x"])
def test_references_that_make_no_sense(key: str, value: str, tmp_path: Path) -> None:
    path = _saved(tmp_path, _model(numpy_helper.from_array(BIG, "w")))
    model = onnx.load_from_string(excise(str(path)))
    for entry in model.graph.initializer[0].external_data:
        if entry.key == key:
            entry.value = value
    with pytest.raises(ModelError, match="says not where") as caught:
        restore(model.SerializeToString(), str(path))
    assert caught.value.code == "E105"


# what is refused


@pytest.mark.parametrize("location", ["m.onnx", "./m.onnx", "sub/../m.onnx"])
@pytest.mark.parametrize("where", range(8))
def test_references_of_the_file_to_itself(where: int, location: str, tmp_path: Path) -> None:
    model = _model(numpy_helper.from_array(BIG, "w"))
    _holders(_refer(numpy_helper.from_array(BIG, "v"), location))[where](model)
    path = _saved(tmp_path, model)
    with pytest.raises(ModelError, match="lies in the model file itself") as caught:
        excise(str(path))
    assert (caught.value.code, caught.value.where) == ("E105", str(path))


def test_a_mention_of_the_name_is_no_reference(tmp_path: Path) -> None:
    model = _model(numpy_helper.from_array(BIG, "w"), nodes=[helper.make_node("Relu", ["m.onnx"], ["m.onnx!"], "m.onnx")])
    model.graph.initializer[0].doc_string = "m.onnx"
    path = _saved(tmp_path, model)
    assert BIG.tobytes() not in excise(str(path))
    assert _again(path) == path.read_bytes()


@pytest.mark.parametrize("data", [b"\x3a\x05abc", b"\xff" * 20, b"\x3b", b"\x3c", b"\x0f", b"\x0d\0", b"\x3a\x02\x2a\x05"])
def test_what_is_no_model(data: bytes, tmp_path: Path) -> None:
    path = _saved(tmp_path, data)
    with pytest.raises(WireError) as caught:
        excise(str(path))
    assert caught.value.where == str(path)


def test_an_empty_file(tmp_path: Path) -> None:
    assert excise(str(_saved(tmp_path, b""))) == b""


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"E112.*No such file"):
        excise(str(tmp_path / "nothing.onnx"))


def test_more_than_protobuf_can_hold(tmp_path: Path) -> None:
    path = _saved(tmp_path, _model())
    os.truncate(path, 1 << 31)
    with pytest.raises(LimitError, match="E202"):
        excise(str(path))


def test_bodies_without_end(tmp_path: Path) -> None:
    data = b""
    for _ in range(100):
        data = encode_bytes(1, encode_bytes(5, encode_bytes(6, data or b"m.onnx")))
    with pytest.raises(LimitError, match="E201"):
        excise(str(_saved(tmp_path, encode_bytes(7, data))))


# wire forms that no exporter here writes but protobuf reads


def _graph(*tensors: bytes, rest: bytes = b"") -> bytes:
    return encode_bytes(7, rest + b"".join(encode_bytes(5, tensor) for tensor in tensors))


_HEADER = encode_int(1, 8) + encode_bytes(8, encode_int(2, 17))
_DIMS, _DTYPE, _NAME, _RAW = encode_int(1, 1000), encode_int(2, 1), encode_bytes(8, b"w"), encode_bytes(9, BIG.tobytes())
_LONG = encode_varint(9 << 3 | 2) + b"\xa0\x9f\x80\x00" + BIG.tobytes()  # a length in more bytes than it needs


@pytest.mark.parametrize(
    "data",
    [
        _HEADER + _graph(_RAW + _DIMS + _DTYPE + _NAME),
        _graph(_NAME + _RAW + _DTYPE + _DIMS) + _HEADER,
        _HEADER + _graph(encode_bytes(1, b"\xe8\x07") + _DTYPE + _NAME + _RAW),
        _HEADER + _graph(_DIMS + _DTYPE + _NAME + _RAW) + _graph(_DIMS + _DTYPE + encode_bytes(8, b"v") + _RAW, rest=encode_bytes(2, b"g")),
        _HEADER + _graph(_DIMS + _DTYPE + _NAME + _RAW, rest=encode_int(99, 7)) + encode_bytes(98, b"unknown"),
        _HEADER + _graph(_DIMS + _DTYPE + b"\xeb\x07\x4a\x01x\xec\x07" + _NAME + _RAW, rest=b"\xeb\x07\xeb\x07\x2a\x00\xec\x07\xec\x07"),
        _HEADER + _graph(_DIMS + _DTYPE + _NAME + _LONG),
        _HEADER + _graph(_DIMS + _DTYPE + _NAME + encode_bytes(9, b"\0" * 2000) + _RAW),
        _HEADER + _graph(_DIMS + _DTYPE + _NAME + encode_int(14, 0) + _RAW + encode_int(14, 0)),
    ],
    ids=["payload first", "graph first", "packed dims", "two graphs", "unknown fields", "groups", "long length", "two payloads", "default"],
)
def test_odd_wire_forms(data: bytes, tmp_path: Path) -> None:
    path = _saved(tmp_path, data)
    expected = ModelProto.FromString(data)
    assert len(expected.graph.initializer[0].raw_data) == 4000
    assert ModelProto.FromString(_again(path)) == expected
    parsed = ModelProto.FromString(excise(str(path)))
    load_external_data_for_model(parsed, str(tmp_path))
    for before, after in zip(expected.graph.initializer, parsed.graph.initializer, strict=True):
        assert numpy_helper.to_array(before).tobytes() == numpy_helper.to_array(after).tobytes()


# any model

_names = st.text("ab/. é", max_size=6)
_tensors = st.builds(
    lambda name, size, kind, doc, stated: _random(name, size, kind, doc, stated),
    _names,
    st.integers(0, 40),
    st.sampled_from(["raw", "typed", "outside"]),
    st.none() | _names,
    st.booleans(),
)


def _random(name: str, size: int, kind: str, doc: str | None, stated: bool) -> TensorProto:
    array = np.arange(size, dtype=np.float32)
    tensor = helper.make_tensor(name, 1, [size], array) if kind == "typed" else numpy_helper.from_array(array, name)
    if doc is not None:
        tensor.doc_string = doc
    if stated:
        tensor.data_location = TensorProto.DEFAULT
    return _refer(tensor, "elsewhere.bin") if kind == "outside" else tensor


@st.composite
def _files(draw: st.DrawFn) -> bytes:
    """A model, its tensors' fields in any order, its graph in any number of parts."""
    parts = []
    for tensors in draw(st.lists(st.lists(_tensors, max_size=4), min_size=1, max_size=3)):
        graph = GraphProto(name=draw(_names), node=[helper.make_node("Constant", [], ["c"], value=draw(_tensors))])
        encoded = [encode_bytes(5, _shuffled(tensor, draw)) for tensor in tensors]
        parts.append(encode_bytes(7, b"".join(draw(st.permutations([*encoded, graph.SerializeToString()])))))
    return b"".join(draw(st.permutations([_HEADER, *parts])))


def _shuffled(tensor: TensorProto, draw: st.DrawFn) -> bytes:
    """The fields of ``tensor``, each as protobuf writes it, in another order (that of repeated ones does not matter here)."""
    fields = []
    for field, _ in tensor.ListFields():
        alone = TensorProto()
        alone.CopyFrom(tensor)
        for other, _ in tensor.ListFields():
            if other.name != field.name:
                alone.ClearField(other.name)
        fields.append(alone.SerializeToString())
    return b"".join(draw(st.permutations(fields)))


@settings(max_examples=150, derandomize=True, deadline=None)
@given(data=_files(), threshold=st.integers(0, 200))
def test_any_model_comes_back(data: bytes, threshold: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = _saved(tmp_path_factory.getbasetemp(), data, "any.onnx")
    expected = ModelProto.FromString(data)
    skeleton = excise(str(path), threshold)
    assert ModelProto.FromString(_joined(restore(skeleton, str(path)))) == expected
    parsed = ModelProto.FromString(skeleton)
    large = [len(tensor.raw_data) > threshold for tensor in expected.graph.initializer]
    assert [_external(tensor).get("location") == "any.onnx" for tensor in parsed.graph.initializer] == large
    for tensor in expected.graph.initializer:
        if not tensor.external_data and len(tensor.raw_data) > threshold:
            tensor.ClearField("data_location")  # a parser keeps the last one only, and it said the same as none
    assert ModelProto.FromString(_joined(restore(parsed.SerializeToString(), str(path)))) == expected


# files whose weights would not fit


def hollow(path: Path, count: int, length: int) -> int:
    """A model whose ``count`` initializers are holes of ``length`` bytes on the disk; returns how long the file is."""
    tensors = [encode_int(1, length // 4) + encode_int(2, 1) + encode_bytes(8, b"w%d" % index) for index in range(count)]
    heads = [tensor + encode_varint(9 << 3 | 2) + encode_varint(length) for tensor in tensors]
    nodes = b"".join(
        encode_bytes(1, node.SerializeToString())
        for index in range(count)
        for node in (
            helper.make_node("Reshape", [f"w{index}", "s"], [f"k{index}"]),
            helper.make_node("Conv", [f"x{index}", f"k{index}"], [f"x{index + 1}"], f"conv{index}"),
        )
    )
    channels = int((length // 4) ** 0.5)
    shape = encode_bytes(5, numpy_helper.from_array(np.array([channels, channels, 1, 1]), "s").SerializeToString())
    sides = [helper.make_tensor_value_info(name, 1, [1, channels, 4, 4]).SerializeToString() for name in ("x0", f"x{count}")]
    tail = encode_bytes(11, sides[0]) + encode_bytes(12, sides[1])
    entries = [encode_varint(5 << 3 | 2) + encode_varint(len(head) + length) + head for head in heads]
    total = len(nodes) + len(shape) + sum(map(len, entries)) + count * length + len(tail)
    with path.open("wb") as file:
        file.write(_HEADER + encode_varint(7 << 3 | 2) + encode_varint(total) + nodes + shape)
        for entry in entries:
            file.write(entry)
            file.seek(length, os.SEEK_CUR)
        file.write(tail)
    return path.stat().st_size


_EXCISING = """
import sys, time
from dlalint.model.skeleton import excise, restore
from dlalint.model.save import size
data = excise(sys.argv[1])
pieces = restore(data, sys.argv[1])
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(len(data), size(pieces), len(pieces), peak)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
def test_a_gigabyte_is_never_read(tmp_path: Path) -> None:
    path = tmp_path / "hollow.onnx"
    length = hollow(path, 100, 12_000_000 // 4 * 4)
    assert length > 1_200_000_000 > 1000 * path.stat().st_blocks * 512
    done = subprocess.run([sys.executable, "-c", _EXCISING, str(path)], capture_output=True, text=True, check=True, cwd=ROOT)
    skeleton, restored, pieces, peak = map(int, done.stdout.split())
    assert skeleton < 30_000
    assert (restored, pieces) == (length, 201)
    assert peak < 32_000  # KiB


def test_a_file_that_is_mapped(tmp_path: Path) -> None:
    path = _saved(tmp_path, b"")
    length = READ_WHOLE_BYTES + 4
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[length // 4]).SerializeToString()
    weight = encode_varint(9 << 3 | 2) + encode_varint(length)
    graph = encode_varint(5 << 3 | 2) + encode_varint(len(tensor + weight) + length) + tensor + weight
    head = encode_varint(7 << 3 | 2) + encode_varint(len(graph) + length) + graph
    path.write_bytes(head)
    os.truncate(path, len(head) + length)
    (found,) = ModelProto.FromString(excise(str(path))).graph.initializer
    assert _external(found) == {"location": "m.onnx", "offset": str(len(head)), "length": str(length)}


def test_a_restored_file_is_written(tmp_path: Path) -> None:
    path = _saved(tmp_path, _model(*_kinds()))
    write(restore(excise(str(path)), str(path)), str(tmp_path / "copy.onnx"))
    assert (tmp_path / "copy.onnx").read_bytes() == path.read_bytes()
