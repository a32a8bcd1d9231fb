"""The process behind :mod:`dlalint.numeric.process`: onnxruntime, and nothing else. Imports nothing of dlalint.

Started as ``python -I ort_child.py <own folder> <bytes of memory, 0 for no limit> <folders of packages>...``. A message is a length, a JSON
header, and the raw elements of the arrays that the header describes. Requests are trusted; answers are not, since this process is not once
C++ has faulted.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import signal
import struct
import sys
from typing import Any, BinaryIO

MAX_BYTES = 2 << 30  # of all outputs of one run
KEPT = 4  # sessions: a proof goes between two models, five times and more
CHUNK = 1 << 16  # elements looked at together: they stay in the cache from one step to the next
LEAST = -100  # binary exponent: a tensor whose elements are all below 2**-100 is binned as if they were not
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


class Tally:
    """What is kept of a tensor of floats over all runs: a few numbers, and a histogram of its absolute values with ``bins`` bins if any.

    The histogram covers ``[0, 2**exponent)`` with the least exponent that holds all elements. Where a larger one comes the bins are merged,
    so that it is the same whatever the order and the runs in which elements come.
    """

    def __init__(self, numpy: Any, bins: int) -> None:
        self.numpy = numpy
        self.low, self.high, self.smallest = math.inf, -math.inf, math.inf
        self.nonfinite = self.count = 0
        self.exponent = LEAST
        self.counts = numpy.zeros(bins, numpy.int64)

    def add(self, array: Any) -> None:
        """Count the elements of an array of floats in."""
        flat = array.reshape(-1)
        self.count += flat.size
        for start in range(0, flat.size, CHUNK):
            chunk = flat[start : start + CHUNK]
            self._add(chunk.astype("float32") if chunk.itemsize == 2 else chunk)

    def _add(self, chunk: Any) -> None:
        low, high = float(chunk.min()), float(chunk.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            finite = chunk[self.numpy.isfinite(chunk)]
            self.nonfinite += chunk.size - finite.size
            if finite.size:
                self._add(finite)
            return
        self.low, self.high = min(self.low, low), max(self.high, high)
        if low > 0 or high < 0:
            self.smallest = min(self.smallest, low if low > 0 else -high)
        elif low < 0 or high > 0:
            self.smallest = min(self.smallest, self._smallest(chunk))
        if self.counts.size:
            self._bin(chunk, max(-low, high))

    def _smallest(self, chunk: Any) -> float:
        """The smallest absolute value but zero, of which there is one: that of the smallest bits without their sign."""
        bits = chunk.view(f"uint{8 * chunk.itemsize}") << 1
        bits -= 1  # zero becomes the largest
        found = self.numpy.asarray((bits.min() >> 1) + 1, bits.dtype)
        return float(found.view(chunk.dtype))

    def _bin(self, chunk: Any, largest: float) -> None:
        numpy, bins = self.numpy, self.counts.size
        exponent = max(math.frexp(largest)[1], LEAST)
        if exponent > self.exponent:
            self._widen(exponent)
        scaled = numpy.abs(chunk)
        scaled *= scaled.dtype.type(math.ldexp(bins, -self.exponent))  # by a power of two: nothing is rounded
        self.counts += numpy.bincount(scaled.astype("int32"), minlength=bins)

    def _widen(self, exponent: int) -> None:
        bins = self.counts.size
        together = min(1 << min(exponent - self.exponent, 64), bins)
        merged = self.counts.reshape(-1, together).sum(1)
        self.counts = self.numpy.zeros(bins, self.numpy.int64)
        self.counts[: merged.size] = merged
        self.exponent = exponent

    def numbers(self) -> tuple[float, ...]:
        """Least, largest and smallest absolute element but zero, of the finite ones; how many are not finite, and how many there are."""
        if self.low > self.high:
            return 0.0, 0.0, 0.0, self.nonfinite, self.count
        return self.low, self.high, 0.0 if self.smallest == math.inf else self.smallest, self.nonfinite, self.count


class _Server:
    def __init__(self, source: BinaryIO, out: BinaryIO, numpy: Any, runtime: Any) -> None:
        self.source = source
        self.out = out
        self.numpy = numpy
        self.runtime = runtime
        self.sessions: dict[str, Any] = {}
        self.tallies: dict[str, Tally] = {}
        self.bins = self.batches = 0
        self.arena = False
        self.live: dict[str, Any] = {}  # what the pieces of a model that are still to run take

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
        job = request["job"]
        if job == "forget":
            self.sessions.pop(request["key"], None)
            return {}, ()
        if job in ("interface", "run"):
            return self._interface(request) if job == "interface" else self._run(request, feeds)
        if job == "tallied":
            return self._tallied(request["names"])
        if job == "tally":
            self.tallies, self.bins, self.batches, self.live = {}, request["bins"], 0, {}
        elif job == "feed":
            self.live = feeds
            self.batches += 1
            self._tally(request["tally"], feeds)
        sizes = self._piece(request) if job == "piece" else []
        return {"batches": self.batches, "sizes": sizes}, ()

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
            session = self._opened(request, options)
        self.sessions[key] = session
        return session

    def _opened(self, request: dict[str, Any], options: Any) -> Any:
        model = request["model"]
        if "home" not in request:
            return self.runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        if request.get("shared"):
            self._share_memory(options)
        with open(model, "rb") as file:
            data = file.read()
        own = os.getcwd()
        os.chdir(request["home"])  # where a model without a path of its own has its side files
        try:
            return self.runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        finally:
            os.chdir(own)

    def _share_memory(self, options: Any) -> None:
        """Let pieces of a model take their memory from one place and put it back there: that of the system is slow, or leaves gaps."""
        if not self.arena:
            runtime = self.runtime
            memory = runtime.OrtMemoryInfo("Cpu", runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, runtime.OrtMemType.DEFAULT)
            runtime.create_and_register_allocator(memory, runtime.OrtArenaCfg({"arena_extend_strategy": 1}))  # by what is asked for
            self.arena = True
        options.enable_cpu_mem_arena = True
        options.add_session_config_entry("session.use_env_allocators", "1")

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

    def _piece(self, request: dict[str, Any]) -> list[int]:
        """Run a piece of a model on what is there, count its tensors, and keep what later pieces take."""
        session = self._session(request)
        names = request["gives"]
        found = session.run(names, {name: self.live[name] for name in request["takes"]}) if names else []
        given = dict(zip(names, found))  # noqa: B905
        del found
        sizes = [given[name].nbytes for name in request["tally"]]
        kept = frozenset(request["keeps"])
        self.live = {name: value for name, value in {**self.live, **given}.items() if name in kept}
        self._tally(request["tally"], given)
        return sizes

    def _tally(self, names: list[str], arrays: dict[str, Any]) -> None:
        for name in names:
            if name not in self.tallies:
                self.tallies[name] = Tally(self.numpy, self.bins)
            self.tallies[name].add(arrays.pop(name) if name not in self.live else arrays[name])

    def _tallied(self, names: list[str]) -> tuple[dict[str, Any], tuple[Any, ...]]:
        numpy = self.numpy
        found = [self.tallies[name] for name in names]
        numbers = numpy.array([tally.numbers() for tally in found], "float64").reshape(-1, 5)
        counts = numpy.array([tally.counts for tally in found], "int64").reshape(len(found), -1)
        arrays = {"numbers": numbers, "exponents": numpy.array([tally.exponent for tally in found], "int64"), "counts": counts}
        described = [[name, str(array.dtype), list(array.shape)] for name, array in arrays.items()]
        return {"arrays": described, "batches": self.batches}, tuple(arrays.values())


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
