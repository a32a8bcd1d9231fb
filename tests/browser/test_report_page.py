"""The HTML report in headless Chromium: it draws, finds, filters and explains, and runs nothing but its own script."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto
from onnx import helper as make

from dlalint.engine.targets import parse
from dlalint.pipeline import Session
from dlalint.plan import Failure, Outcome
from dlalint.report.to_html import render

CSS = "css selector"


def _page(pages: Path, name: str, results: list[Outcome | Failure], session: Session) -> str:
    path = pages / f"{name}.html"
    path.write_text(render(results, session.rules), encoding="utf-8")
    return path.as_uri()


def _opened(browser: Any, url: str) -> None:
    browser.get("about:blank")
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(url)
    _until(browser, "return !document.querySelector('.canvas') || document.querySelectorAll('.canvas rect').length > 0")


def _until(browser: Any, script: str, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not browser.execute_script(script):
        assert time.monotonic() < end, script
        time.sleep(0.02)


def _clean(browser: Any, url: str) -> None:
    """Nothing was said on the console, and nothing was asked for but the page."""
    assert browser.get_log("browser") == []
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {item["params"]["request"]["url"] for item in sent if item["method"] == "Network.requestWillBeSent"}
    assert asked == {url}


def _panel(browser: Any) -> str:
    text: str = browser.find_element(CSS, "[data-panel]").text
    return text


@pytest.fixture(scope="module")
def shuffled(session: Session, models: Path) -> Outcome:
    view = session.view(models / "shufflenet_v2_x0_5.onnx")
    return session.check(view, parse("xavier-trt5.0", session.rules), [parse("orin-trt8.6", session.rules)])


def test_search_filter_and_click(browser: Any, pages: Path, session: Session, shuffled: Outcome) -> None:
    url = _page(pages, "one", [shuffled], session)
    _opened(browser, url)
    assert browser.find_element(CSS, "[data-status]").text == "374 nodes"
    browser.find_element(CSS, '.canvas [data-i="1"] rect').click()
    assert _panel(browser).startswith("DLA · loadable 1 · segment 0\n12 layers")
    browser.find_element(CSS, "[data-search]").send_keys("stage2.1/RESHAPE")
    assert browser.find_element(CSS, "[data-status]").text == "2 of 374 nodes match"
    browser.find_element(CSS, "[data-hits] button").click()
    assert _panel(browser).startswith("/stage2/stage2.1/Reshape\nReshape · GPU · segment 3\nLayers (1)\nSHUFFLE")
    assert "DLA101 layer-not-on-dla (error)" in _panel(browser)
    _until(browser, "return document.querySelectorAll('.canvas .on').length === 1")
    browser.find_element(CSS, "[data-search]").clear()
    browser.execute_script(
        "const box = document.querySelector('[data-rule]'); box.value = 'DLA602'; box.dispatchEvent(new Event('change'))"
    )
    dropped = sum("DLA602" in node.codes for node in shuffled.nodes)
    assert dropped > 0
    assert browser.find_element(CSS, "[data-status]").text == f"{dropped} of 374 nodes match"
    _clean(browser, url)


def test_keyboard(browser: Any, pages: Path, session: Session, shuffled: Outcome) -> None:
    url = _page(pages, "keys", [shuffled], session)
    _opened(browser, url)
    canvas = browser.find_element(CSS, ".canvas")
    place = "return document.querySelector('[data-layer]').getAttribute('transform')"
    browser.execute_script("arguments[0].focus()", canvas)
    before = browser.execute_script(place)
    canvas.send_keys("+")
    _until(browser, f"{place} !== {before!r}")
    canvas.send_keys("nn")
    assert _panel(browser).startswith("GPU · segment 1\n")
    canvas.send_keys("p")
    assert _panel(browser).startswith("DLA · loadable 1 · segment 0\n")
    canvas.send_keys("0")
    _until(browser, "return document.querySelectorAll('.canvas [data-i]').length === 36")
    _clean(browser, url)


def test_drag_wheel_and_strip(browser: Any, pages: Path, session: Session, shuffled: Outcome) -> None:
    actions = pytest.importorskip("selenium.webdriver").ActionChains
    url = _page(pages, "moves", [shuffled], session)
    _opened(browser, url)
    canvas = browser.find_element(CSS, ".canvas")
    place = "return document.querySelector('[data-layer]').getAttribute('transform')"
    seen = [browser.execute_script(place)]
    moves: list[Callable[[Any], Any]] = [
        lambda chain: chain.move_to_element(canvas).click_and_hold().move_by_offset(30, -120).release(),
        lambda chain: chain.key_down("\ue009").scroll_from_origin(_middle(canvas), 0, -200).key_up("\ue009"),
        lambda chain: chain.move_to_element(browser.find_element(CSS, ".strip")).click(),
    ]
    for move in moves:
        move(actions(browser)).perform()
        _until(browser, f"{place} !== {seen[-1]!r}")
        seen.append(browser.execute_script(place))
    scale = [text.split(" ")[0] for text in seen]
    assert scale[0] == scale[1] != scale[2] == scale[3]
    assert _panel(browser) == "Click a segment or node, or search for one."  # a drag is no click
    _clean(browser, url)


def _middle(element: Any) -> Any:
    wheel = pytest.importorskip("selenium.webdriver.common.actions.wheel_input")
    return wheel.ScrollOrigin.from_element(element)


def test_several_models_in_one_file(browser: Any, pages: Path, session: Session, models: Path, shuffled: Outcome) -> None:
    other = session.check(session.view(models / "mnist-7.onnx"), parse("orin-trt10.3", session.rules))
    broken = Failure("cut.onnx", "E101", "the file is truncated", "Download it again.")
    url = _page(pages, "many", [shuffled, other, broken], session)
    _opened(browser, url)
    assert [link.text.split(" ")[0] for link in browser.find_elements(CSS, "nav a")] == ["partial", "partial", "E101"]
    browser.find_elements(CSS, "nav a")[1].click()
    _until(browser, "return document.querySelectorAll('#model-2 .canvas rect').length > 0")
    button = browser.find_element(CSS, "#model-2 .cause .node")
    name = button.text
    browser.execute_script("arguments[0].click()", button)
    assert browser.find_element(CSS, "#model-2 [data-panel] h4").text == name
    assert "the file is truncated. Download it again." in browser.find_element(CSS, "#model-3").text
    _clean(browser, url)


@pytest.mark.parametrize("name", ["</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202e${alert(1)}{{7*7}}"])
def test_names_stay_text(browser: Any, pages: Path, session: Session, tmp_path: Path, name: str) -> None:
    proto = onnx.parser.parse_model('<ir_version: 8, opset_import: ["": 17]> g (float[1,3,8,8] x) => (y) { y = Erf(x) }')
    proto.graph.node[0].name = name
    path = tmp_path / "m.onnx"
    path.write_bytes(proto.SerializeToString())
    outcome = session.check(session.view(path), parse("orin-trt10.3", session.rules))
    url = _page(pages, "hostile", [outcome], session)
    _opened(browser, url)
    browser.execute_script("document.querySelector('.cause .node').click()")
    shown = name.replace("\u202e", "\\u202e")
    assert browser.find_element(CSS, "[data-panel] h4").text == shown
    assert browser.find_elements(CSS, "img") == []
    _clean(browser, url)


def _long(path: Path, count: int) -> None:
    nodes = [
        make.make_node("Erf" if i % 100 == 99 else "Relu", [f"t{i}" if i else "x"], [f"t{i + 1}"], name=f"/layer.{i}/op")
        for i in range(count)
    ]
    ends = [make.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8, 16, 16]) for name in ("x", f"t{count}")]
    graph = make.make_graph(nodes, "g", ends[:1], ends[1:])
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8), path)


def test_ten_thousand_nodes_open_in_two_seconds(browser: Any, pages: Path, session: Session, tmp_path: Path) -> None:
    _long(tmp_path / "long.onnx", 10_000)
    outcome = session.check(session.view(tmp_path / "long.onnx"), parse("orin-trt10.3", session.rules))
    url = _page(pages, "long", [outcome], session)
    start = time.monotonic()
    _opened(browser, url)
    assert time.monotonic() - start < 2
    browser.find_element(CSS, "[data-search]").send_keys("layer.9998/")
    start = time.monotonic()
    browser.find_element(CSS, "[data-hits] button").click()
    _until(browser, "return document.querySelectorAll('.canvas .on').length === 1")
    assert time.monotonic() - start < 2
    assert _panel(browser).startswith("/layer.9998/op\nRelu · GPU · segment 198\n")
    drawn = browser.execute_script("return document.querySelectorAll('.canvas *').length")
    assert drawn < 2_000
    _clean(browser, url)
