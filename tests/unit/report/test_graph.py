"""Pictures of a partition: sound layouts, well-formed SVG, DOT that graphviz takes, names that stay text."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from onnx import helper as make

from dlalint.cli import execute
from dlalint.engine.targets import parse
from dlalint.finding import Finding
from dlalint.graph import Device
from dlalint.pipeline import Session
from dlalint.plan import Outcome
from dlalint.report.drawing import Line, drawn
from dlalint.report.grouping import roots
from dlalint.report.layered import layout
from dlalint.report.picture import picture
from dlalint.report.to_graph import to_dot, to_svg

NAMES = {
    "markup": '</text><script>alert(1)</script>"&amp;',
    "escapes": "\x1b[31mred\x07\x00",
    "lines": 'a\n"];b -> c;\r\\"\\',
    "bidi": "\u202eevil\u2066",
    "long": "n" * 5_000_000,
}
SVG = "{http://www.w3.org/2000/svg}"


def _check(session: Session, path: Path, target: str) -> Outcome:
    return session.check(session.view(path), parse(target, session.rules))


@st.composite
def _graphs(draw: st.DrawFn) -> tuple[list[tuple[float, float]], list[tuple[int, int]]]:
    count = draw(st.integers(1, 24))
    sizes = draw(st.lists(st.tuples(st.integers(10, 300), st.integers(10, 90)), min_size=count, max_size=count))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda pair: pair[0] < pair[1])
    edges = draw(st.lists(pairs, max_size=40, unique=True)) if count > 1 else []
    return [(float(w), float(h)) for w, h in sizes], edges


@given(_graphs(), st.sampled_from([0.0, 30.0]))
@settings(max_examples=150, derandomize=True, deadline=None)
def test_layout_is_sound(graph: tuple[list[tuple[float, float]], list[tuple[int, int]]], room: float) -> None:
    sizes, edges = graph
    found = layout(sizes, edges, rooms=[room] * len(edges) if room else ())
    boxes = [(x, y, x + w, y + h) for (x, y), (w, h) in zip(found.corners, sizes, strict=True)]
    for index, (x0, y0, x1, y1) in enumerate(boxes):
        assert 0 <= x0 <= x1 <= found.width + 1e-6
        assert 0 <= y0 <= y1 <= found.height + 1e-6
        assert not any(x0 < b[2] and b[0] < x1 and y0 < b[3] and b[1] < y1 for b in boxes[:index])
    for (source, target), path in zip(edges, found.paths, strict=True):
        assert boxes[source][0] <= path[0][0] <= boxes[source][2]
        assert path[0][1] == boxes[source][3]
        assert boxes[target][0] <= path[-1][0] <= boxes[target][2]
        assert path[-1][1] == boxes[target][1]
        for (ax, ay), (bx, by) in pairwise(path):
            assert ax == bx or ay == by
            lo, hi, top, low = min(ax, bx), max(ax, bx), min(ay, by), max(ay, by)
            assert hi <= found.width + 1e-6
            assert not any(lo < x1 - 1e-6 and x0 + 1e-6 < hi and top < y1 and y0 < low and top == low for x0, y0, x1, y1 in boxes)
            assert not any(x0 + 1e-6 < lo < x1 - 1e-6 and top < y1 - 1e-6 and y0 + 1e-6 < low and lo == hi for x0, y0, x1, y1 in boxes)


def test_layout_of_a_chain_with_a_shortcut() -> None:
    found = layout([(100.0, 20.0)] * 3, [(0, 1), (1, 2), (0, 2)])
    assert [x for x, _ in found.corners] == [0.0, 0.0, 0.0]
    assert found.paths[0][0][0] == found.paths[0][-1][0] == 50.0
    assert max(x for x, _ in found.paths[2]) > 100
    with pytest.raises(ValueError, match="leads back"):
        layout([(1.0, 1.0)] * 2, [(1, 0)])


def test_roots_follow_causes_and_survive_circles() -> None:
    causes = [None, 0, 1, 4, 3]
    found = roots([Finding("DLA101", "x", "error", "fail", "", cause=cause) for cause in causes])
    assert found[:3] == [0, 0, 0]
    assert found[3] == found[4]


def test_what_the_picture_of_a_model_holds(session: Session, models: Path) -> None:
    outcome = _check(session, models / "shufflenet_v2_x0_5.onnx", "xavier-trt5.0")
    found = picture(outcome)
    assert len(found.parts) == len(outcome.partition.segments) == 36
    assert [part.loadable for part in found.parts if part.device is Device.DLA] == list(range(1, 9))
    assert sum(part.macs for part in found.parts) == outcome.summary.dla_macs + outcome.summary.gpu_macs
    assert sum(link.reformat for link in found.links) > 0
    assert sum(len(link.tensors) for link in found.links if link.reformat) == outcome.summary.reformats
    assert found.parts[1].causes == (("DLA101", 5),)
    placed = sorted(number for part in found.parts for number in part.nodes)
    assert placed == [node.number for node in outcome.nodes if node.segment >= 0]
    texts = [item.text for item in ElementTree.fromstring(to_svg(outcome)).iter(f"{SVG}text")]
    last = max(segment.number for segment in outcome.partition.segments if segment.device is Device.DLA)
    assert f"DLA · loadable 8 · segment {last}" in texts
    assert texts.count("over the limit of loadables") == sum(not part.placed for part in found.parts) == 10


@pytest.mark.parametrize("detail", [False, True])
@pytest.mark.parametrize("model", ["mnist-7", "swin_small", "yolov8", "fcn_dynamic", "ssd_mobilenet_v2"])
def test_svg_is_well_formed_and_has_every_box(session: Session, models: Path, model: str, detail: bool) -> None:
    outcome = _check(session, models / f"{model}.onnx", "orin-trt10.3")
    text = to_svg(outcome, detail=detail)
    root = ElementTree.fromstring(text)
    found = picture(outcome)
    parts = len(found.parts) + any(link.source < 0 for link in found.links) + any(link.target < 0 for link in found.links)
    nodes = sum(len(part.nodes) for part in found.parts) if detail else 0
    assert sum(1 for _ in root.iter(f"{SVG}rect")) == parts + nodes
    assert text == to_svg(outcome, detail=detail)


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
@pytest.mark.parametrize("detail", [False, True])
@pytest.mark.parametrize("model", ["mnist-7", "swin_small", "shufflenet_v2_x0_5"])
def test_graphviz_takes_the_dot(session: Session, models: Path, model: str, detail: bool) -> None:
    outcome = _check(session, models / f"{model}.onnx", "orin-trt10.3")
    done = subprocess.run(["dot", "-Tdot"], input=to_dot(outcome, detail=detail), capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.startswith("digraph partition {")


def _named(path: Path, name: str) -> Path:
    proto = onnx.parser.parse_model('<ir_version: 8, opset_import: ["": 17]> g (float[1,3,8,8] x) => (y) { t = Relu(x) y = Erf(t) }')
    for node in proto.graph.node:
        node.name = f"{node.op_type}{name}"
    proto.graph.node[0].output[0] = proto.graph.node[1].input[0] = name
    path.write_bytes(proto.SerializeToString())
    return path


@pytest.mark.parametrize("name", NAMES)
def test_names_are_only_text(session: Session, tmp_path: Path, name: str) -> None:
    outcome = _check(session, _named(tmp_path / "model.onnx", NAMES[name]), "orin-trt10.3")
    for detail in (False, True):
        svg, dot = to_svg(outcome, detail=detail), to_dot(outcome, detail=detail)
        for text in (svg, dot):
            assert len(text) < 10_000
            assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e\u2066]", text)
        assert not list(ElementTree.fromstring(svg).iter(f"{SVG}script"))
        if shutil.which("dot") is not None:
            plain = subprocess.run(["dot", "-Tplain"], input=dot, capture_output=True, text=True, check=True, timeout=60)
            assert plain.stderr == ""
            assert len(re.findall("^node ", plain.stdout, re.M)) == 4
            assert len(re.findall("^edge ", plain.stdout, re.M)) == 3
        if name == "markup":
            assert "Relu</text><script>alert(1)</script>" in "".join(ElementTree.fromstring(svg).itertext())


def test_a_thousand_segments_are_fast(session: Session, tmp_path: Path) -> None:
    nodes = [make.make_node("Erf" if i % 2 else "Relu", [f"t{i}" if i else "x"], [f"t{i + 1}"], name=f"n{i}") for i in range(1000)]
    ends = [make.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8, 16, 16]) for name in ("x", "t1000")]
    graph = make.make_graph(nodes, "g", ends[:1], ends[1:])
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    outcome = _check(session, tmp_path / "m.onnx", "orin-trt10.3")
    assert len(outcome.partition.segments) == 1000
    start = time.perf_counter()
    for detail in (False, True):
        to_svg(outcome, detail=detail)
        to_dot(outcome, detail=detail)
    assert time.perf_counter() - start < 3


@pytest.mark.parametrize(("file", "begin"), [("p.svg", "<svg "), ("p.dot", "digraph partition {"), ("p.html", "<!doctype html>")])
def test_command(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, begin: str) -> None:
    arguments = ["graph", str(models / "mnist-7.onnx"), "-o", str(tmp_path / file), "--target", "orin-trt10.3", "--detail"]
    assert execute(arguments) == 0
    assert capsys.readouterr() == ("", "")
    assert (tmp_path / file).read_text(encoding="utf-8").startswith(begin)


def test_command_refuses_other_endings(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["graph", str(models / "mnist-7.onnx"), "-o", "part.png"]) == 2
    assert capsys.readouterr().err == (
        "dlalint: --output: error[E515]: 'part.png' is no picture that can be written. Give .svg, .html or .dot.\n"
    )


CHARACTER = 6.75  # of a label, in the widest of the fonts that the picture names


@pytest.mark.parametrize("path", sorted((Path(__file__).resolve().parents[3] / "models").glob("*.onnx")), ids=lambda path: path.stem)
def test_labels_touch_nothing(path: Path, session: Session) -> None:
    """Neither another label, nor a line, nor a box, nor the edge of the picture."""
    view = session.view(path)
    for target in ("xavier-trt5.0", "xavier-trt8.5", "orin-trt10.3"):
        outcome = session.check(view, parse(target, session.rules))
        for detail in (False, True):
            found = drawn(outcome, detail=detail)
            labels = [_room(line) for line in found.lines if line.label]
            lines = [_hull(ends) for line in found.lines for ends in pairwise(line.points)]
            boxes = [(box.x, box.y, box.x + box.width, box.y + box.height) for box in found.boxes]
            for index, room in enumerate(labels):
                others = [*labels[index + 1 :], *lines, *boxes]
                assert not [other for other in others if _overlap(room, other)], (target, detail)
                assert room[2] <= found.width


def _room(line: Line) -> tuple[float, float, float, float]:
    x, y = line.points[-1]
    return (x + 6, y - 22, x + 8 + CHARACTER * len(line.label) + 4, y - 10)


def _hull(ends: tuple[tuple[float, float], tuple[float, float]]) -> tuple[float, float, float, float]:
    (ax, ay), (bx, by) = ends
    return (min(ax, bx), min(ay, by), max(ax, bx), max(ay, by))


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
