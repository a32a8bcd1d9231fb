"""Calibration caches from data, end to end: a small network, seeded inputs, and what TensorRT would read."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from dlalint.calibration import cache
from dlalint.calibration.cache import ENTROPY, scale_of
from dlalint.cli.calibration_data import compute
from dlalint.errors import DlalintError

GRAPH = """(float[1, 3, 8, 8] x) => (float[1, 12, 4, 4] y, float[1, 4, 4, 4] dead) {
    c = Conv <pads = [1, 1, 1, 1]> (x, w)
    r = Relu(c)
    p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r)
    a, b = Split <axis = 1> (p)
    n = Conv(a, v)
    y = Concat <axis = 1> (a, n, b)
    zero = Sub(a, a)
    dead = Relu(zero)
}"""
FLOATS = ["x", "c", "r", "p", "a", "b", "n", "y", "zero", "dead"]
ONE_SCALE = {"p", "a", "b", "n", "y", "r"}


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network with seeded weights, and ten inputs beside it."""
    folder = tmp_path_factory.mktemp("net")
    draw = np.random.default_rng(11)
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> g {GRAPH}')
    for name, shape in (("w", (8, 3, 3, 3)), ("v", (4, 4, 1, 1))):
        model.graph.initializer.append(onnx.numpy_helper.from_array(draw.standard_normal(shape).astype(np.float32), name))
    path = folder / "net.onnx"
    onnx.save(model, path)
    np.savez(folder / "inputs.npz", x=draw.standard_normal((10, 3, 8, 8)).astype(np.float32))
    return path


def _largest(path: Path) -> dict[str, float]:
    """The largest absolute value of each tensor, without dlalint."""
    model = onnx.load(path)
    given = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for node in model.graph.node for name in node.output if name not in given)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: dict[str, float] = {}
    for x in np.load(path.with_name("inputs.npz"))["x"]:
        names = ["x", *(item.name for item in session.get_outputs())]
        for name, array in zip(names, [x, *session.run(None, {"x": x[None]})], strict=True):
            found[name] = max(found.get(name, 0.0), float(np.abs(array).max()))
    return found


def _run(net: Path, place: Path | None, capsys: pytest.CaptureFixture[str], form: str = "json", **given: Any) -> str:
    options = {"method": "max", "percentile": 99.99, "target": "orin-trt10.3", "verbose": False, "color": False, "timeout": 60.0}
    inputs = given.pop("inputs", net.with_name("inputs.npz"))
    assert compute(str(net), str(inputs), cache=None if place is None else str(place), form=form, **{**options, **given}) == 0
    found = capsys.readouterr()
    assert found.err == ""
    return found.out


def _refused(net: Path, place: Path, inputs: Path | None = None, **given: Any) -> DlalintError:
    options: dict[str, Any] = {"method": "max", "percentile": 99.99, "target": "orin-trt10.3", "form": "text", "verbose": False}
    with pytest.raises(DlalintError) as caught:
        compute(str(net), str(inputs or net.with_name("inputs.npz")), cache=str(place), color=False, timeout=60.0, **{**options, **given})
    return caught.value


