"""The worker: onnx's answers, and what happens when onnx refuses, crashes, hangs or is not there."""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TypeProto

from dlalint import inference_child, worker
from dlalint.worker import NativeError, Worker

OPSETS = {"": 21}
LINUX = pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="reads the process table of Linux")


def _type(shape: Sequence[int | str | None], dtype: int = 1) -> bytes:
    data: bytes = onnx.helper.make_tensor_type_proto(dtype, shape).SerializeToString()
    return data


def _infer(
    worker: Worker,
    op_type: str,
    types: Mapping[str, bytes],
    outputs: Sequence[str] = ("y",),
    data: Mapping[str, onnx.TensorProto] | None = None,
    **attributes: Any,
) -> dict[str, tuple[int, list[int | str]]]:
    node = onnx.helper.make_node(op_type, list(types), outputs, **attributes).SerializeToString()
    constants = {name: tensor.SerializeToString() for name, tensor in (data or {}).items()}
    found = worker.infer(op_type, "", node, types, constants, OPSETS, 10)
    kinds = {name: TypeProto.FromString(answer).tensor_type for name, answer in found.items()}
    return {name: (kind.elem_type, [dim.dim_param or dim.dim_value for dim in kind.shape.dim]) for name, kind in kinds.items()}


def _fault(worker: Worker, op_type: str, types: Mapping[str, bytes], outputs: Sequence[str], **attributes: Any) -> str:
    try:
        _infer(worker, op_type, types, outputs, **attributes)
    except NativeError as error:
        return str(error)
    return ""  # pragma: no cover


# nodes that onnx's checker accepts and that onnx 1.23 dies on
CRASHES: Sequence[tuple[str, Mapping[str, bytes], Sequence[str], Mapping[str, Any]]] = (
    ("GatherND", {"x": _type((2, 3)), "i": _type((1, 2), 7)}, ("y",), {"batch_dims": -7}),
    ("LayerNormalization", {"x": _type((2, 3)), "s": _type((3,))}, ("y", "m"), {"axis": (1 << 63) - 1}),
    ("Split", {"x": _type((6,))}, ("a", "b", "c"), {"num_outputs": 2}),
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Worker]:
    with Worker() as found:
        yield found


def test_newest_opset(shared: Worker) -> None:
    assert shared.newest_opset == onnx.defs.onnx_opset_version()


def test_types(shared: Worker) -> None:
    assert _infer(shared, "Relu", {"x": _type((1, "N", 3))}) == {"y": (1, [1, "N", 3])}
    conv = {"x": _type((1, 3, 8, 8)), "w": _type((4, 3, 3, 3))}
    assert _infer(shared, "Conv", conv, pads=[1, 1, 1, 1], strides=[2, 2]) == {"y": (1, [1, 4, 4, 4])}
    assert _infer(shared, "Split", {"x": _type((6, 2))}, ("a", "b", "c"), num_outputs=3) == dict.fromkeys("abc", (1, [2, 2]))


def test_values_decide_shapes(shared: Worker) -> None:
    types = {"x": _type((2, 6)), "s": _type((3,), 7)}
    shape = onnx.helper.make_tensor("s", 7, (3,), [3, -1, 2])
    assert _infer(shared, "Reshape", types, data={"s": shape}) == {"y": (1, [3, 2, 2])}


@pytest.mark.parametrize(
    ("op_type", "types", "attributes"),
    [
        ("NoSuchOperator", {"x": _type((1,))}, {}),
        ("Concat", {"x": _type((1,))}, {}),  # without its axis
        ("Relu", {}, {}),
        ("MatMul", {"x": _type((2, 3)), "w": _type((4, 5))}, {}),
        ("Transpose", {"x": _type((2, 3))}, {"perm": [0, 5]}),
        ("Relu\udcff", {"x": _type((1,))}, {}),
        ("Relu", {"x": b"\xff"}, {}),
    ],
)
def test_what_onnx_refuses_has_no_types(shared: Worker, op_type: str, types: dict[str, bytes], attributes: dict[str, Any]) -> None:
    node = onnx.helper.make_node("Relu" if "Relu" in op_type else op_type, list(types), ["y"], **attributes)
    assert shared.infer(op_type, "", node.SerializeToString(), types, {}, OPSETS, 10) == {}
    assert _infer(shared, "Relu", {"x": _type((1,))}) == {"y": (1, [1])}


def test_a_node_that_is_no_protobuf(shared: Worker) -> None:
    assert shared.infer("Relu", "", b"\xff\xff", {}, {}, OPSETS, 10) == {}
    assert shared.infer("Relu", "", b"", {}, {}, {"": 1 << 40}, 1 << 40) == {}


@pytest.mark.parametrize(("op_type", "types", "outputs", "attributes"), CRASHES, ids=[case[0] for case in CRASHES])
def test_a_crash_ends_the_child_only(
    op_type: str, types: Mapping[str, bytes], outputs: Sequence[str], attributes: Mapping[str, Any]
) -> None:
    with Worker() as fresh:
        found = [_fault(fresh, op_type, types, outputs, **attributes) for _ in range(2)]
        if found == ["", ""]:  # pragma: no cover
            pytest.skip(f"onnx {onnx.__version__} survives it")
        how = f"onnx died with signal (6|11) in shape inference of {op_type}"
        for fault in found:
            assert re.fullmatch(rf"error\[E301\]: {how}\. The declared shapes are used instead\.", fault)
        assert _infer(fresh, "Relu", {"x": _type((5,))}) == {"y": (1, [5])}
        assert fresh.newest_opset == onnx.defs.onnx_opset_version()


