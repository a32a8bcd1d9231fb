"""The shape of the code: who imports whom, and how long files and functions may get."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "dlalint"
FILES = sorted(ROOT.rglob("*.py"))

# lower ranks know nothing of higher ones; parts of one rank know nothing of each other
RANKS = [
    {"", "errors"},
    {"named_tuple", "target", "finding", "graph", "graphview", "network", "plan", "changes", "accepted", "measured"},
    {"worker", "inference_child", "ort_child", "model", "lower", "engine", "partition", "segments", "trtexec", "calibration"},
    {"placement", "numeric"},
    {"int8", "fp16"},
    {"diagnosis"},
    {"assemble"},
    {"pipeline", "selection", "report"},
    {"rewrite", "config"},
    {"config_file", "waivers", "baseline"},
    {"cli", "api"},
    {"__main__"},
]
RANK = {part: number for number, parts in enumerate(RANKS) for part in parts}
# types build on each other, a model is read with the worker, segments follow the partition
SIDEWAYS = {("model", "worker"), ("segments", "partition")}
ONLY_IN = {"click": {"cli"}, "rich": {"cli"}, "onnx": {"rewrite"}, "onnxruntime": {"ort_child"}, "onnx_graphsurgeon": {"rewrite"}}
ONLY_IN["numpy"] = {"ort_child", "numeric", "rewrite"}


def _part(module: str) -> str:
    pieces = module.split(".")
    return pieces[1] if len(pieces) > 1 else ""


def _imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" if node.module == "dlalint" else node.module for alias in node.names]
    return found


def _own(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0].replace("__init__", "")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_go_down(path: Path) -> None:
    own = _own(path)
    if own == "":
        pytest.skip("the public interface imports inside its functions")
    for name in _imports(path):
        if not name.startswith("dlalint"):
            continue
        other = _part(name)
        if other == "__version__" or other == own or (own, other) in SIDEWAYS:
            continue
        same_types = RANK[own] == RANK[other] == 1
        assert RANK[other] < RANK[own] or same_types, f"{own} imports {other}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_heavy_packages_stay_in_their_place(path: Path) -> None:
    for name in _imports(path):
        allowed = ONLY_IN.get(name.split(".")[0])
        assert allowed is None or _own(path) in allowed, name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 40, node.name


def test_named_tuples_are_the_quick_ones() -> None:
    other = [path.name for path in FILES if "typing.NamedTuple" in _imports_of(path, "typing")]
    assert other == ["named_tuple.py"]


def _imports_of(path: Path, module: str) -> set[str]:
    nodes = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom))
    return {f"{module}.{alias.name}" for node in nodes if node.module == module for alias in node.names}


def test_every_part_has_a_rank() -> None:
    assert {_own(path) for path in FILES} <= set(RANK)


@pytest.mark.parametrize("code", ["import dlalint", "import dlalint.cli", "import dlalint.pipeline, dlalint.cli.check"])
def test_start_is_light(code: str) -> None:
    """Neither help nor a lint loads numpy, onnx, protobuf or rich."""
    heavy = {"numpy", "onnx", "google", "rich", "onnxruntime"}
    check = f"{code}; import sys; print(sorted({{name.split('.')[0] for name in sys.modules}} & {heavy}))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_help_is_light() -> None:
    trace = subprocess.run([sys.executable, "-X", "importtime", "-m", "dlalint", "--help"], capture_output=True, text=True, check=True)
    loaded = {line.rsplit("|", 1)[1].strip() for line in trace.stderr.splitlines() if "|" in line}
    assert "dlalint.cli" in loaded
    assert not loaded & {"numpy", "onnx", "rich", "onnxruntime", "dlalint.engine.ruleset"}
    assert "check" in trace.stdout
