"""Running models with onnxruntime: the door for all that want numbers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from dlalint.errors import DlalintError, UsageError, reason
from dlalint.graph import Model, TensorType
from dlalint.model.external import faulty_side_files, tensors
from dlalint.model.load import load
from dlalint.model.skeleton import excise
from dlalint.model.stored import quoted
from dlalint.named_tuple import NamedTuple
from dlalint.numeric.placing import placed
from dlalint.numeric.process import Process, RunError, refusal
from dlalint.ort_child import ELEMENTS, KEPT

MAPPED_BYTES = 16 << 20  # onnxruntime copies the weights inside of a file, and maps those beside it: 3.5 s of 1.5 GB, or 0.05
_NEWER = ("Unsupported model IR version", "official released onnx opset versions")
_NAMES = {"float": "float32", "double": "float64"}


class Interface(NamedTuple):
    """The inputs of a model that have no initializer, and its outputs in the order in which its nodes make them."""

    inputs: dict[str, TensorType]
    outputs: dict[str, TensorType]


class _Source(NamedTuple):
    """A model file that was looked at. ``where`` is what messages call it; ``stamp`` changes when a file of it does.

    ``given`` is what onnxruntime is told to open: the file itself, or one without its weights and the folder in which it finds these.
    """

    path: str
    where: str
    stamp: tuple[Any, ...]
    sides: tuple[str, ...]
    declared: Mapping[str, TensorType]
    outputs: tuple[str, ...]
    given: Mapping[str, str]


class Runner:
    """Runs models on the CPU, in a child process with one thread and all graph optimizations off. Use as a context manager."""

    def __init__(self, timeout: float = 120.0, memory: int | None = None) -> None:
        """``timeout`` in seconds for each run, ``memory`` in bytes that onnxruntime may take (``None``: what the machine has)."""
        self._process = Process(timeout, memory)
        self._sources: dict[str, _Source] = {}
        self._handed: list[tuple[bytes, str]] = []  # models that came as bytes, and the files they were written to
        self._count = 0

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the child and remove its files."""
        self._process.close()
        self._handed.clear()
        self._sources.clear()  # what was put into the folder is gone

    def outputs(
        self, model: str | bytes, feeds: Mapping[str, NDArray[Any]], wanted: Sequence[str] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Run ``model`` and return the outputs ``wanted`` by name (all when ``None``).

        ``model`` is a path, beside which its side files lie, or a serialized model without side files. Raises :class:`RunError` when
        onnxruntime refuses it, dies or takes too long, another :class:`DlalintError` when it is no model that can be read.
        """
        described, arrays = sendable(feeds)
        names = None if wanted is None else list(wanted)
        _, found = self._ask(model, {"job": "run", "feeds": described, "wanted": names}, arrays)
        if names is not None and set(names) != set(found):
            self._process.nonsense()
        return found

    def inputs(self, model: str | bytes) -> dict[str, TensorType]:
        """The graph inputs that have no initializer. Raises as :meth:`outputs` does."""
        return self.interface(model).inputs

    def interface(self, model: str | bytes) -> Interface:
        """Inputs and outputs as onnxruntime sees them. Raises as :meth:`outputs` does."""
        header, _ = self._ask(model, {"job": "interface", "feeds": []})
        source = self._source(model)
        try:
            inputs = {name: tensor_type(kind, shape, source.declared.get(name)) for name, kind, shape in header["inputs"]}
            outputs = {name: tensor_type(kind, shape, source.declared.get(name)) for name, kind, shape in header["outputs"]}
        except (KeyError, TypeError, ValueError):
            self._process.nonsense()
        return Interface(inputs, {name: outputs[name] for name in source.outputs if name in outputs})

    def forget(self, model: str | bytes) -> None:
        """Free what onnxruntime holds of a model. Small ones stay, as they cost little and may come again."""
        if isinstance(model, str):
            self._ask(model, {"job": "forget", "feeds": []})

    def _ask(
        self, model: str | bytes, request: Mapping[str, Any], arrays: Sequence[NDArray[Any]] = ()
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        source = self._source(model)
        key = f"{source.path} {_stamp((source.path, *source.sides))}"
        return self.exchange({**request, **source.given, "key": key}, arrays, source.where)

    def located(self, model: str | bytes) -> tuple[str, str]:
        """The path of a model's file, and what messages call it. Raises as :meth:`outputs` does when it or a side file cannot be read."""
        source = self._source(model)
        return source.path, source.where

    @property
    def folder(self) -> str:
        """Where files for the child may be put: they go with it."""
        return self._process.folder

    def exchange(
        self, request: Mapping[str, Any], arrays: Sequence[NDArray[Any]], where: str
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """One request to the child and its answer: header, and arrays by name. Raises :class:`RunError` at ``where``."""
        try:
            header, found = self._process.ask(request, arrays)
            if "error" in header:
                said = refusal(str(header["error"]), self._process.folder)
                cure = "Update onnxruntime." if any(text in said for text in _NEWER) else "Check the model: onnx.checker.check_model."
                raise RunError(f"onnxruntime cannot run it: {said}", cure=cure)
        except RunError as error:
            error.where = error.where or where
            raise
        return header, found

    def nonsense(self) -> NoReturn:
        """End a child whose answer cannot be understood. Raises :class:`RunError`."""
        self._process.nonsense()

    def _source(self, model: str | bytes) -> _Source:
        path = os.path.abspath(model) if isinstance(model, str) else self._written(model)
        where = model if isinstance(model, str) else "the model"
        known = self._sources.get(path)
        if known is not None and known.stamp == _stamp((path, *known.sides)):
            return known
        try:
            found = self._look(model if isinstance(model, str) else path, where)
        except DlalintError as error:
            error.where = where
            raise
        self._sources[path] = found
        return found

    def _look(self, given: str, where: str) -> _Source:
        """Read the structure of a model. Refuses side files that are missing, unfetched or outside of its folder."""
        model, path = load(given), os.path.abspath(given)
        faults = faulty_side_files(model)
        if faults:
            name, fault = faults[0]
            raise RunError(f"its side file {quoted(name)} is {fault}", cure="Put the weights beside the model.")
        folder = os.path.dirname(path)
        sides = dict.fromkeys(os.path.join(folder, tensor.where.file) for tensor in tensors(model) if tensor.where and tensor.where.file)
        made = {name: number for number, node in enumerate(model.graph.nodes) for name in node.outputs}
        outputs = sorted(model.graph.outputs, key=lambda name: made.get(name, -1))
        stamp = _stamp((path, *sides))
        return _Source(path, where, stamp, tuple(sides), model.graph.declared, tuple(outputs), self._given(path, model))

    def _given(self, path: str, model: Model) -> dict[str, str]:
        """What the child opens for the model at ``path``: where that is large, a copy without the weights inside, which refers to them."""
        plain = {"model": path}
        if model.size < MAPPED_BYTES or os.name != "posix":  # elsewhere a file that is mapped cannot be replaced
            return plain
        try:
            skeleton, home = placed(excise(path), model, path)
        except DlalintError:  # it refers to itself already
            return plain
        return {"model": self._put(skeleton), "home": home} if len(skeleton) < model.size // 2 else plain

    def _put(self, data: bytes) -> str:
        """Write a model into the folder that goes with the child."""
        self._count += 1
        path = os.path.join(self._process.folder, f"model-{self._count}.onnx")
        try:
            with open(path, "wb") as file:
                file.write(data)
        except OSError as error:
            raise RunError(f"no room for a copy of it ({reason(error)})", where="the model", cure="Set TMPDIR to another folder.") from None
        return path

    def _written(self, model: bytes) -> str:
        for data, path in self._handed:
            if data == model:
                return path
        while len(self._handed) >= KEPT:
            oldest = self._handed.pop(0)[1]
            self._sources.pop(oldest, None)
            os.unlink(oldest)
        path = self._put(model)
        self._handed.append((model, path))
        return path


def sendable(feeds: Mapping[str, NDArray[Any]]) -> tuple[list[list[Any]], list[NDArray[Any]]]:
    """The arrays as a request describes and sends them. Raises :class:`UsageError` for one that is not of numbers of up to 64 bits."""
    arrays = {name: np.asarray(array, order="C") for name, array in feeds.items()}
    odd = next((name for name, array in arrays.items() if str(array.dtype) not in ELEMENTS), None)
    if odd is not None:
        what, cure = f"it is fed with {arrays[odd].dtype}", "Feed numbers of up to 64 bits in the machine's byte order."
        raise UsageError(what, where=f"input {quoted(odd)}", cure=cure, code="E520")
    return [[name, str(array.dtype), list(array.shape)] for name, array in arrays.items()], list(arrays.values())


def _stamp(paths: Sequence[str]) -> tuple[Any, ...]:
    """Something that changes when one of the files does."""
    found: list[Any] = []
    for path in paths:
        try:
            status = os.stat(path)
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
        except OSError:
            found.append(None)
    return tuple(found)


def tensor_type(kind: object, shape: Sequence[object], declared: TensorType | None) -> TensorType:
    """What onnxruntime says of a tensor. A scalar and a tensor of free rank look alike there: which it is the file has ``declared``."""
    element = str(kind)
    if element.startswith("tensor("):
        element = element[7:-1]
    if not shape and (declared is None or declared.shape is None):
        return TensorType(_NAMES.get(element, element), None)
    dims = tuple(dim if isinstance(dim, str) or (type(dim) is int and dim >= 0) else None for dim in shape)
    return TensorType(_NAMES.get(element, element), dims)
