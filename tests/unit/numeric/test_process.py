"""The process that onnxruntime runs in: how it dies, what it may say and use, and that nothing of it stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from dlalint import ort_child
from dlalint.errors import DlalintError
from dlalint.numeric import RunError, Runner
from dlalint.numeric import process as process_module
from dlalint.numeric.process import refusal

from .conftest import Make

RELU = "(float[N, 2] x) => (float[N, 2] y) { y = Relu(x) }"
LINUX = pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="reads the process table of Linux")
ONES = np.ones((1, 2), np.float32)


def _child(runner: Runner) -> subprocess.Popen[bytes]:
    child = runner._process._process
    assert child is not None
    return child


def _refused(runner: Runner, model: str | bytes, feed: dict[str, NDArray[Any]] | None = None) -> DlalintError:
    with pytest.raises(DlalintError) as caught:
        runner.outputs(model, {"x": ONES} if feed is None else feed)
    return caught.value


def _crash() -> bytes:
    indices = onnx.numpy_helper.from_array(np.zeros((1, 2), np.int64), "i")
    node = onnx.helper.make_node("GatherND", ["x", "i"], ["y"], batch_dims=-100000)
    info = [onnx.helper.make_tensor_value_info("x", 1, [1, 2]), onnx.helper.make_tensor_value_info("y", 1, None)]
    graph = onnx.helper.make_graph([node], "g", info[:1], info[1:], [indices])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


def test_a_crash_ends_the_child_only(make: Make) -> None:
    with Runner() as runner:
        for _ in range(2):
            error = _refused(runner, _crash())
            if error.code == "E303":  # pragma: no cover
                pytest.skip(f"onnxruntime {onnxruntime.__version__} survives it")
            assert error.code == "E304"
            # what lies beyond the tensor is not the test's to say
            assert error.what in ("onnxruntime died with signal 11 (SIGSEGV)", "onnxruntime died with signal 7 (SIGBUS)")
            assert runner.outputs(make(RELU), {"x": ONES})["y"].tolist() == [[1.0, 1.0]]


def test_an_endless_loop_is_ended(make: Make) -> None:
    endless = make(
        """(float[1] x) => (float[1] y) <int64 m = {4611686018427387904}, bool k = {1}> {
            y = Loop <body = b (int64 i, bool c, float[1] v) => (bool c2, float[1] v2) { c2 = Identity(c) v2 = Identity(v) }> (m, k, x)
        }"""
    )
    with Runner(timeout=1.0) as runner:
        assert runner.outputs(make(RELU), {"x": ONES})["y"].tolist() == [[1.0, 1.0]]
        child = _child(runner)
        start = time.monotonic()
        error = _refused(runner, endless, {"x": np.ones(1, np.float32)})
        assert 0.9 <= time.monotonic() - start < 5
        assert (error.code, error.what) == ("E305", "onnxruntime took more than 1 s")
        assert child.returncode == -signal.SIGKILL
        assert runner.outputs(make(RELU), {"x": ONES})["y"].tolist() == [[1.0, 1.0]]


def test_a_child_that_takes_no_input_is_ended(make: Make) -> None:
    with Runner(timeout=1.0) as runner:
        model = make(RELU)
        runner.inputs(model)
        os.kill(_child(runner).pid, signal.SIGSTOP)
        error = _refused(runner, model, {"x": np.ones((1 << 20, 2), np.float32)})  # more than a pipe holds
        assert error.code == "E305"
        assert runner.outputs(model, {"x": ONES})["y"].tolist() == [[1.0, 1.0]]


def test_a_child_that_was_killed_is_replaced(make: Make) -> None:
    with Runner() as runner:
        model = make(RELU)
        runner.inputs(model)
        child = _child(runner)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        assert runner.outputs(model, {"x": ONES})["y"].tolist() == [[1.0, 1.0]]
        assert _child(runner) is not child


@LINUX
def test_memory_is_limited(make: Make) -> None:
    model = make("(float[1] x, int64[2] s) => (float[N, M] y) { y = Expand(x, s) }")
    with Runner(memory=2 << 30) as runner:
        error = _refused(runner, model, {"x": np.ones(1, np.float32), "s": np.array([1 << 10, 1 << 20])})
        assert error.code in ("E303", "E304")
        assert runner.outputs(model, {"x": np.ones(1, np.float32), "s": np.array([2, 2])})["y"].tolist() == [[1, 1], [1, 1]]


def test_outputs_beyond_the_limit_are_refused(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "ort_child.py"
    script.write_text(Path(ort_child.__file__).read_text().replace("MAX_BYTES = 2 << 30", "MAX_BYTES = 1000"))
    monkeypatch.setattr(ort_child, "__file__", str(script))
    with Runner() as runner:
        error = _refused(runner, make(RELU), {"x": np.ones((126, 2), np.float32)})
        assert error.what == "onnxruntime cannot run it: its outputs hold more than 0 GiB"
        assert runner.outputs(make(RELU), {"x": np.ones((125, 2), np.float32)})["y"].shape == (125, 2)


ANSWERS = {
    "nothing": b"",
    "no-length": b"\1\0\0",
    "huge-header": b"\xff" * 8,
    "no-json": b"\4\0\0\0\0\0\0\0oops",
    "list": b"\2\0\0\0\0\0\0\0[]",
    "deep": (100_000).to_bytes(8, "little") + b"[" * 100_000,
    "arrays-5": b'\x0c\0\0\0\0\0\0\0{"arrays":5}',
    "nan-header": b"\3\0\0\0\0\0\0\0NaN",
}
SHAPES = [
    '["y","float32",[99999999999999999999]]',
    '["y","float32",[-1]]',
    '["y","object",[1]]',
    '["y","O",[1]]',
    '["y","float32",[[1]]]',
    '["y","float32",[1.5]]',
    '["y","float32",[1099511627775,1099511627775]]',
    '["y","float32"]',
    '["y","float32",5]',
    '["z","float32",[0]]',
]


@pytest.mark.parametrize("answer", [*ANSWERS.values(), *SHAPES], ids=[*ANSWERS, *SHAPES])
def test_an_answer_that_makes_no_sense_is_none(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: bytes | str) -> None:
    """A process that C++ has corrupted may write anything."""
    if isinstance(answer, str):
        body = f'{{"arrays":[{answer}]}}'.encode()
        answer = len(body).to_bytes(8, "little") + body
    greeting = b'{"version":""}'
    script = tmp_path / "child.py"
    script.write_text(
        "import sys\n"
        f"sys.stdout.buffer.write({len(greeting).to_bytes(8, 'little') + greeting!r}); sys.stdout.flush()\n"
        f"sys.stdin.buffer.read(8); sys.stdout.buffer.write({answer!r})\n"
    )
    monkeypatch.setattr(ort_child, "__file__", str(script))
    with Runner(timeout=10.0) as runner:
        with pytest.raises(RunError) as caught:
            runner.outputs(make(RELU), {"x": ONES}, ["y"])
        assert caught.value.code == "E304"
        assert caught.value.what in ("onnxruntime gave an answer that makes no sense", "onnxruntime ended with status 0")
        assert runner._process._process is None


def test_an_installation_that_cannot_be_loaded(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text(Path(ort_child.__file__).read_text().replace("import onnxruntime\n", "import onnxruntime_of_nowhere\n"))
    monkeypatch.setattr(ort_child, "__file__", str(script))
    with Runner() as runner:
        error = _refused(runner, make(RELU))
    said = "it cannot be loaded (No module named 'onnxruntime_of_nowhere')"
    assert str(error) == f"onnxruntime: error[E306]: {said}. Reinstall it: pip install --force-reinstall onnxruntime."


def test_no_onnxruntime_at_all(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "find_spec", lambda name: None)
    with Runner() as runner:
        error = _refused(runner, make(RELU))
    assert str(error) == "numpy: error[E306]: it is not installed. Install it: pip install numpy."


def test_a_process_that_cannot_be_started(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with Runner() as runner:
        error = _refused(runner, make(RELU))
    assert str(error).startswith("onnxruntime: error[E306]: its process cannot be started (No such file or directory). Check TMPDIR")


def test_nothing_stays_behind(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME"):
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    with Runner() as runner:
        runner.outputs(make(RELU), {"x": ONES})
        child = _child(runner)
        assert Path(runner._process.folder).parent == tmp_path / "TMPDIR"
        assert os.listdir(runner._process.folder) == ["model-1.onnx"]
    assert child.returncode is not None
    assert not [path for path in tmp_path.rglob("*") if path.parent != tmp_path]


PARENT = """
import sys, time
import numpy as np
from dlalint.numeric import Runner
runner = Runner()
folder = runner._process.folder
if sys.argv[2] == "later":
    runner.outputs(sys.argv[1], {"Input3": np.zeros((1, 1, 28, 28), np.float32)})
