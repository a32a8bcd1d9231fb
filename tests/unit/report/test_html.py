"""The HTML report as text: whole, policed, and loading nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dlalint.accepted import Contrast, Known, Waived
from dlalint.engine.targets import parse
from dlalint.finding import Finding
from dlalint.pipeline import Session
from dlalint.plan import Failure, Outcome
from dlalint.report.to_html import render
from dlalint.report.values import limit_in_words

VOID = {"meta", "input", "br", "hr", "img", "link"}


class _Page(HTMLParser):
    """What is in a page: elements with their attributes, and the text of each script and style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.blocks: list[tuple[str, str | None, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag in ("script", "style"):
            self.blocks.append((tag, dict(attrs).get("type"), ""))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("script", "style"):
            tag, kind, before = self.blocks.pop()
            self.blocks.append((tag, kind, before + data))
        else:
            self.text += data


@pytest.fixture(scope="module")
def outcomes(session: Session, models: Path) -> list[Outcome | Failure]:
    target, other = parse("xavier-trt5.0", session.rules), parse("orin-trt10.3", session.rules)
    found = [session.check(session.view(models / f"{name}.onnx"), target, [other]) for name in ("mnist-7", "shufflenet_v2_x0_5")]
    return [*found, Failure("cut.onnx", "E101", "the file is truncated", "Download it again.")]


def test_nothing_runs_or_loads_but_what_the_policy_names(session: Session, outcomes: list[Outcome | Failure]) -> None:
    text = render(outcomes, session.rules)
    page = _Page(text)
    policy = next(attrs["content"] for tag, attrs in page.elements if attrs.get("http-equiv") == "Content-Security-Policy")
    hashes = {
        tag: f"'sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}'"
        for tag, kind, body in page.blocks
        if kind is None
    }
    assert policy == (
        f"default-src 'none'; style-src {hashes['style']}; script-src {hashes['script']}; base-uri 'none'; form-action 'none'"
    )
    assert [kind for _, kind, _ in page.blocks] == [None, "application/json", "application/json", None]
    for _, attrs in page.elements:
        assert not {"src", "srcset", "style", "action", "onclick", "onload"} & set(attrs)
    assert {tag for tag, attrs in page.elements if "href" in attrs} == {"a"}
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|innerHTML|eval\(", text)


def test_the_page_says_it_all(session: Session, outcomes: list[Outcome | Failure]) -> None:
    page = _Page(render(outcomes, session.rules))
    said = re.sub(r"\s+", " ", page.text)
    assert "60 of 186 nodes run on the DLA in 8 loadables of at most 8" in said
    assert "DLA101 layer-not-on-dla 48 nodes SHUFFLE: no such layer on the DLA of Xavier with TensorRT 5.0." in said
    assert "the file is truncated. Download it again." in said
    assert "orin-trt10.3" in said
    links = [attrs["href"] for tag, attrs in page.elements if tag == "a" and "href" in attrs]
    assert links[1:4] == ["#model-1", "#model-2", "#model-3"]
    assert all(link is not None and link.startswith(("#", "https://")) for link in links)


def test_data_is_that_of_the_outcome(session: Session, outcomes: list[Outcome | Failure]) -> None:
    page = _Page(render(outcomes, session.rules))
    bodies = [body for _, kind, body in page.blocks if kind == "application/json"]
    assert not any("<" in body or "&" in body for body in bodies)
    data, outcome = json.loads(bodies[1]), outcomes[1]
    assert isinstance(outcome, Outcome)
    assert [node[0] for node in data["nodes"]] == [node.id for node in outcome.nodes]
    assert [node[2:4] for node in data["nodes"]] == [[node.device.value, node.segment] for node in outcome.nodes]
    assert [finding[0] for finding in data["findings"]] == [finding.code for finding in outcome.findings]
    assert sum(box[0] == "node" for box in data["detail"]["boxes"]) == sum(node.segment >= 0 for node in outcome.nodes)
    assert sum(box[0] == "segment" for box in data["overview"]["boxes"]) == len(outcome.partition.segments) == len(data["segments"])


def test_same_bytes_every_time(session: Session, outcomes: list[Outcome | Failure]) -> None:
    assert render(outcomes, session.rules) == render(outcomes, session.rules)


def test_a_limit_reads_as_its_rule_means_it(session: Session) -> None:
    target = parse("orin-trt10.3", session.rules)
    bound = next(
        card
        for card in session.rules.for_target(target).cards
        if card.tests and card.tests[0].predicate == "range" and len(card.tests) == 1
    )
    limit = bound.tests[0].limit.value
    assert isinstance(limit, tuple)
    finding = Finding(bound.card.code, bound.card.slug, "error", "fail", "", limit=limit)
    assert limit_in_words(finding, target, session.rules) == f"{limit[0]} to {limit[1]}"
    assert limit_in_words(finding._replace(limit=("RELU", "TANH")), target, session.rules) == "RELU, TANH"
    assert limit_in_words(finding._replace(limit=None), target, session.rules) == ""


def test_what_does_not_count_is_named(session: Session, outcomes: list[Outcome | Failure]) -> None:
    outcome = outcomes[0]
    assert isinstance(outcome, Outcome)
    first = outcome.findings[0]
    known = Known("m.onnx", "xavier-trt5.0", "DLA101", "layer-not-on-dla", "old", "0" * 40)
    changed = outcome._replace(waived=(Waived(first, "<b>measured</b>", "2027-01-01"),), baseline=Contrast(3, (known,)))
    said = _Page(render([changed], session.rules)).text
    assert f"{first.code} {first.name}, {first.node or first.tensor or 'the model'}: <b>measured</b> (until 2027-01-01)" in said
    assert "3 known to the baseline and left out, 1 fixed: DLA101 old." in said


def test_jinja_is_loaded_when_a_page_is_made() -> None:
    code = "import dlalint.cli.check, dlalint.report.to_html, sys; print('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
