"""``dlalint compare`` as a user meets it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from dlalint.cli import execute
from dlalint.engine.targets import parse
from dlalint.pipeline import Session
from dlalint.trtexec.arrange import arranged
from dlalint.trtexec.asked import asked
from dlalint.trtexec.read import read
from tests.trtexec import built, drawn
from tests.trtexec.drawn import node

CASES = Path(__file__).resolve().parents[1] / "cases"
TEXT = """\
drawn.onnx against build.log
DIFFERS: 2 of 5 nodes that the files tell of ran elsewhere than predicted.
  Target orin-trt10.3 in FP16: TensorRT 10.3.0, Orin, FP16 by the files.

  nodes       real  as predicted
  on the DLA     4             3  75.0 %
  on the GPU     1             0  0.0 %
  both           5             3  60.0 %
  balanced                        37.5 %

  parts       real  predicted
  loadables      2          1  differs
  candidates     2          1  differs

Differences (2 nodes, 2 causes)
  predicted the DLA, ran on the GPU  1 Relu
    relu
    rule  none
    log   gives no reason (told by the lists of layers)
    data  [soc.orin.observed.your-build]
          "activation.types" = ["SIGMOID", "TANH", "CLIP", "LEAKY_RELU"]
          # now ["RELU", "SIGMOID", "TANH", "CLIP", "LEAKY_RELU"]; RELU never ran on the DLA here
  predicted the GPU, ran on the DLA  1 Erf
    erf
    rule  DLA431 operation ERF, the DLA takes ABS
    log   has it there (told by the lists of layers)
    data  [soc.orin.observed.your-build]
          "unary.operations" = ["ABS", "ERF"]  # now ["ABS"]; 1 node beyond it on the DLA
  Lines for rules/limits/trt-10.0.toml are suggestions: one build is one observation. Name the build
  in rules/sources.toml in place of `your-build`, and save it with --write-case, so that the tests
  keep it.

Loadables that are cut otherwise
  nodes  ms  predicted
      3   -  4 nodes    secret/conv ... add
      1   -  none       erf

By operator
           DLA  GPU  copies
  Erf      0/1    -       -  1 differing
  Relu       -  0/1       -  1 differing
  Add      1/1    -       -
  Conv     1/1    -       -
  Sigmoid  1/1    -       -

By rule  nodes that it sends to the GPU, and how many ran there
          right               rule
  DLA431    0/1  1 differing  unary-operation
  -         3/4  1 differing  no rule, so the DLA

