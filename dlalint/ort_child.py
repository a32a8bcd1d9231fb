"""The process behind :mod:`dlalint.numeric.process`: onnxruntime, and nothing else. Imports nothing of dlalint.

Started as ``python -I ort_child.py <own folder> <bytes of memory, 0 for no limit> <folders of packages>...``. A message is a length, a JSON
header, and the raw elements of the arrays that the header describes. Requests are trusted; answers are not, since this process is not once
C++ has faulted.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import struct
import sys
from typing import Any, BinaryIO

MAX_BYTES = 2 << 30  # of all outputs of one run
KEPT = 4  # sessions: a proof goes between two models, five times and more
ELEMENTS = frozenset("float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool".split())


def _limit(memory: int) -> None:
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # when memory runs out, this process is the one to go
        file.write("1000")
    try:
        import resource
    except ImportError:  # not on Windows
        return
    limits = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0)]
    if memory and sys.platform == "linux":
        limits.append((resource.RLIMIT_AS, memory))
    for name, value in limits:
        hard = resource.getrlimit(name)[1]
        lower = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(name, (lower, lower))


def _send(out: BinaryIO, header: dict[str, Any], arrays: tuple[Any, ...] = ()) -> None:
    body = json.dumps(header).encode()
    out.write(struct.pack("<Q", len(body)) + body)
    for array in arrays:
        out.write(array.reshape(-1).view("uint8").data)
    out.flush()


class _Server:
    def __init__(self, source: BinaryIO, out: BinaryIO, numpy: Any, runtime: Any) -> None:
        self.source = source
        self.out = out
        self.numpy = numpy
        self.runtime = runtime
        self.sessions: dict[str, Any] = {}

    def serve(self) -> None:
        """Answer requests until the other side closes."""
        while True:
            length = self.source.read(8)
            if len(length) < 8:
                return
            body = self.source.read(struct.unpack("<Q", length)[0])
            if not body.endswith(b"}"):
                raise EOFError
            request = json.loads(body)
            feeds = {name: self._array(dtype, shape) for name, dtype, shape in request["feeds"]}
            if hasattr(signal, "alarm"):  # should the parent be gone, nobody else would end an endless run
                signal.alarm(int(request["seconds"]) + 5)
            try:
                header, arrays = self._answered(request, feeds)
            except MemoryError:
                header, arrays = {"error": "out of memory"}, ()
            except Exception as error:  # whatever the bindings raise is an answer, not a fault
                header, arrays = {"error": str(error)[:4000]}, ()
            _send(self.out, header, arrays)
            if hasattr(signal, "alarm"):
                signal.alarm(0)

    def _answered(self, request: dict[str, Any], feeds: dict[str, Any]) -> tuple[dict[str, Any], tuple[Any, ...]]:
        if request["job"] == "forget":
            self.sessions.pop(request["key"], None)
            return {}, ()
        return self._interface(request) if request["job"] == "interface" else self._run(request, feeds)

    def _array(self, dtype: str, shape: list[int]) -> Any:
        array = self.numpy.empty(shape, dtype)
        if array.size and self.source.readinto(array.reshape(-1).view("uint8").data) != array.nbytes:  # type: ignore[attr-defined]
            raise EOFError
        return array

    def _session(self, request: dict[str, Any]) -> Any:
        key = request["key"]
        session = self.sessions.pop(key, None)
        if session is None:
            while len(self.sessions) >= KEPT:
                del self.sessions[next(iter(self.sessions))]
            options = self.runtime.SessionOptions()
            options.graph_optimization_level = self.runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.log_severity_level = 4
            options.enable_cpu_mem_arena = False  # several sessions live at once: none may keep what it does not use
            session = self.runtime.InferenceSession(request["model"], options, providers=["CPUExecutionProvider"])
        self.sessions[key] = session
        return session

    def _interface(self, request: dict[str, Any]) -> tuple[dict[str, Any], tuple[Any, ...]]:
        session = self._session(request)
        sides = {"inputs": session.get_inputs(), "outputs": session.get_outputs()}
        return {side: [[item.name, item.type, list(item.shape)] for item in items] for side, items in sides.items()}, ()

    def _run(self, request: dict[str, Any], feeds: dict[str, Any]) -> tuple[dict[str, Any], tuple[Any, ...]]:
        session = self._session(request)
        names = [item.name for item in session.get_outputs()] if request["wanted"] is None else request["wanted"]
        found = session.run(names, feeds) if names else []
        for name, value in zip(names, found):  # noqa: B905 - onnxruntime gives as many as were asked for
            if str(getattr(value, "dtype", "")) not in ELEMENTS:
                return {"error": f"output {name!r} is no tensor of numbers"}, ()
        if sum(value.nbytes for value in found) > MAX_BYTES:
            return {"error": f"its outputs hold more than {MAX_BYTES >> 30} GiB"}, ()
        arrays = tuple(self.numpy.asarray(value, order="C") for value in found)
        return {"arrays": [[name, str(array.dtype), list(array.shape)] for name, array in zip(names, arrays)]}, arrays  # noqa: B905


def main() -> None:
    """Serve requests from stdin until it closes, then remove the own folder: the parent may have been killed."""
    folder, memory = sys.argv[1], int(sys.argv[2])
    sys.path += sys.argv[3:]
    source = sys.stdin.buffer
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what native code prints is no answer
    with contextlib.suppress(BrokenPipeError, EOFError):  # as when stdin closes: nobody is there
        _serve(source, out, memory)
    shutil.rmtree(folder, ignore_errors=True)


def _serve(source: BinaryIO, out: BinaryIO, memory: int) -> None:
    try:
        import numpy
        import onnxruntime

        onnxruntime.set_default_logger_severity(4)
        onnxruntime.disable_telemetry_events()
    except Exception as error:  # an installation that cannot be imported
        _send(out, {"error": str(error)[:4000]})
    else:
        _limit(memory)
        _send(out, {"version": onnxruntime.__version__})
        _Server(source, out, numpy, onnxruntime).serve()
    source.read()  # until the parent is gone


if __name__ == "__main__":
    main()