def test_a_child_that_does_not_answer_is_ended() -> None:
    with Worker(timeout=0.5) as fresh:
        assert fresh.newest_opset > 0
        child = _child(fresh)
        os.kill(child.pid, signal.SIGSTOP)
        start = time.monotonic()
        with pytest.raises(NativeError) as caught:
            _infer(fresh, "Relu", {"x": _type((5,))})
        assert 0.5 <= time.monotonic() - start < 5
        assert caught.value.what == "onnx took more than 0.5 s in shape inference of Relu"
        assert child.returncode == -signal.SIGKILL
        assert _infer(fresh, "Relu", {"x": _type((5,))}) == {"y": (1, [5])}


def test_an_endless_loop_in_onnx_is_ended() -> None:
    with Worker(timeout=0.5) as fresh:
        fault = _fault(fresh, "Einsum", {"x": _type((2,))}, ("y",), equation="i2->i")
        if not fault:  # pragma: no cover
            pytest.skip(f"onnx {onnx.__version__} comes to an end")
        assert "onnx took more than 0.5 s in shape inference of Einsum" in fault
        assert _infer(fresh, "Relu", {"x": _type((5,))}) == {"y": (1, [5])}


def _child(found: Worker) -> subprocess.Popen[bytes]:
    process = found._process
    assert process is not None
    return process


def test_a_child_that_was_killed_is_replaced() -> None:
    with Worker() as fresh:
        assert fresh.newest_opset > 0
        child = _child(fresh)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        with pytest.raises(NativeError) as caught:
            _infer(fresh, "Relu", {"x": _type((5,))})
        assert caught.value.what == "onnx died with signal 9 in shape inference of Relu"
        assert _infer(fresh, "Relu", {"x": _type((5,))}) == {"y": (1, [5])}
        assert _child(fresh) is not child


def test_closing_leaves_no_process() -> None:
    with Worker() as fresh:
        assert fresh.newest_opset > 0
        child = _child(fresh)
        assert child.poll() is None
    assert child.returncode == -signal.SIGKILL
    assert fresh._process is None
    fresh.close()


def test_a_worker_starts_when_it_is_asked() -> None:
    fresh = Worker()
    assert fresh._process is None
    assert fresh.start() is fresh
    child = _child(fresh)
    assert fresh.start() is fresh
    assert _child(fresh) is child
    fresh.close()


def test_many_questions_in_a_row(shared: Worker) -> None:
    names = [f"n{i}" * 50 for i in range(400)]
    types = {name: _type((i, 2)) for i, name in enumerate(names)}
    assert _infer(shared, "Concat", types, axis=0) == {"y": (1, [sum(range(400)), 2])}


@LINUX
def test_the_child_is_limited(shared: Worker) -> None:
    assert shared.newest_opset > 0
    limits = {line[:26].strip(): line[26:].split()[0] for line in Path(f"/proc/{_child(shared).pid}/limits").read_text().splitlines()}
    assert limits["Max address space"] == str(worker.MEMORY_BYTES)
    assert limits["Max core file size"] == "0"
    assert limits["Max file size"] == "0"


@LINUX
def test_other_limits() -> None:
    with Worker() as fresh:
        assert fresh.newest_opset > 0
        child = _child(fresh)
        fresh.limit(3.0, worker.MEMORY_BYTES)
        assert (fresh.timeout, _child(fresh)) == (3.0, child)
        fresh.limit(3.0, 1 << 30)
        assert child.poll() is not None
        assert _infer(fresh, "Relu", {"x": _type((5,))}) == {"y": (1, [5])}
        assert f"{1 << 30} " in Path(f"/proc/{_child(fresh).pid}/limits").read_text()


@LINUX
def test_the_child_sees_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    with Worker() as fresh:
        assert fresh.newest_opset > 0
        assert b"TOKEN" not in Path(f"/proc/{_child(fresh).pid}/environ").read_bytes()


# when onnx cannot be started


def test_a_child_that_ends_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    with Worker() as fresh, pytest.raises(NativeError) as caught:
        _ = fresh.newest_opset
    assert str(caught.value) == (
        "error[E302]: onnx ended with status 3 in the start of shape inference. Reinstall onnx: pip install --force-reinstall onnx."
    )


def test_onnx_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "find_spec", lambda _: None)
    with pytest.raises(NativeError) as caught:
        Worker().start()
    assert str(caught.value) == ("error[E302]: onnx's extension module was not found. Reinstall onnx: pip install --force-reinstall onnx.")


# the child itself


def test_the_child_greets_answers_and_ends_with_its_input() -> None:
    script = Path(inference_child.__file__)
    command = [sys.executable, "-I", "-S", str(script), str(worker._extension_path()), str(worker.MEMORY_BYTES)]
    done = subprocess.run(command, input=b"", capture_output=True, check=True)
    newest = str(onnx.defs.onnx_opset_version()).encode()
    answer = b"\x00" + struct.pack("<I", len(newest)) + newest
    assert done.stdout == struct.pack("<I", len(answer)) + answer
    assert done.stderr == b""
    cut = subprocess.run(command, input=b"\x05\x00", capture_output=True, check=True)
    assert cut.stdout == done.stdout