"""


def _run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = execute(["compare", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """conv - relu - sigmoid - add - erf, in the working folder."""
    monkeypatch.chdir(tmp_path)
    made = drawn.made(
        node("Conv", "secret/conv", "x w", "hidden_a"),
        node("Relu", "relu", "hidden_a", "b"),
        node("Sigmoid", "sigmoid", "b", "c"),
        node("Add", "add", "b c", "d"),
        node("Erf", "erf", "d", "out"),
        outputs=("out",),
        weights=(drawn.weight("w", 8, 8, 1, 1),),
    )
    made.doc_string = "made by somebody"
    made.producer_name = "a private exporter"
    return drawn.saved(made, tmp_path)


def _log(session: Session, model: Path, moved: frozenset[int] = frozenset(), target: str = "orin-trt10.3", precision: str = "fp16") -> Path:
    outcome = session.check(session.view(model), parse(target, session.rules, precision))
    path = model.parent / "build.log"
    text = built.log(outcome, moved)
    path.write_text(text.replace("\n", "\n[I] Selected Device: Orin\n", 1), encoding="utf-8")
    return path


def test_agreement(capsys: pytest.CaptureFixture[str], session: Session, model: Path) -> None:
    _log(session, model)
    code, out, err = _run(capsys, "drawn.onnx", "--log", "build.log")
    assert (code, err) == (0, "")
    assert out.startswith("drawn.onnx against build.log\nAGREES: each of the 5 nodes that the files tell of ran where predicted.\n")
    assert "Differences" not in out


def test_differences_are_named(capsys: pytest.CaptureFixture[str], session: Session, model: Path) -> None:
    _log(session, model, frozenset({1, 4}))
    assert _run(capsys, "drawn.onnx", "--log", "build.log") == (1, TEXT, "")


@pytest.mark.parametrize("columns", [80, 140])
def test_text_keeps_to_the_width(
    capsys: pytest.CaptureFixture[str], session: Session, model: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    _log(session, model, frozenset({1, 4}))
    _, out, _ = _run(capsys, "drawn.onnx", "--log", "build.log", "-v")
    assert max(len(line) for line in out.splitlines()) <= columns


def test_verbose_lists_every_node(capsys: pytest.CaptureFixture[str], session: Session, model: Path) -> None:
    _, out, _ = _run(capsys, model, "--log", _log(session, model, frozenset({4})), "-v")
    rows = [line.split() for line in out[out.index("\nNodes\n") :].splitlines()[2:] if line]
    assert rows[1] == ["DLA", "DLA", "-", "FP16", "Conv", "secret/conv"]
    assert rows[5] == ["GPU", "DLA", "differs", "-", "FP16", "Erf", "erf"]


def test_json(capsys: pytest.CaptureFixture[str], session: Session, model: Path) -> None:
    code, out, _ = _run(capsys, model, "--log", _log(session, model, frozenset({4})), "--format", "json")
    found = json.loads(out)
    assert code == 1
    assert found["schema"] == 1
    assert found["agrees"] is False
    assert found["target"]["name"] == "orin-trt10.3"
    assert found["summary"]["dla"] == {"real": 5, "as_predicted": 4}
    assert found["parts"]["loadables"] == {"real": 2, "predicted": 1}
    (difference,) = found["differences"]
    assert difference["nodes"] == ["erf"]
    assert difference["rules"] == [{"code": "DLA431", "message": "operation ERF, the DLA takes ABS"}]
    assert difference["suggestion"]["file"] == "rules/limits/trt-10.0.toml"
    assert difference["suggestion"]["toml"][1].startswith('"unary.operations" = ["ABS", "ERF"]')
    assert [(item["id"], item["predicted"], item["real"], item["agrees"]) for item in found["nodes"]][3:] == [
        ("add", "dla", "dla", True),
        ("erf", "gpu", "dla", False),
    ]


def test_time_and_precision_of_nodes(capsys: pytest.CaptureFixture[str], session: Session, model: Path) -> None:
    """A layer of one node gives it its time; the time of a loadable stays with the loadable."""
    rows = [("{secret/conv,relu,sigmoid,add}", 4.0), ("erf", 0.5)]
    profile = model.parent / "profile.txt"
    text = "=== Profile (10 iterations ) ===\n  Layer   Time (ms)   Avg. Time (ms)   Time %\n"
    text += "".join(f"{name}  {ms * 10:.2f}  {ms:.2f}  {ms / 4.5 * 100:.1f}\n" for name, ms in rows) + "Total  45.00  4.50  100.0\n"
    profile.write_text(text, encoding="utf-8")
    log = _log(session, model, target="xavier-trt7.1")
    code, out, _ = _run(capsys, model, "--log", log, "--profile", profile, "--target", "xavier-trt7.1", "--format", "json")
    assert code == 2  # the log was edited to say Orin
    log.write_text(log.read_text(encoding="utf-8").replace("Selected Device: Orin", "Selected Device: Xavier"), encoding="utf-8")
    code, out, _ = _run(capsys, model, "--log", log, "--profile", profile, "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert found["loadables"][0]["ms"] == 4.0
    assert [item["ms"] for item in found["nodes"]] == [None, None, None, None, 0.5]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], "E540", "no file of the build is given"),
        (["--log", "build.log", "--hash-names"], "E540", "there is no test case to write"),
        (["--log", "build.log", "--target", "orin-trt8.5"], "E542", "the files are of TensorRT 10.3.0"),
        (["--log", "build.log", "--target", "woa-trt11.4"], "E542", "the files are of TensorRT 10.3.0"),
        (["--log", "build.log", "--precision", "int8"], "E542", "the files are of a build in FP16"),
        (["--log", "lists.log"], "E541", "the files do not name the TensorRT release"),
        (["--log", "soc.log"], "E541", "the files name TensorRT 8.5.3, but no SoC"),
        (["--log", "old.log"], "E541", "no limits of TensorRT 4.0 are known"),
        (["--layer-info", "gpu.json", "--target", "orin-trt10.3"], "E139", "no file shows that the engine was built for the DLA"),
        (["--log", "missing.log"], "E131", "the file cannot be opened"),
    ],
)
def test_errors(
    capsys: pytest.CaptureFixture[str],
    session: Session,
    model: Path,
    arguments: list[str],
    code: str,
    words: str,
) -> None:
    _log(session, model)
    lists = "---------- Layers Running on DLA ----------\n[DlaLayer] {ForeignNode[relu]}\n"
    Path("lists.log").write_text(lists, encoding="utf-8")
    banner = "&&&& RUNNING TensorRT.trtexec [TensorRT v{}] # trtexec --fp16 --useDLACore=0\n"
    Path("soc.log").write_text(banner.format("8503") + lists, encoding="utf-8")
    Path("old.log").write_text(banner.format("4001") + lists, encoding="utf-8")
    Path("gpu.json").write_text(json.dumps({"Layers": [{"Name": "relu", "LayerType": "Relu"}], "Bindings": []}), encoding="utf-8")
    status, out, err = _run(capsys, "drawn.onnx", *arguments)
    assert (status, out) == (2, "")
    assert f"error[{code}]: {words}" in err


def test_shapes_by_the_command_in_the_log(capsys: pytest.CaptureFixture[str], session: Session, tmp_path: Path) -> None:
    made = drawn.made(node("Relu", "relu", "x", "y"), node("Sigmoid", "sigmoid", "y", "z"), outputs=("z",))
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    model = drawn.saved(made, tmp_path)
    log = tmp_path / "build.log"
    command = "trtexec --onnx=m.onnx --fp16 --shapes=x:4x8x16x16 --useDLACore=0"
    log.write_text(
        f"&&&& RUNNING TensorRT.trtexec [TensorRT v100300] # {command}\n---------- Layers Running on DLA ----------\n"
        "[DlaLayer] relu\n[DlaLayer] sigmoid\n---------- Layers Running on GPU ----------\n",
        encoding="utf-8",
    )
    code, out, _ = _run(capsys, model, "--log", log)
    assert code == 0
    assert "the shapes of inputs by the command in the log" in out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--shapes=x:4x8x16x16", (("x", (4, 8, 16, 16)),)),
        ("--shapes='a':1x3,'b/c:0':2", (("a", (1, 3)), ("b/c:0", (2,)))),
        ("--minShapes=x:1x8 --optShapes=x:4x8 --maxShapes=x:8x8", (("x", (4, 8)),)),
        ("--fp16", ()),
    ],
)
def test_shapes_of_a_command(tmp_path: Path, options: str, expected: tuple[object, ...]) -> None:
    path = tmp_path / "build.log"
    path.write_text(f"&&&& RUNNING TensorRT.trtexec [TensorRT v8503] # trtexec --onnx=m.onnx {options}\n", encoding="utf-8")
    found = asked(arranged([read(str(path))]).cases[0].engine)
    assert found.shapes == expected
    assert found.version == (8, 5)
    assert found.precision == ("fp16" if options == "--fp16" else "")


@pytest.mark.parametrize("hashed", [False, True])
def test_case_is_scored_by_the_runner_of_the_tests(
    capsys: pytest.CaptureFixture[str], session: Session, model: Path, tmp_path: Path, hashed: bool
) -> None:
    folder = tmp_path / "case"
    log = _log(session, model, frozenset({4}))
    options = ["--hash-names"] if hashed else []
    code, _, err = _run(capsys, model, "--log", log, "--write-case", folder, "--source", "a build of ours", *options)
    assert code == 1
    (graph,), (build,) = folder.glob("graphs/*.onnx"), folder.glob("builds/*.json")
    assert err.startswith(f"wrote {graph} and {build}\n")
    assert "disagreements.toml" in err
    document = json.loads(build.read_text(encoding="utf-8"))
    assert document["source"] == "a build of ours"
    assert (document["target"], document["precision"], document["loadables"], document["candidates"]) == ("orin-trt10.3", "fp16", 2, 2)
    assert list(document["nodes"].values()) == ["dla"] * 5
    assert list(document["nodes"]) == [item.name for item in onnx.load(graph, load_external_data=False).graph.node]
    shutil.copy(CASES / "score.py", folder)
    (folder / "operators.json").write_text("[]", encoding="utf-8")
    done = subprocess.run([sys.executable, str(folder / "score.py")], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1].split() == [build.stem, "4/5", "0/0", "0/0", "1/2", "1/2"]


def test_case_gives_nothing_away(capsys: pytest.CaptureFixture[str], session: Session, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    log = _log(session, model)
    assert _run(capsys, model, "--log", log, "--write-case", folder, "--hash-names")[0] == 0
    (graph,), (build,) = folder.glob("graphs/*.onnx"), folder.glob("builds/*.json")
    for word in (b"secret", b"hidden_a", b"relu", b"private", b"somebody", b"drawn", b"made"):
        assert word not in graph.read_bytes()
        assert word not in build.read_bytes()
        assert word not in graph.name.encode()
    found = onnx.load(graph, load_external_data=False)
    assert [item.op_type for item in found.graph.node] == ["Conv", "Relu", "Sigmoid", "Add", "Erf"]
    assert found.graph.initializer[0].data_location == onnx.TensorProto.EXTERNAL
    assert not found.graph.initializer[0].float_data


def test_case_is_the_same_each_time_and_never_overwrites(
    capsys: pytest.CaptureFixture[str], session: Session, model: Path, tmp_path: Path
) -> None:
    log = _log(session, model)
    for name in ("one", "two"):
        assert _run(capsys, model, "--log", log, "--write-case", tmp_path / name, "--hash-names")[0] == 0
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 2
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    code, out, err = _run(capsys, model, "--log", log, "--write-case", tmp_path / "one", "--hash-names")
    assert (code, out) == (2, "")
    assert "error[E401]: it is there already" in err
