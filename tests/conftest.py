"""What all tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
import pytest

from dlalint.__main__ import main
from dlalint.cli import execute
from dlalint.pipeline import Session

os.environ["NO_COLOR"] = "1"
os.environ["COLUMNS"] = "100"
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started with & by a shell: the programs that tests interrupt would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

CommandLine = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The rule cache of the tests, so that they neither read nor write that of the user."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def session() -> Iterator[Session]:
    """One session for all: what it found out about equal nodes is shared."""
    with Session(digest=True) as running:
        yield running


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of the models."""
    return Path(__file__).resolve().parents[1] / "models"


@pytest.fixture
def commands(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """``commands("check", "a.onnx")``: exit code, stdout and stderr of a command line in this process."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = execute(arguments)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """As ``commands``, through the entry of the program."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["dlalint", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capsys.readouterr()

    return run


def example(text: str, opset: int) -> onnx.ModelProto:
    """The model of a graph in the syntax of ``onnx.parser``; tensors that are declared but neither made nor given a value are weights."""
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}, "custom": 1]> example {text}')
    made = {name for node in model.graph.node for name in node.output}
    for declared in [value for value in model.graph.value_info if value.name not in made]:
        if all(tensor.name != declared.name for tensor in model.graph.initializer):
            kind = declared.type.tensor_type
            weights = model.graph.initializer.add(name=declared.name, data_type=kind.elem_type, data_location=onnx.TensorProto.EXTERNAL)
            weights.dims.extend(dim.dim_value for dim in kind.shape.dim)
            weights.external_data.add(key="location", value="weights.bin")
        model.graph.value_info.remove(declared)
    return model
