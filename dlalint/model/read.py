"""An ONNX file read structure first: weights are addressed, not loaded.

Nodes, attributes, shapes and small constants are decoded; a larger payload is kept as a file offset. Field numbers are those of onnx.proto.
"""

from __future__ import annotations

from dlalint.errors import LimitError, ModelError
from dlalint.graph import Attribute, Function, Graph, Model, Node, Tensor, TensorType
from dlalint.model.nodes import NodeReader
from dlalint.model.tensors import add
from dlalint.model.wire import BYTES, VARINT, Span, WireError, fields, signed

MAX_DEPTH = 64  # nested subgraphs


class _Stored:
    """What a graph holds, as far as it was read."""

    __slots__ = ("constants", "declared", "inputs", "name", "nodes", "outputs")

    def __init__(self) -> None:
        self.name = ""
        self.nodes: list[Node] = []
        self.constants: dict[str, Tensor] = {}
        self.inputs: list[str] = []
        self.outputs: list[str] = []
        self.declared: dict[str, TensorType] = {}


class Reader(NodeReader):
    """Reads one buffer as a model."""

    def model(self, path: str) -> Model:
        """Read the whole buffer as a ModelProto."""
        ir_version = 0
        opsets: dict[str, int] = {}
        producer = ["", ""]
        graph_spans: list[Span] = []
        function_spans: list[Span] = []
        for number, kind, a, b in fields(self._buf, 0, len(self._buf)):
            if number == 1 and kind == VARINT:
                ir_version = signed(a)
            elif number == 7 and kind == BYTES:
                graph_spans.append((a, b))
            elif number == 8 and kind == BYTES:
                self._opset(a, b, opsets)
            elif number in (2, 3) and kind == BYTES:
                producer[number - 2] = self._text(a, b)
            elif number == 25 and kind == BYTES:
                function_spans.append((a, b))
            elif number in (1, 2, 3, 7, 8, 25):
                raise WireError(f"not an ONNX model: field {number} of the header has the wrong type")
        if not graph_spans:
            raise ModelError("not an ONNX model: it holds no graph", cure="Export or download the model again.", code="E102")
        graph = self.graph(graph_spans, 0)
        functions = tuple(self._function(a, b) for a, b in function_spans)
        self._known.irregular += self.irregular
        return Model(path, graph, ir_version, opsets, " ".join(filter(None, producer)), functions, len(self._buf))

    def graph(self, spans: list[Span], depth: int) -> Graph:
        """Read a GraphProto that may be stored in several pieces (protobuf merges them)."""
        if depth > MAX_DEPTH:
            raise LimitError(f"subgraphs are nested more than {MAX_DEPTH} deep", cure="Export it with fewer nested bodies.", code="E201")
        found = _Stored()
        for pos, end in spans:
            while pos < end:
                pos = self._nodes(pos, end, depth, found.nodes)
                pos = self._tensors(pos, end, found.constants)
                pos = self._others(pos, end, depth, found)
        return Graph(found.name, tuple(found.nodes), found.constants, tuple(found.inputs), tuple(found.outputs), found.declared)

    def _others(self, pos: int, end: int, depth: int, found: _Stored) -> int:
        """Read the fields of a graph from the one at ``pos`` on, to the end or to behind a node or tensor, which others may follow."""
        for number, kind, a, b in fields(self._buf, pos, end):
            if kind != BYTES:
                if number in (1, 5, 11, 12, 13):
                    raise WireError(f"the file is damaged: field {number} of a graph has the wrong type")
            elif number == 1:
                found.nodes.append(self._node(a, b, depth))
                return b
            elif number == 5:
                add(self.tensor(a, b), found.constants)
                return b
            elif number in (11, 12, 13):
                name, declared = self._value_info(a, b)
                if declared is not None:
                    found.declared.setdefault(name, declared)
                if number != 13:
                    (found.inputs if number == 11 else found.outputs).append(name)
            elif number == 2:
                found.name = self._text(a, b)
            elif number == 15:
                add(self._sparse(a, b), found.constants)
        return end

    def _opset(self, start: int, end: int, opsets: dict[str, int]) -> None:
        domain, version = "", 0
        for number, kind, a, b in fields(self._buf, start, end):
            if number == 1 and kind == BYTES:
                domain = self._text(a, b)
            elif number == 2 and kind == VARINT:
                version = signed(a)
        opsets["" if domain == "ai.onnx" else domain] = version

    def _function(self, start: int, end: int) -> Function:
        text = {1: "", 10: "", 13: ""}
        names: dict[int, list[str]] = {4: [], 5: [], 6: []}
        nodes: list[Node] = []
        opsets: dict[str, int] = {}
        defaults: dict[str, Attribute] = {}
        for number, kind, a, b in fields(self._buf, start, end):
            if kind != BYTES:
                continue
            if number in text:
                text[number] = self._text(a, b)
            elif number in names:
                names[number].append(self._name(a, b))
            elif number == 7:
                nodes.append(self._node(a, b, 1))
            elif number == 9:
                self._opset(a, b, opsets)
            elif number == 11:
                key, value = self._attribute(a, b, 1)
                defaults[key] = value
        return Function(
            text[1], text[10], text[13], tuple(names[4]), tuple(names[5]), tuple(names[6]) + tuple(defaults), defaults, tuple(nodes), opsets
        )