print(runner._process._process.pid, folder, flush=True)
time.sleep(60)
"""


@LINUX
@pytest.mark.parametrize("when", ["at once", "later"])
def test_the_child_goes_with_its_parent(models: Path, when: str) -> None:
    command = [sys.executable, "-c", PARENT, str(models / "mnist-7.onnx"), when]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, folder = parent.stdout.readline().split()
        assert Path(folder).is_dir()
        parent.kill()
    deadline = time.monotonic() + 10
    while Path(folder).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(folder).exists()
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(pid)


def _alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@LINUX
def test_the_limits_of_the_child(make: Make) -> None:
    with Runner() as runner:
        runner.outputs(make(RELU), {"x": ONES})
        pid = _child(runner).pid
        limits = {line[:25].strip(): line[25:].split()[:2] for line in Path(f"/proc/{pid}/limits").read_text().splitlines()}
        assert limits["Max core file size"] == ["0", "0"]
        assert limits["Max file size"] == ["0", "0"]
        assert limits["Max address space"][0] != "unlimited"
        variables = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
        names = {line.split("=")[0] for line in variables if line}
        assert "ORT_DISABLE_TELEMETRY=1" in variables
        assert names <= {"PATH", "LD_LIBRARY_PATH", "HOME", "XDG_CACHE_HOME", "TMPDIR", "TMP", "TEMP", "ORT_DISABLE_TELEMETRY"} | {
            "OPENBLAS_NUM_THREADS",
            "OMP_NUM_THREADS",
        }
        assert len(os.listdir(f"/proc/{pid}/task")) == 1
        sockets = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
        assert not [name for name in sockets if name.startswith("socket:")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[ONNXRuntimeError] : 10 : INVALID_GRAPH : This is bad.\nmore", "This is bad"),
        (
            "[ONNXRuntimeError] : 1 : FAIL : Load model from /m.onnx failed:/src/m.cc:25 a::B::B(c&&, const d<int(e)>&) Too new",
            "Too new",
        ),
        ("cannot open /w/own/model-1.onnx", "cannot open model-1.onnx"),
        ("red \x1b[31m\u202e text", "red \\x1b[31m\\u202e text"),
        ("x" * 400, "x" * 297 + "..."),
        ("", ""),
    ],
)
def test_what_is_left_of_a_message(text: str, said: str) -> None:
    assert refusal(text, "/w/own") == said


@pytest.mark.parametrize("seed", range(4))
def test_damaged_models_give_numbers_or_an_error(models: Path, seed: int) -> None:
    whole = (models / "mnist-7.onnx").read_bytes()
    draw = np.random.RandomState(seed)
    feed = {"Input3": np.zeros((1, 1, 28, 28), np.float32)}
    seen = set()
    with Runner(timeout=5.0) as runner:
        for _ in range(20):
            data = bytearray(whole)
            for place in draw.randint(0, 2000, 3):  # the graph comes first, the weights behind it
                data[place] = draw.randint(256)
            try:
                runner.outputs(bytes(data), feed)
            except DlalintError as error:
                seen.add(error.code[:2])
    assert seen <= {"E1", "E2", "E3", "E5"}
    assert seen
