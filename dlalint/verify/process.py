"""The child process that onnxruntime runs in: started when needed, ended in time, replaced after a crash."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from math import prod
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from dlalint import ort_child
from dlalint.errors import DlalintError

REFUSED = "E303"
_HEADER_BYTES = 64 << 20
_SHOWN = 300
_CUTOFF = 4000  # characters of a message that are looked at
_BLAME = "One of its nodes brings out a fault of onnxruntime."
_REINSTALL = "Reinstall it: pip install --force-reinstall onnxruntime."
# what onnxruntime puts before its messages: a status, and the place in its source
_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : (?:Load model from .*? failed:)?")
_PLACE = re.compile(r"/\S+\.(?:cc|h|cpp):\d+ [^()]*\((?:[^()]|\([^()]*\))*\) ")


class RunError(DlalintError):
    """onnxruntime refused a model or its inputs (E303), died (E304), took too long (E305), or is not there (E306)."""

    default_code = REFUSED


class Process:
    """One onnxruntime. Everything that comes back from it is checked, nothing is unpickled."""

    def __init__(self, timeout: float, memory: int | None) -> None:
        """``timeout`` in seconds for each answer, ``memory`` in bytes (``None``: what the machine has)."""
        self._timeout = timeout
        self._memory = _physical() if memory is None else memory
        self._process: subprocess.Popen[bytes] | None = None
        self._late = False
        self._greeted = False
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def folder(self) -> str:
        """The child's own folder. The child runs as long as it is there, and removes it should this process be killed."""
        self._start()
        assert self._folder is not None
        return self._folder.name

    def ask(self, header: Mapping[str, Any], arrays: Sequence[NDArray[Any]] = ()) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Send a request and return the answer: its header, and the arrays in it by name. Raises :class:`RunError`."""
        try:
            with self._deadline():
                self._start()
                self._greet()
                self._send({**header, "seconds": self._timeout}, arrays)
                return self._receive()
        except BaseException:  # an interrupted exchange must not leave an answer for the next one
            self._reap()
            raise

    def _send(self, header: Mapping[str, Any], arrays: Sequence[NDArray[Any]]) -> None:
        body = json.dumps(header).encode()
        stream = self._running().stdin
        assert stream is not None
        try:
            stream.write(struct.pack("<Q", len(body)) + body)
            for array in arrays:
                stream.write(array.reshape(-1).view(np.uint8).data)
            stream.flush()
        except OSError:
            self._fail()

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def _start(self) -> None:
        """Start the child without waiting for it."""
        if self._process is not None and self._process.poll() is None:
            return
        self._reap()
        packages = _packages()
        self._greeted = False
        try:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="dlalint-", ignore_cleanup_errors=True)
            folder = self._folder.name
            self._process = subprocess.Popen(
                [sys.executable, "-I", ort_child.__file__, folder, str(self._memory), *packages],
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(folder),
            )
        except OSError as error:
            what = f"its process cannot be started ({error.strerror})"
            raise RunError(what, where="onnxruntime", cure="Check TMPDIR and the limits of this session.", code="E306") from None

    def _greet(self) -> None:
        if self._greeted:
            return
        greeting, _ = self._receive()
        if "version" not in greeting:
            self._reap()
            what = f"it cannot be loaded ({_line(str(greeting.get('error')))})"
            raise RunError(what, where="onnxruntime", cure=_REINSTALL, code="E306")
        self._greeted = True

    @contextlib.contextmanager
    def _deadline(self) -> Iterator[None]:
        """Ends the child when an answer takes too long, which ends every wait for it."""
        self._late = False
        timer = threading.Timer(self._timeout, self._expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _expire(self) -> None:
        self._late = True
        process = self._process
        if process is not None:
            process.kill()

    def _receive(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """The next message. A child that was corrupted may say anything: what makes no sense ends it."""
        try:
            (length,) = struct.unpack("<Q", self._read(8).tobytes())
            if length > _HEADER_BYTES:
                raise ValueError(length)
            header = json.loads(self._read(length).tobytes())
            arrays = {str(name): self._array(str(dtype), shape) for name, dtype, shape in header.get("arrays", ())}
        except (ValueError, TypeError, AttributeError, RecursionError):
            self.nonsense()
        return header, arrays

    def _array(self, dtype: str, shape: Any) -> NDArray[Any]:
        if dtype not in ort_child.ELEMENTS or len(shape) > 64 or not all(type(dim) is int and 0 <= dim < 1 << 40 for dim in shape):
            raise ValueError(dtype)
        size = prod(shape) * np.dtype(dtype).itemsize
        if size > ort_child.MAX_BYTES:
            raise ValueError(size)
        found: NDArray[Any] = self._read(size).view(dtype).reshape(shape)
        return found

    def _read(self, size: int) -> NDArray[np.uint8]:
        stream = self._running().stdout
        assert stream is not None
        data = np.empty(size, np.uint8)
        if size and stream.readinto(data.data) != size:  # type: ignore[attr-defined]
            self._fail()
        return data

    def _fail(self) -> NoReturn:
        process = self._process
        if process is not None and not self._late:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
        code = self._reap()
        if self._late:
            what = f"onnxruntime took more than {self._timeout:g} s"
            raise RunError(what, cure="Allow it more time, or give it a smaller model.", code="E305")
        how = f"died with {_signal(-code)}" if code < 0 else f"ended with status {code}"
        cure = "It was probably out of memory." if code == -getattr(signal, "SIGKILL", 9) else _BLAME
        raise RunError(f"onnxruntime {how}", cure=cure, code="E304")

    def nonsense(self) -> NoReturn:
        """End a child whose answer cannot be understood. Raises :class:`RunError`."""
        self._reap()
        raise RunError("onnxruntime gave an answer that makes no sense", cure=_BLAME, code="E304")

    def _reap(self) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.poll() is None:
            process.kill()
        code = process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        return code

    def close(self) -> None:
        """End the child and remove its folder."""
        self._reap()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def refusal(text: str, folder: str) -> str:
    """What onnxruntime says, in one line: its first, without status, place in its source and our own folder."""
    first = text[:_CUTOFF].strip().split("\n", 1)[0]
    return _line(_PLACE.sub("", _PREFIX.sub("", first)).replace(folder + os.sep, "").rstrip(". "))


def _line(text: str) -> str:
    safe = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return safe if len(safe) <= _SHOWN else f"{safe[: _SHOWN - 3]}..."


def _signal(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"


def _packages() -> list[str]:
    """The folders that hold numpy and onnxruntime: an isolated Python does not look everywhere this one does."""
    found = []
    for name in ("numpy", "onnxruntime"):
        spec = find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise RunError("it is not installed", where=name, cure=f"Install it: pip install {name}.", code="E306")
        found.append(os.path.dirname(os.path.abspath(spec.submodule_search_locations[0])))
    return list(dict.fromkeys(found))


def _environment(folder: str) -> dict[str, str]:
    kept = {key: os.environ[key] for key in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT") if key in os.environ}
    homes = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TMPDIR", "TMP", "TEMP"), folder)
    return {**kept, **homes, "ORT_DISABLE_TELEMETRY": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def _physical() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 0
