"""An ONNX model as plain frozen values: what the reader yields and everything later reads."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Union

from dlalint.named_tuple import NamedTuple

# onnx.proto, TensorProto.DataType in its order: name and bytes per element, less than one for packed types
_ELEMENTS = (
    "undefined 0 float32 4 uint8 1 int8 1 uint16 2 int16 2 int32 4 int64 8 string 0 bool 1 float16 2 float64 8 uint32 4 uint64 8"
    " complex64 8 complex128 16 bfloat16 2 float8e4m3fn 1 float8e4m3fnuz 1 float8e5m2 1 float8e5m2fnuz 1 uint4 0.5 int4 0.5"
    " float4e2m1 0.5 float8e8m0 1 uint2 0.25 int2 0.25"
).split()
DTYPES: Mapping[int, tuple[str, float]] = MappingProxyType(
    {code: (name, float(size)) for code, (name, size) in enumerate(zip(_ELEMENTS[::2], _ELEMENTS[1::2], strict=True))}
)
DTYPE_CODES: Mapping[str, int] = MappingProxyType({name: code for code, (name, _) in DTYPES.items()})
NUMPY_FLOATS = frozenset({"float16", "float32", "float64"})
FLOATING = NUMPY_FLOATS | {"bfloat16"}

Dim = Union[int, str, None]
Shape = tuple[Dim, ...]
Scalar = Union[int, float, bool]


def dtype_name(code: int) -> str:
    """The name of an ONNX element type, ``unknown-<code>`` for one this release does not know."""
    return DTYPES[code][0] if code in DTYPES else f"unknown-{code}"


def dtype_size(name: str) -> float:
    """Bytes per element of an ONNX element type; 0 when it has no fixed size."""
    return DTYPES[DTYPE_CODES[name]][1] if name in DTYPE_CODES else 0


def shape_in_words(shape: Shape) -> str:
    """A shape as a reader wants it: ``1x3xHx?``."""
    return "x".join("?" if dim is None else str(dim) for dim in shape) or "scalar"


class TensorType(NamedTuple):
    """Element type and shape of a tensor. A dimension is a size, a symbol, or ``None``; a shape of ``None`` has unknown rank."""

    dtype: str
    shape: Shape | None

    @property
    def dims(self) -> tuple[int, ...] | None:
        """The shape when every dimension is a known size, else ``None``."""
        shape = self.shape
        if shape is None:
            return None
        for dim in shape:
            if dim.__class__ is not int:
                return None
        return shape  # type: ignore[return-value]

    @property
    def elements(self) -> int | None:
        """The number of elements, when known."""
        return None if self.dims is None else volume(self.dims)


def volume(dims: tuple[int, ...]) -> int:
    """The product of sizes."""
    total = 1
    for dim in dims:
        total *= dim
    return total


class Location(NamedTuple):
    """Where the bytes of a tensor lie: in the model file itself (``file`` empty) or in a side file next to it."""

    file: str
    offset: int
    length: int | None


class Tensor(NamedTuple):
    """A constant tensor. ``payload`` holds its bytes when they were small enough to keep, in the wire form ``form``.

    ``form`` is ``raw`` (little-endian elements), ``varint`` (packed varints, one an element) or ``strings``.
    """

    name: str
    dtype: str
    dims: tuple[int, ...]
    payload: bytes | tuple[bytes, ...] | None = None
    form: str = "raw"
    where: Location | None = None

    @property
    def type(self) -> TensorType:
        """Element type and shape."""
        return TensorType(self.dtype, self.dims)

    @property
    def nbytes(self) -> int:
        """Bytes the elements take in memory."""
        return int(volume(self.dims) * dtype_size(self.dtype) + 0.5)

    def values(self) -> tuple[Scalar, ...] | None:
        """The elements in row-major order, or ``None`` when they were not kept or have no Python form."""
        if not isinstance(self.payload, bytes):
            return None
        decoded = _varints(self.payload, self.dtype) if self.form == "varint" else _raw(self.payload, self.dtype)
        if decoded is None or len(decoded) != volume(self.dims):
            return None
        return decoded


_FORMATS = {
    "float32": "f",
    "float64": "d",
    "float16": "e",
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "bool": "?",
}


def _raw(payload: bytes, dtype: str) -> tuple[Scalar, ...] | None:
    if dtype == "bfloat16":
        widened = b"".join(b"\0\0" + payload[i : i + 2] for i in range(0, len(payload) - 1, 2))
        return struct.unpack(f"<{len(widened) // 4}f", widened)
    code = _FORMATS.get(dtype)
    if code is None:
        return None
    size = struct.calcsize(code)
    return struct.unpack(f"<{len(payload) // size}{code}", payload[: len(payload) // size * size])


def _varints(payload: bytes, dtype: str) -> tuple[Scalar, ...] | None:
    out: list[int] = []
    value = shift = 0
    for byte in payload:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            out.append(value)
            value = shift = 0
    if dtype in ("float16", "bfloat16"):  # stored as bit patterns
        return _raw(struct.pack(f"<{len(out)}H", *(v & 0xFFFF for v in out)), dtype)
    if dtype == "bool":
        return tuple(bool(v) for v in out)
    if dtype in ("uint8", "uint16", "uint32", "uint64"):
        return tuple(out)
    return tuple(v - (1 << 64) if v >= 1 << 63 else v for v in out)


Attribute = Union[int, float, str, bytes, Tensor, "Graph", TensorType, None, tuple["Attribute", ...]]


class Op:
    """What a node does: shared by all nodes of a model with the same operator and attributes.

    ``wire`` holds the attribute bytes as stored, so that shape inference can be asked without encoding them again. ``graphs`` are the
    subgraphs among the attributes (bodies of If, Loop, Scan). Compared and hashed by identity; never changed.
    """

    __slots__ = ("attributes", "domain", "graphs", "op_type", "overload", "wire")

    def __init__(self, op_type: str, domain: str, attributes: Mapping[str, Attribute], wire: bytes = b"", overload: str = "") -> None:
        self.op_type = op_type
        self.domain = domain
        self.attributes = attributes
        self.wire = wire
        self.overload = overload
        lists = (value if type(value) is tuple else (value,) for value in attributes.values())
        self.graphs = tuple(item for items in lists for item in items if isinstance(item, Graph))

    def get_int(self, name: str, default: int = 0) -> int:
        """The integer attribute ``name``."""
        value = self.attributes.get(name)
        return value if isinstance(value, int) else default

    def get_float(self, name: str, default: float = 0.0) -> float:
        """The float attribute ``name``."""
        value = self.attributes.get(name)
        return float(value) if isinstance(value, (int, float)) else default

    def get_string(self, name: str, default: str = "") -> str:
        """The string attribute ``name``."""
        value = self.attributes.get(name)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else default

    def get_ints(self, name: str) -> tuple[int, ...] | None:
        """The integer-list attribute ``name``, ``None`` when absent."""
        value = self.attributes.get(name)
        if type(value) is not tuple:
            return None
        return tuple(v for v in value if isinstance(v, int))

    def get_floats(self, name: str) -> tuple[float, ...] | None:
        """The float-list attribute ``name``, ``None`` when absent."""
        value = self.attributes.get(name)
        if type(value) is not tuple:
            return None
        return tuple(float(v) for v in value if isinstance(v, (int, float)))


UNNAMED = "node_of_"  # begins the name of a layer whose node has none


class Node(NamedTuple):
    """One operator call. Empty strings in ``inputs`` and ``outputs`` are omitted optional ones."""

    name: str
    op: Op
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def label(self) -> str:
        """The name a person finds the node by: its own, else its operator and first output."""
        return self.name or f"{self.op.op_type}:{next((name for name in self.outputs if name), '')}"

    @property
    def layer_name(self) -> str:
        """The name that TensorRT's ONNX parser gives to its layer: its own, else :data:`UNNAMED` and the first output.

        Source: getNodeName of onnx-tensorrt, 8.4 to 10.1.
        """
        return self.name or f"{UNNAMED}{self.outputs[0] if self.outputs else ''}"


class Graph:
    """A graph as stored: nodes in file order, constants by name, declared types by tensor name. Never changed."""

    __slots__ = ("constants", "declared", "inputs", "name", "nodes", "outputs")

    def __init__(
        self,
        name: str,
        nodes: tuple[Node, ...],
        constants: Mapping[str, Tensor],
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        declared: Mapping[str, TensorType],
    ) -> None:
        self.name = name
        self.nodes = nodes
        self.constants = constants
        self.inputs = inputs
        self.outputs = outputs
        self.declared = declared


class Function(NamedTuple):
    """A model-local function."""

    name: str
    domain: str
    overload: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[str, ...]
    defaults: Mapping[str, Attribute]
    nodes: tuple[Node, ...]
    opsets: Mapping[str, int]


class Model(NamedTuple):
    """A model file: its graph, and what its header says. ``size`` is the file's size in bytes, ``digest`` its SHA-256 or empty."""

    path: str
    graph: Graph
    ir_version: int
    opsets: Mapping[str, int]
    producer: str
    functions: tuple[Function, ...] = ()
    size: int = 0
    digest: str = ""

    @property
    def opset(self) -> int:
        """The version of the standard operator set."""
        return self.opsets.get("", 1)


class Device(str, Enum):
    """Where something runs."""

    DLA = "dla"
    GPU = "gpu"
    FOLDED = "folded"
    UNKNOWN = "unknown"
