"""The interface for Python says what the commands say."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import onnx
import pytest

import dlalint
from dlalint.cli import execute
from dlalint.pipeline import Session
from dlalint.report.formats import FORMATS

MODELS = Path(__file__).resolve().parents[2] / "models"
MNIST = MODELS / "mnist-7.onnx"
FREE = MODELS / "fcn_dynamic.onnx"
ORIN = "orin-trt10.3"


def _model(path: Path, body: str, *, node: str = "") -> Path:
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> g {body}')
    proto.graph.node[0].name = node
    path.write_bytes(proto.SerializeToString())
    return path


def test_everything_that_is_named_is_there_and_documented() -> None:
    for name in dlalint.__all__:
        if name != "__version__":
            assert inspect.getdoc(getattr(dlalint, name)), name
    assert set(dlalint.__all__) <= set(dir(dlalint))
    with pytest.raises(AttributeError, match="'dlalint' has no attribute 'chek'"):
        dlalint.chek  # noqa: B018


def test_functions_stay_functions_whatever_was_imported() -> None:
    """A part of the package that is called like a function would take its place."""
    code = "import dlalint, pkgutil; print({part.name for part in pkgutil.iter_modules(dlalint.__path__)} & set(dlalint.__all__))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.parametrize("names", ["check", "check, Report, Session, Target, Finding, DlalintError, targets, fix, mark_outputs, verify"])
def test_names_load_no_heavy_package(names: str) -> None:
    code = f"from dlalint import {names}; import sys; print(sorted({{'numpy', 'onnx', 'click', 'rich', 'jinja2'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_import_alone_loads_nothing_of_the_package() -> None:
    code = "import sys, dlalint; print([name for name in sys.modules if name.startswith('dlalint.')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_check_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    report = dlalint.check(MNIST, ORIN)
    assert execute(["check", str(MNIST), "--target", ORIN, "--no-others", "--format", "json"]) == 1
    assert report.to_json() == capsys.readouterr().out
    assert report.to_dict() == json.loads(report.to_json())
    assert execute(["check", str(MNIST), "--target", ORIN, "--no-others"]) == 1
    assert str(report) == report.to_text() == capsys.readouterr().out


def test_report() -> None:
    report = dlalint.check(str(MNIST), ORIN, others=["xavier-trt8.5"])
    assert (report.path, report.verdict, report.ok) == (str(MNIST), "partial", False)
    assert report.target == dlalint.Target("orin-trt10.3", "orin", (10, 3), "fp16")
    assert (report.summary.dla_nodes, report.summary.gpu_nodes, len(report.nodes), len(report.segments)) == (10, 1, 12, 4)
    assert {type(finding) for finding in report.findings} == {dlalint.Finding}
    assert [line.target for line in report.others] == ["xavier-trt8.5"]
    assert len(report.unchecked) == 2
    assert repr(report).endswith("mnist-7.onnx on orin-trt10.3, FP16: partial, 10 of 11 nodes on the DLA>")
    assert dlalint.check(MODELS / "unet_k2s2.onnx", ORIN).ok


@pytest.mark.parametrize("form", FORMATS)
def test_every_format(form: str) -> None:
    report = dlalint.check(MNIST, ORIN)
    assert ("shuffle-rank" if form == "gitlab" else "DLA541") in report.render(form)
    assert report.to_html() == report.render("html")


def test_options_mean_what_they_mean_on_the_command_line() -> None:
    assert dlalint.check(MNIST).target.name == "xavier-trt5.0"
    assert dlalint.check(MNIST, "jetpack-6.2", precision="int8").target == dlalint.Target("orin-trt10.3", "orin", (10, 3), "int8")
    assert {finding.code for finding in dlalint.check(MNIST, ORIN, select=["DLA5"]).findings} == {"DLA541"}
    assert "DLA541" not in {finding.code for finding in dlalint.check(MNIST, ORIN, ignore=["shuffle-rank"]).findings}
    assert dlalint.check(FREE, ORIN).verdict == "none"
    assert dlalint.check(FREE, ORIN, shapes={"input": [1, 3, 256, 512]}).verdict == "partial"


def test_bytes_and_one_session_for_many() -> None:
    with dlalint.Session() as session:
        first = dlalint.check(MNIST.read_bytes(), ORIN, session=session)
        second = dlalint.check(MNIST, first.target, session=session)
    assert first.path == "model"
    assert first.nodes == second.nodes
    assert first.rules is second.rules


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: dlalint.check("gone.onnx"), "gone.onnx: error[E111]: there is no such file"),
        (lambda: dlalint.check(MNIST, "orin-trt99.0"), "target: error[E502]: unknown target 'orin-trt99.0'"),
        (lambda: dlalint.check(MNIST, precision="fp8"), "error[E505]: 'fp8' is no precision. Give fp16 or int8."),
        (lambda: dlalint.check(MNIST, select=["nothing"]), "error[E504]: no rule is called 'nothing'"),
        (lambda: dlalint.check(MNIST).render("pdf"), "error[E509]: 'pdf' is no format"),
        (lambda: dlalint.mark_outputs(MNIST, "out.onnx"), "error[E510]: no tensor is named"),
    ],
)
def test_errors_are_of_one_kind(call: object, said: str) -> None:
    assert callable(call)
    with pytest.raises(dlalint.DlalintError, match=re.escape(said)):
        call()


def test_fix(tmp_path: Path) -> None:
    output = tmp_path / "fixed.onnx"
    found = dlalint.fix(MNIST, output, ORIN)
    assert [change.rewrite for change in found.changes] == ["gemm-to-conv"]
    assert (found.before.summary.loadables, found.after.summary.loadables) == (2, 1)
    assert found.proof is not None
    assert found.proof.ok
    assert found.output == str(output)
    assert dlalint.check(output, ORIN).nodes == found.after.nodes
    assert dlalint.verify(MNIST, output).ok


def test_fix_without_output_writes_nothing(tmp_path: Path) -> None:
    model = Path(shutil.copy(MNIST, tmp_path))
    found = dlalint.fix(model, target=ORIN)
    assert (len(found.changes), found.output, found.proof is not None and found.proof.ok) == (1, "", True)
    assert list(tmp_path.iterdir()) == [model]
    unproven = dlalint.fix(model, target=ORIN, prove=False, ignore=["gemm-to-conv"])
    assert unproven.proof is None
    assert "gemm-to-conv" not in {change.rewrite for change in unproven.changes}


def test_fix_of_what_is_well_says_so(tmp_path: Path) -> None:
    found = dlalint.fix(MODELS / "unet_k2s2.onnx", tmp_path / "fixed.onnx", ORIN, prove=False)
    assert (list(found.changes), found.output, found.proof) == ([], "", None)
    assert list(tmp_path.iterdir()) == []


def test_mark_outputs(tmp_path: Path) -> None:
    output = tmp_path / "marked.onnx"
    found = dlalint.mark_outputs(MNIST, output, ORIN, tensors=["ReLU32_Output_0"], patterns=["Plus214*"])
    assert (found.tensors, found.already, found.dropped) == (("ReLU32_Output_0",), ("Plus214_Output_0",), 0)
    assert [value.name for value in onnx.load(output).graph.output] == ["Plus214_Output_0", "ReLU32_Output_0"]
    assert found.after.summary == dlalint.check(output, ORIN).summary
    assert found.command.startswith("trtexec ")
    assert list(tmp_path.iterdir()) == [output]
    only = dlalint.mark_outputs(MNIST, output, ORIN, nodes=["Plus30"], only=True)
    assert (only.tensors, only.dropped > 0) == (("Plus30_Output_0",), True)


def test_verify(tmp_path: Path) -> None:
    relu = _model(tmp_path / "relu.onnx", "(float[1,N] x) => (float[1,N] y) { y = Relu(x) }")
    same = _model(tmp_path / "same.onnx", "(float[1,N] x) => (float[1,N] y) { y = Identity(x) }")
    found = dlalint.verify(relu, same, shapes={"x": (1, 4)})
    assert (found.ok, found.first, len(found.sets)) == (False, "y", 5)
    positive = [{"x": np.ones((1, 4), np.float32)}]
    assert [label for label, items in dlalint.verify(relu, same, inputs=positive).sets if items[0].within][-1] != "normal"
    assert dlalint.verify(relu, relu, exact=True, outputs=["y"]).ok


def test_unproven_result_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlalint.changes import Proof
    from dlalint.rewrite.fixing import Fixer

    monkeypatch.setattr(Fixer, "prove", lambda *_: Proof(("normal",), 0.5, False, "y"))
    found = dlalint.fix(MNIST, tmp_path / "fixed.onnx", ORIN)
    assert found.proof is not None
    assert (found.proof.ok, found.output) == (False, "")
    assert list(tmp_path.iterdir()) == []


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.depth = 0
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.depth += tag != "br"

    def handle_endtag(self, tag: str) -> None:
        self.depth -= 1

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    "name",
    [
        "</td></table><script>alert(1)</script><img src=x onerror=alert(1)>",
        '" onmouseover="alert(1)',
        "&lt;b&gt;",
        "a\x1b[31m\u202eb\nc",
        "$\\href{javascript:alert(1)}{x}$",
        "n" * 100_000,
    ],
)
def test_a_notebook_shows_names_as_text(name: str, tmp_path: Path) -> None:
    report = dlalint.check(_model(tmp_path / "model.onnx", "(float[1,3,8,8] x) => (y) { y = Erf(x) }", node=name), ORIN)
    html = report._repr_html_()
    parser = _Tags()
    parser.feed(html)
    parser.close()
    assert parser.depth == 0
    assert parser.tags == {"div", "p", "b", "br", "table", "tr", "td", "th"}
    assert parser.attributes == {"class"}
    assert html.startswith('<div class="tex2jax_ignore mathjax_ignore">')  # MathJax leaves it alone
    assert not re.search("[\x00-\x1f\x7f\u202e]", html)
    assert len(html) < 3000
    if name.isprintable() and len(name) < 100:
        assert f"{name}: " in parser.text


def test_a_notebook_shows_the_root_causes(session: Session) -> None:
    html = dlalint.check(MODELS / "shufflenet_v2_x0_5.onnx", ORIN, session=session)._repr_html_()
    assert "<b>PARTIAL</b>: 134 of 186 nodes run on the DLA" in html
    assert "<td><b>DLA541 shuffle-rank</b></td><td>" in html
    many = dlalint.check(MODELS / "swin_small.onnx", "xavier-trt5.0", session=session)._repr_html_()
    assert many.count("<tr>") == 9
    assert re.search(r"<p>\d+ more causes, \d+ notes</p></div>$", many)
