"""An ONNX file read structure first: weights are addressed, not loaded.

Nodes, attributes, shapes and small constants are decoded; a larger payload is kept as a file offset. Field numbers are those of onnx.proto.
"""

from __future__ import annotations

from dlalint.errors import LimitError, ModelError
from dlalint.graph import Attribute, Function, Graph, Model, Node, Tensor, TensorType
from dlalint.model.nodes import NodeReader
from dlalint.model.tensors import quoted
from dlalint.model.wire import BYTES, VARINT, Span, WireError, fields, signed

MAX_DEPTH = 64  # nested subgraphs


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
        buf = self._buf
        name = ""
        nodes: list[Node] = []
        constants: dict[str, Tensor] = {}
        inputs: list[str] = []
        outputs: list[str] = []
        declared: dict[str, TensorType] = {}
        for start, end in spans:
            for number, kind, a, b in fields(buf, start, end):
                if kind != BYTES:
                    if number in (1, 5, 11, 12, 13):
                        raise WireError(f"the file is damaged: field {number} of a graph has the wrong type")
                elif number == 1:
                    nodes.append(self._node(a, b, depth))
                elif number == 5:
                    self._add(self.tensor(a, b), constants)
                elif number in (11, 12, 13):
                    value_name, value_type = self._value_info(a, b)
                    if value_type is not None:
                        declared.setdefault(value_name, value_type)
                    if number != 13:
                        (inputs if number == 11 else outputs).append(value_name)
                elif number == 2:
                    name = self._text(a, b)
                elif number == 15:
                    self._add(self._sparse(a, b), constants)
        return Graph(name, tuple(nodes), constants, tuple(inputs), tuple(outputs), declared)

    @staticmethod
    def _add(tensor: Tensor, constants: dict[str, Tensor]) -> None:
        if tensor.name in constants:
            raise ModelError(f"initializer {quoted(tensor.name)} is there twice", cure="Give each tensor its own name.", code="E106")
        constants[tensor.name] = tensor

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
