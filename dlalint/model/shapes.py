"""Types of tensors, asked of onnx one node at a time and remembered by what the node is, not by its name."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import lru_cache

from dlalint.graph import Op, Tensor, TensorType, volume
from dlalint.graphview import SHAPED_BY_FLOATS, Value
from dlalint.model import encode
from dlalint.model.kinds import Kinds
from dlalint.model.stored import MAX_ELEMENTS, MAX_RANK
from dlalint.model.tensors import TensorReader
from dlalint.worker import NativeError, Worker

MAX_CRASHES = 3  # then the rest of the model is read with the shapes it declares

Key = tuple[object, ...]


class ShapeOracle:
    """Answers what the outputs of a node are; shared by all models of a run, since the same nodes come again."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.kinds = Kinds()
        self._known: dict[Key, tuple[TensorType | None, ...]] = {}
        self._fatal: dict[Key, NativeError] = {}
        self.crashes: list[NativeError] = []
        self.questions = 0
        self.unanswered = 0
        self._seconds = 0.0  # that the answers for this model took

    def forget_crashes(self) -> None:
        """Start a new model: its crashes are its own, and so is its time."""
        self.crashes = []
        self._seconds = 0.0

    def make_room(self) -> bool:
        """Forget the answers when they have become too many, and say so; to be asked between two models."""
        full = self.kinds.make_room()
        if full:
            self._known.clear()
        return full

    def answer(
        self,
        op: Op,
        inputs: Sequence[TensorType | None],
        values: Sequence[Value | None],
        count: int,
        opsets: Mapping[str, int],
        ir_version: int,
    ) -> tuple[TensorType | None, ...] | None:
        """The types of the ``count`` outputs of ``op``, each ``None`` where onnx does not know it.

        ``inputs`` holds ``None`` for omitted inputs and for tensors of unknown type, ``values`` the constants that are known. The answer is
        ``None`` when onnx could not be asked: it crashed on this node, or this model has used up its time.
        """
        # other operators keep floats out of the key, so that all biases look alike
        floats = op.op_type in SHAPED_BY_FLOATS
        data = tuple(value if value is not None and (floats or value.dtype[0] != "f") else None for value in values)
        key = (op.wire or op, tuple(inputs), data, count, opsets.get(op.domain))
        found = self._known.get(key)
        if found is not None:
            return found
        if len(self.crashes) >= MAX_CRASHES or self._seconds >= self._worker.timeout:  # not remembered: another model may ask again
            self.unanswered += 1
            return None
        crash = self._fatal.get(key)
        if crash is None:
            start = time.monotonic()
            try:
                found = self._known[key] = self._ask(op, inputs, data, count, opsets, ir_version)
            except NativeError as error:
                crash = self._fatal[key] = error
            else:
                return found
            finally:
                self._spend(time.monotonic() - start)
        self.crashes.append(crash)
        self.unanswered += 1
        return None

    def _spend(self, seconds: float) -> None:
        """Count the time an answer took. A model that has used up its own is told of, and read on with the shapes it declares."""
        limit = self._worker.timeout
        if self._seconds < limit <= self._seconds + seconds and seconds < limit:  # one that takes it all at once is a crash anyway
            what = f"onnx took more than {limit:g} s in the shape inference of all nodes together"
            self.crashes.append(NativeError(what, cure="The declared shapes are used instead."))
        self._seconds += seconds

    def _ask(
        self,
        op: Op,
        inputs: Sequence[TensorType | None],
        data: Sequence[Value | None],
        count: int,
        opsets: Mapping[str, int],
        ir_version: int,
    ) -> tuple[TensorType | None, ...]:
        if not op.wire and _has_payload(op):
            return (None,) * count
        names = [f"i{index}" if found is not None else "" for index, found in enumerate(inputs)]
        types = {name: encode.tensor_type(found) for name, found in zip(names, inputs, strict=True) if found is not None}
        tensors = {}
        for name, value in zip(names, data, strict=False):
            encoded = encode.tensor(value.dtype, value.shape, value.items) if value is not None else None
            if encoded is not None and name:
                tensors[name] = encoded
        outputs = [f"o{index}" for index in range(count)]
        self.questions += 1
        answer = self._worker.infer(op.op_type, op.domain, encode.node(op, names, outputs), types, tensors, opsets, ir_version)
        return tuple(_decoded(answer[name]) if name in answer else None for name in outputs)


@lru_cache(4096)
def _decoded(stored: bytes) -> TensorType:
    return TensorReader(stored).type()


def _has_payload(op: Op) -> bool:
    """Whether attributes cannot be written again: tensors and graphs that were too long to keep as bytes."""
    return bool(op.graphs) or any(isinstance(value, Tensor) for value in op.attributes.values())


def merged(inferred: TensorType | None, declared: TensorType | None) -> TensorType | None:
    """What is known of a tensor from inference and from the file; inference wins where both speak."""
    if declared is not None:
        declared = _possible(declared)
    if inferred is None or inferred.dtype == "undefined":
        return declared
    inferred = _possible(inferred)
    if declared is None or declared.shape is None:
        return inferred
    if inferred.shape is None:
        return TensorType(inferred.dtype, declared.shape)
    if len(inferred.shape) != len(declared.shape):
        return inferred
    dims = tuple(a if isinstance(a, int) or not isinstance(b, int) else b for a, b in zip(inferred.shape, declared.shape, strict=True))
    return TensorType(inferred.dtype, dims)


def _possible(kind: TensorType) -> TensorType:
    """``kind`` without impossible sizes: exporters write -1 for a free dimension, onnx infers one where a window is too large."""
    if kind.shape is None:
        return kind
    shape = tuple(None if isinstance(dim, int) and not 0 <= dim < 1 << 31 else dim for dim in kind.shape)
    if len(shape) > MAX_RANK or volume(tuple(dim for dim in shape if isinstance(dim, int) and dim)) >= MAX_ELEMENTS:
        return TensorType(kind.dtype, None)
    return TensorType(kind.dtype, shape)
