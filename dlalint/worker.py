"""The one door to native code that may crash or hang: a child process with limits, restarted when it dies."""

from __future__ import annotations

import contextlib
import marshal
import os
import select
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from types import TracebackType

from dlalint.errors import DlalintError

TIMEOUT_SECONDS = 10.0
MEMORY_BYTES = 2 << 30
_REINSTALL = "Reinstall onnx: pip install --force-reinstall onnx."


class NativeError(DlalintError):
    """Native code died or did not answer in time while working on one operator."""

    default_code = "E301"


class Worker:
    """Shape inference by onnx, outside this process. Start early: it loads while the parent does other things."""

    def __init__(self, timeout: float = TIMEOUT_SECONDS, memory: int = MEMORY_BYTES) -> None:
        """``timeout`` in seconds for each answer, ``memory`` in bytes of address space."""
        self.timeout = timeout
        self._memory = memory
        self._process: subprocess.Popen[bytes] | None = None
        self._newest = 0
        self._greeted = False

    def start(self) -> Worker:
        """Start the child without waiting for it."""
        if self._process is None:
            child = os.path.join(os.path.dirname(__file__), "inference_child.py")
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", child, _extension_path(), str(self._memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={key: os.environ[key] for key in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT") if key in os.environ},
            )
            self._greeted = False
        return self

    def limit(self, timeout: float, memory: int) -> None:
        """Set other limits than those it was made with. A child with another limit on its memory is replaced by the next question."""
        self.timeout = timeout
        if memory != self._memory:
            self.close()
            self._memory = memory

    def _ready(self) -> subprocess.Popen[bytes]:
        self.start()
        process = self._process
        assert process is not None
        if not self._greeted:
            try:
                self._newest = int(self._receive(process, "the start of shape inference")[0])
            except NativeError as error:
                raise NativeError(error.what, cure=_REINSTALL, code="E302") from None
            self._greeted = True
        return process

    @property
    def newest_opset(self) -> int:
        """The newest version of the standard operator set that the installed onnx knows."""
        self._ready()
        return self._newest

    def infer(
        self,
        op_type: str,
        domain: str,
        node: bytes,
        types: Mapping[str, bytes],
        data: Mapping[str, bytes],
        opsets: Mapping[str, int],
        ir_version: int,
    ) -> dict[str, bytes]:
        """The TypeProto bytes of a node's outputs by name. Empty when onnx refuses the node; :class:`NativeError` when it dies on it."""
        process = self._ready()
        request = (op_type, domain, opsets.get(domain, 1), node, dict(types), dict(data), dict(opsets), ir_version)
        body = marshal.dumps(request)
        doing = f"shape inference of {op_type}"
        try:
            process.stdin.write(struct.pack("<I", len(body)) + body)  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        except OSError:
            self._fail(doing)
        parts = self._receive(process, doing)
        return {parts[i].decode(): parts[i + 1] for i in range(0, len(parts) - 1, 2)}

    def _receive(self, process: subprocess.Popen[bytes], doing: str) -> list[bytes]:
        assert process.stdout is not None
        descriptor = process.stdout.fileno()
        killer: threading.Timer | None = None
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            if not poll.poll(self.timeout * 1000):
                process.kill()
                self._fail(doing, hung=True)
        else:  # pragma: no cover - Windows cannot poll a pipe
            killer = threading.Timer(self.timeout, process.kill)
            killer.start()
        header = process.stdout.read(4)
        body = process.stdout.read(struct.unpack("<I", header)[0]) if len(header) == 4 else b""
        if killer is not None:  # pragma: no cover
            killer.cancel()
        if not body:
            self._fail(doing)
        if body[0]:
            return []
        parts, pos = [], 1
        while pos + 4 <= len(body):
            (length,) = struct.unpack_from("<I", body, pos)
            parts.append(body[pos + 4 : pos + 4 + length])
            pos += 4 + length
        return parts

    def _fail(self, doing: str, *, hung: bool = False) -> None:
        code = self._reap()
        how = f"took more than {self.timeout:g} s" if hung else f"died with signal {-code}" if code < 0 else f"ended with status {code}"
        raise NativeError(f"onnx {how} in {doing}", cure="The declared shapes are used instead.")

    def _reap(self) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            return process.wait(1)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def close(self) -> None:
        """End the child."""
        if self._process is not None:
            self._process.kill()  # does nothing to one that has ended
            self._process.wait()  # with a timeout it would look again and again, and sleep for milliseconds between
        self._reap()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _extension_path() -> str:
    spec = find_spec("onnx")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for suffix in EXTENSION_SUFFIXES:
            path = os.path.join(folder, f"onnx_cpp2py_export{suffix}")
            if os.path.exists(path):
                return path
    raise NativeError("onnx's extension module was not found", cure=_REINSTALL, code="E302")
