"""The nodes of an ONNX file and their attributes: operators are decoded once for all nodes that share them."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping

from dlalint.graph import Attribute, Graph, Node, Op, Tensor, TensorType
from dlalint.model.layouts import INPUT, MAX_LAYOUTS, NAME, NAME_TAGS, OUTPUT, Layout, layout
from dlalint.model.tensors import Head, TensorReader
from dlalint.model.wire import BYTES, FIXED32, VARINT, Buffer, Span, WireError, encode_bytes, fields, row, signed, varint
from dlalint.named_tuple import new_tuple

MEMO_BYTES = 16384  # operators longer than this (embedded constants) are not shared between nodes
_NODE = 0x0A  # the tag of a node in a graph


class Known:
    """What was read before, by its bytes: models that are read with the same one share it."""

    def __init__(self) -> None:
        self.ops: dict[bytes, Op] = {}  # but for those that hold tensors, which know their place in their file
        self.layouts: dict[int, Layout] = {}  # by the length of a node and of its first name
        self.heads: dict[bytes, Head] = {}  # sizes and types of tensors
        self.irregular = 0  # nodes and tensors that were not in the usual form, and took longer

    def forget(self) -> None:
        """Make room, between two models."""
        self.ops.clear()
        self.heads.clear()

    def learn(self, key: int, tags: list[int], ends: list[int]) -> None:
        """Remember where names stand."""
        found = layout(tags, ends) if len(self.layouts) < MAX_LAYOUTS else None
        if found is not None:
            self.layouts[key] = found


class NodeReader(TensorReader, ABC):
    """Decodes the nodes of one buffer."""

    def __init__(self, buf: Buffer, known: Known | None = None) -> None:
        self._known = known or Known()
        super().__init__(buf, self._known.heads)
        self._ops: dict[bytes, Op] = {}  # those of this file alone

    @abstractmethod
    def graph(self, spans: list[Span], depth: int) -> Graph:
        """Read a GraphProto that may be stored in several pieces."""

    def _nodes(self, pos: int, end: int, depth: int, nodes: list[Node]) -> int:
        """Read the nodes that follow one another from the field at ``pos``; returns the position behind them."""
        buf, layouts, known, own = self._buf, self._known.layouts, self._known.ops, self._ops
        stop = pos
        for at, stop in row(buf, pos, end, _NODE):
            size = stop - at
            piece = buf[at:stop] if size <= MEMO_BYTES else b""
            layout = layouts.get(size << 8 | piece[1]) if len(piece) > 1 else None
            if layout is not None:
                head = piece[: layout.end]
                op = known.get(piece[layout.end :]) or own.get(piece[layout.end :])
                if op is not None and layout.marks(head) == layout.stated and head.isascii():
                    names = layout.names(head.decode())
                    nodes.append(new_tuple(Node, (names[-1], op, names[: layout.inputs], names[layout.inputs : -1])))
                    continue
            nodes.append(self._node(at, stop, depth))
        return stop

    def _node(self, start: int, end: int, depth: int) -> Node:
        size = end - start
        if size > MEMO_BYTES:
            self.irregular += 1
            return self._any_node(start, end, depth)
        piece = self._buf[start:end]
        text = piece.decode("latin-1")  # the same as the bytes where they are ASCII, which is looked at below
        names: dict[int, list[str]] = {INPUT: [], OUTPUT: [], NAME: []}
        tags: list[int] = []
        ends: list[int] = []
        pos = 0
        while pos + 1 < size:  # the canonical order puts inputs, outputs and name first; what follows is shared between nodes
            tag = piece[pos]
            if tag not in NAME_TAGS:
                break
            at = pos + 2
            pos = at + piece[at - 1]
            names[tag].append(text[at:pos])
            tags.append(tag)
            ends.append(pos)
        rest = piece[pos:]
        op = self._known.ops.get(rest) or self._ops.get(rest)
        plain = pos <= size and text[:pos].isascii()  # lengths of more than one byte are not ASCII either
        if op is None or not plain:
            self.irregular += not plain
            return self._any_node(start, end, depth)
        if tags:
            self._known.learn(size << 8 | piece[1], tags, ends)
        return Node(names[NAME][-1] if names[NAME] else "", op, tuple(names[INPUT]), tuple(names[OUTPUT]))

    def _any_node(self, start: int, end: int, depth: int) -> Node:
        """A node with names of any length and alphabet, its fields in any order, of an operator that was not met yet."""
        inputs: list[str] = []
        outputs: list[str] = []
        name, pos = self._names_of_node(start, end, inputs, outputs)
        pieces, late = self._rest(pos, end, inputs, outputs)
        self.irregular += late is not None
        small = end - pos <= MEMO_BYTES
        rest = self._buf[pos:end] if small else b""
        op = self._known.ops.get(rest) or self._ops.get(rest)
        if op is None:
            op = self._op(pieces, depth)
            if late is None and small and not op.graphs:
                (self._ops if any(map(_holds_tensor, op.attributes.values())) else self._known.ops)[rest] = op
        return Node(late or name, op, tuple(inputs), tuple(outputs))

    def _names_of_node(self, start: int, end: int, inputs: list[str], outputs: list[str]) -> tuple[str, int]:
        """The names in front of a node's operator; returns its own, and where the operator begins."""
        buf = self._buf
        name = ""
        pos = start
        while pos < end:
            tag = buf[pos]
            if tag not in NAME_TAGS:
                break
            length, at = varint(buf, pos + 1, end)
            pos = at + length
            if pos > end:
                raise WireError(f"the file is truncated or damaged: a name of {length} bytes runs past its end")
            text = self._name(at, pos)
            if tag == INPUT:
                inputs.append(text)
            elif tag == OUTPUT:
                outputs.append(text)
            else:
                name = text
        return name, pos

    def _rest(self, start: int, end: int, inputs: list[str], outputs: list[str]) -> tuple[list[tuple[int, int, int]], str | None]:
        """The fields of an operator, and what stands among them that is a node's own: its name, empty for another field; else ``None``."""
        pieces: list[tuple[int, int, int]] = []
        late: str | None = None
        for number, kind, a, b in fields(self._buf, start, end):
            if number in (4, 5, 7, 8):
                if kind != BYTES:
                    raise WireError(f"the file is damaged: field {number} of a node has the wrong type")
                pieces.append((number, a, b))
                continue
            late = late or ""
            if kind == BYTES and number == 3:
                late = self._name(a, b)
            elif kind == BYTES and number in (1, 2):
                (inputs if number == 1 else outputs).append(self._name(a, b))
        return pieces, late

    def _op(self, pieces: list[tuple[int, int, int]], depth: int) -> Op:
        op_type = domain = overload = ""
        attributes: dict[str, Attribute] = {}
        wire = bytearray()
        small = sum(b - a for _, a, b in pieces) <= MEMO_BYTES
        for number, a, b in pieces:
            if number == 4:
                op_type = self._text(a, b)
            elif number == 7:
                domain = self._text(a, b)
            elif number == 8:
                overload = self._text(a, b)
            else:
                key, value = self._attribute(a, b, depth)
                attributes[key] = value
            if small:
                wire += encode_bytes(number, self._buf[a:b])
        return Op(op_type, "" if domain == "ai.onnx" else domain, attributes, bytes(wire), overload)

    def _attribute(self, start: int, end: int, depth: int) -> tuple[str, Attribute]:
        buf = self._buf
        name = reference = ""
        declared_kind = 0
        scalars: dict[int, Attribute] = {}
        lists: dict[int, list[Attribute]] = {}
        for number, kind, a, b in fields(buf, start, end):
            if number == 1 and kind == BYTES:
                name = self._text(a, b)
            elif number == 20 and kind == VARINT:
                declared_kind = a
            elif number == 21 and kind == BYTES:
                reference = self._text(a, b)
            elif number in (2, 3, 4, 5, 6, 14, 22):
                scalars[number] = self._scalar_attribute(number, kind, a, b, depth)
            elif number in (7, 8, 9, 10, 11, 15, 23):
                lists.setdefault(number, []).extend(self._list_attribute(number, kind, a, b, depth))
        if reference:
            return name, TensorType("attribute-reference", (reference,))
        number = _FIELD_OF_KIND.get(declared_kind, 0)
        if number in _LIST_FIELDS:
            return name, tuple(lists.get(number, ()))
        if number == 0:  # files before IR 2 do not say which field is meant
            number = next(iter(scalars), 0) or next(iter(lists), 0)
            if number in lists:
                return name, tuple(lists[number])
        return name, scalars.get(number, _DEFAULTS.get(number))

    def _scalar_attribute(self, number: int, kind: int, a: int, b: int, depth: int) -> Attribute:
        if number == 2 and kind == FIXED32:
            return float(struct.unpack("<f", self._buf[a:b])[0])
        if number == 3 and kind == VARINT:
            return signed(a)
        if kind != BYTES or number in (2, 3):
            raise WireError("the file is damaged: an attribute has the wrong type")
        return self._message_attribute(number, a, b, depth)

    def _message_attribute(self, number: int, a: int, b: int, depth: int) -> Attribute:
        if number in (4, 9):
            return bytes(self._buf[a:b])
        if number in (5, 10):
            return self.tensor(a, b)
        if number in (6, 11):
            return self.graph([(a, b)], depth + 1)
        if number in (14, 15):
            return self._type(a, b)
        return self._sparse(a, b)

    def _list_attribute(self, number: int, kind: int, a: int, b: int, depth: int) -> list[Attribute]:
        buf = self._buf
        if number == 7:
            if kind not in (FIXED32, BYTES) or (b - a) % 4:
                raise WireError("the file is damaged: a list of floats has the wrong type")
            return list(struct.unpack(f"<{(b - a) // 4}f", buf[a:b]))
        if number == 8:
            if kind == VARINT:
                return [signed(a)]
            if kind != BYTES:
                raise WireError("the file is damaged: a list of integers has the wrong type")
            return list(self._packed(a, b))
        if kind != BYTES:
            raise WireError("the file is damaged: an attribute list has the wrong type")
        return [self._message_attribute(number, a, b, depth)]


def _holds_tensor(value: Attribute) -> bool:
    return isinstance(value, Tensor) or (type(value) is tuple and any(isinstance(item, Tensor) for item in value))


# AttributeProto.AttributeType -> the field that carries it
_FIELD_OF_KIND = {1: 2, 2: 3, 3: 4, 4: 5, 5: 6, 6: 7, 7: 8, 8: 9, 9: 10, 10: 11, 11: 22, 12: 23, 13: 14, 14: 15}
_LIST_FIELDS = frozenset({7, 8, 9, 10, 11, 15, 23})
_DEFAULTS: Mapping[int, Attribute] = {2: 0.0, 3: 0, 4: b""}
