"""A model without weights and with hashed names is predicted as the model itself."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from dlalint.engine.targets import parse
from dlalint.pipeline import Session
from dlalint.rewrite.anonymous import anonymous, hasher
from tests.trtexec import drawn
from tests.trtexec.drawn import node


@pytest.mark.parametrize("name", ["fcn_dynamic", "mobilenet_v3_small", "resnet18_dynamo", "ssd_mobilenet_v2", "vit", "yolov5_focus"])
@pytest.mark.parametrize("hashed", [False, True])
def test_prediction_stays(session: Session, models: Path, tmp_path: Path, name: str, hashed: bool) -> None:
    path = models / f"{name}.onnx"
    target = parse("orin-trt10.3", session.rules)
    view = session.view(path)
    before = session.check(view, target)
    data = anonymous(str(path), "side.data", {}, hasher(str(path)) if hashed else None)
    after = session.check(session.view_bytes(data, str(tmp_path / "model.onnx")), target)
    assert [node.device for node in after.nodes] == [node.device for node in before.nodes]
    assert after.summary._replace(weight_bytes=0) == before.summary._replace(weight_bytes=0)
    known = {item.name for item in view.model.graph.nodes if item.name}
    assert bool(known & {item.name for item in after.nodes}) is not (hashed and bool(known))


def test_what_is_kept_and_what_goes(tmp_path: Path) -> None:
    made = drawn.made(
        node("Conv", "conv", "x w", "a"),
        node("Clip", "clip", "a low high", "b"),
        node("Reshape", "reshape", "b shape", "c"),
        helper.make_node("Secret", ["c"], ["d"], name="plugin", domain="our.company", key="value"),
        outputs=("d",),
        weights=(drawn.weight("w", 8, 8, 1, 1), drawn.weight("low"), drawn.weight("high")),
    )
    made.graph.initializer.append(helper.make_tensor("shape", TensorProto.INT64, [2], [1, 2048]))
    made.opset_import.append(helper.make_opsetid("our.company", 1))
    made.graph.node[0].doc_string = "where this is from"
    made.metadata_props.add(key="author", value="somebody")
    path = drawn.saved(made, tmp_path)
    plain = onnx.ModelProto.FromString(anonymous(str(path), "side.data", {"x": (4, 8, 16, 16)}, None))
    tensors = {item.name: item for item in plain.graph.initializer}
    assert {name for name, item in tensors.items() if item.data_location == TensorProto.EXTERNAL} == {"w"}
    assert {entry.key: entry.value for entry in tensors["w"].external_data} == {"location": "side.data", "offset": "0", "length": "256"}
    assert list(tensors["shape"].int64_data) == [1, 2048]
    assert [dim.dim_value for dim in plain.graph.input[0].type.tensor_type.shape.dim] == [4, 8, 16, 16]
    assert (plain.graph.node[0].doc_string, len(plain.metadata_props)) == ("", 0)
    hashed = anonymous(str(path), "side.data", {}, hasher(str(path)))
    for word in (b"conv", b"clip", b"our.company", b"Secret", b"plugin", b"value", b"somebody", b"where"):
        assert word not in hashed
    last = onnx.ModelProto.FromString(hashed).graph.node[3]
    assert last.domain in {item.domain for item in onnx.ModelProto.FromString(hashed).opset_import}


def test_hash_depends_on_the_model(tmp_path: Path) -> None:
    """Names cannot be guessed from a list of common ones without the model itself."""
    paths = []
    for name in ("one", "two"):
        path = tmp_path / name
        path.write_text(name, encoding="utf-8")
        paths.append(str(path))
    first, second = (hasher(path) for path in paths)
    assert first("conv1") == hasher(paths[0])("conv1")
    assert first("conv1") != second("conv1")
    assert first("") == ""
