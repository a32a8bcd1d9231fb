"""The bars of a profile as SVG and as a page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dlalint.cli import execute

SAMPLES = Path(__file__).parent / "samples"
SVG = "{http://www.w3.org/2000/svg}"


def _picture(capsys: pytest.CaptureFixture[str], form: str, *files: str) -> str:
    assert execute(["profile", *files, "--format", form]) == 0
    return capsys.readouterr().out


def test_bars_are_as_long_as_their_times(capsys: pytest.CaptureFixture[str]) -> None:
    root = ElementTree.fromstring(_picture(capsys, "svg", str(SAMPLES / "profile_trt7_xavier_ssd.txt")))
    words = [item.text or "" for item in root.findall(f"{SVG}text")]
    assert words[0] == "ResNet18v2: 41.018 ms a run"
    assert words[words.index("DLA loadables") + 1] == "39.348 ms"
    assert "1: ResNet18v2/conv0/Conv2D ... ResNet18v2/Relu_13" in words
    widths = [float(item.attrib["width"]) for item in root.findall(f"{SVG}rect")]
    assert widths[0] == max(widths)
    assert widths[5] / widths[4] == pytest.approx(7.003 / 32.345, abs=1e-3)
    assert {item.attrib["fill"] for item in root.findall(f"{SVG}rect")} >= {"#117733", "#ddaa33"}


@pytest.mark.parametrize("form", ["svg", "html"])
def test_names_are_only_text(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "</text><script>alert(1)</script>\x1b[31m\u202e" + "n" * 10_000
    rows: list[dict[str, object]] = [{"count": 10}]
    rows += [{"name": f"{name}{index}", "timeMs": 10.0, "averageMs": 1.0, "percentage": 50.0} for index in range(2)]
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    text = _picture(capsys, form, str(path))
    assert "<script" not in text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", text)
    if form == "html":
        assert "default-src 'none'" in text
        assert not re.search(r"(src|href)=", text)
    else:
        assert len(text) < 10_000


def test_a_page_holds_the_report_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    page = _picture(capsys, "html", str(SAMPLES / "profile_trt7_xavier_ssd.txt"))
    assert page.startswith("<!doctype html>\n<html")
    assert "Rows that wait for the DLA" in page
    assert "<svg" in page