def test_the_largest_values_become_scales(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "net.cache"
    found = json.loads(_run(net, place, capsys))
    written = cache.parse(place.read_text())
    assert (written.version, written.algorithm) == ("10.3.0", ENTROPY)
    assert place.read_text().startswith("TRT-100300-EntropyCalibration2\nx: ")
    largest = _largest(net)
    assert list(written.scales) == FLOATS[:-2] == [item["name"] for item in found["tensors"]]
    widest = max(largest[name] for name in ONE_SCALE)
    expected = {name: scale_of(widest if name in ONE_SCALE else largest[name]) for name in written.scales}
    assert written.scales == pytest.approx(expected, rel=1e-6)
    assert len({written.scales[name] for name in ONE_SCALE}) == 1
    assert {item["name"] for item in found["tensors"] if item["widened"]} == {name for name in ONE_SCALE if largest[name] < widest}
    assert largest["r"] < widest
    assert {item["name"]: item["scale"] for item in found["tensors"]} == written.scales
    assert found["without_scale"] == [{"name": name, "reason": "always zero"} for name in ("zero", "dead")]
    assert (found["samples"], found["batches"], found["files"]) == (10, 10, 1)
    assert (found["schema"], found["method"], found["percentile"], found["target"]) == (1, "max", None, "orin-trt10.3")
    assert found["worst_clipping"] is None
    assert found["trtexec"] == [f"--onnx={net}", "--int8", "--fp16", "--useDLACore=0", f"--calib={place}"]


@pytest.mark.parametrize("method", ["percentile", "entropy"])
def test_ranges_that_end_before_the_largest_value(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str) -> None:
    place = tmp_path / "net.cache"
    found = json.loads(_run(net, place, capsys, method=method, percentile=98.0))
    largest = _largest(net)
    ends = {item["name"]: item["threshold"] for item in found["tensors"]}
    assert all(
        0 < end <= max(largest[name] for name in (ONE_SCALE if name in ONE_SCALE else {name})) * (1 + 1e-6) for name, end in ends.items()
    )
    assert found["percentile"] == (98.0 if method == "percentile" else None)
    if method == "percentile":
        clipped = {item["name"]: item["clipped"] for item in found["tensors"]}
        assert all(share <= 0.02 for share in clipped.values())
        assert clipped["c"] > 0.015
        worst = max(found["tensors"], key=lambda item: item["clipped"])
        assert found["worst_clipping"] == {name: worst[name] for name in ("name", "clipped", "threshold")}
    first = place.read_bytes()
    _run(net, place, capsys, method=method, percentile=98.0)
    assert place.read_bytes() == first
    assert os.listdir(tmp_path) == ["net.cache"]


def test_files_in_a_folder_give_what_one_file_gives(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "inputs"
    folder.mkdir()
    for number, x in enumerate(np.load(net.with_name("inputs.npz"))["x"]):
        np.save(folder / f"{9 - number}.npy", x[None])
    caches = []
    for inputs in (folder, net.with_name("inputs.npz")):
        place = tmp_path / f"{inputs.name}.cache"
        report = json.loads(_run(net, place, capsys, inputs=inputs, method="entropy"))
        assert report["batches"] == 10
        caches.append(place.read_text())
    assert caches[0] == caches[1]


def test_the_report(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "net.cache"
    text = _run(net, place, capsys, form="text", method="percentile", percentile=98.0)
    assert "8 tensors with a scale, 2 without; 98th percentile of 10 samples in 10 batches.\n" in text
    assert "No scale, always zero: zero, dead.\n" in text
    assert " widened to the scale of a tensor that a layer moves elements from or to.\n" in text
    assert re.search(r"^At most 1\.\d\d % of a tensor is clipped \(\w+, beyond [\d.]+\)\.$", text, re.MULTILINE)
    assert "Most clipped\n" in text
    assert f"Scales written to {place}\n" in text
    assert f"  --calib={place}\n" in text
    verbose = _run(net, None, capsys, form="text", verbose=True)
    assert all(f"  {name} " in verbose for name in FLOATS[:-2])
    assert "No cache was asked for.\n" in verbose
    assert "--calib" not in verbose


def test_an_older_release_and_the_default_target(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for target, header in (("xavier-trt8.5", "TRT-8500-"), (None, "TRT-5000-")):
        _run(net, tmp_path / "net.cache", capsys, target=target)
        assert (tmp_path / "net.cache").read_text().startswith(header)


def test_nan_and_infinities_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17]> g (float[2] x) => (float[2] y, float[2] n) { y = Sqrt(x) d = Sub(x, x) n = Div(d, d) }'
    )
    model.graph.node[0].output[0] = model.graph.output[0].name = "y\x1b[31m"
    path = tmp_path / "odd.onnx"
    onnx.save(model, path)
    np.save(tmp_path / "x.npy", np.array([[-4, 9], [1, 4]], np.float32))
    text = _run(path, tmp_path / "odd.cache", capsys, "text", inputs=tmp_path / "x.npy")
    assert "No scale, never finite: n.\n" in text
    assert "NaN or infinities were left out in y\\x1b[31m.\n" in text
    assert cache.parse((tmp_path / "odd.cache").read_text()).scales == {"x": scale_of(9.0), "y\x1b[31m": scale_of(3.0)}


def test_what_is_refused_before_anything_runs(net: Path, tmp_path: Path) -> None:
    place = tmp_path / "net.cache"
    error = _refused(net, place, target="orin-trt11.4")
    assert (error.code, error.what) == ("E532", "TensorRT 11.4 takes no calibration cache: its networks are strongly typed")
    assert _refused(net, net).code == "E512"
    assert _refused(net, net.with_name("inputs.npz")).code == "E512"
    assert _refused(net, tmp_path / "a.npz", tmp_path).code == "E512"
    assert _refused(net, tmp_path / "nowhere" / "net.cache").code == "E401"
    assert _refused(net, place, tmp_path / "nowhere.npz").what == "there is no such file"
    np.save(tmp_path / "wrong.npy", np.ones((1, 3, 9, 9), np.float32))
    error = _refused(net, place, tmp_path / "wrong.npy")
    assert (error.where, error.what) == (str(tmp_path / "wrong.npy"), "the array for 'x' is 1x3x9x9, the input 1x3x8x8")
    assert not place.exists()


def test_a_name_that_no_cache_holds(tmp_path: Path) -> None:
    model = onnx.parser.parse_model('<ir_version: 8, opset_import: ["": 17]> g (float[2] x) => (float[2] y) { y = Relu(x) }')
    model.graph.node[0].output[0] = model.graph.output[0].name = "a\nb"
    onnx.save(model, tmp_path / "odd.onnx")
    error = _refused(tmp_path / "odd.onnx", tmp_path / "odd.cache", tmp_path / "nowhere.npz")
    assert (error.code, error.what) == ("E143", "a calibration cache cannot name the tensor 'a\\nb'")
