"""Text that terminals, browsers, spreadsheets and build servers would obey, wherever a model can say something."""

from __future__ import annotations

import random
from collections.abc import Iterator

from onnx import ModelProto, helper

from dlalint.model.records import records
from dlalint.model.wire import BYTES, WireError, encode_varint
from tests.hostile.corpus.case import Case, conv

MARK = "QZQZQZQZ"  # exchanged for the payload in the bytes: then it need not be UTF-8
PAYLOADS = (
    b"\x1b[31mred\x1b[0m",
    b"\x1b]0;title\x07",
    b"a\nb\r\nDLA001 error forged",
    b"\r\n::error file=x::forged\r\n",
    b"##vso[task.complete result=Succeeded]",
    b"\x00\x01\x7f\xc2\x9b31m",
    "\u202egnp.exe\u200b\ufeff\u2066".encode(),
    b"\xff\xfe\xc3\x28\xed\xa0\x80",
    b"<script>alert(1)</script><img src=x onerror=alert(1)>",
    b"]]>&lt;\"'`${}%s%n{0}[red]x[/red]",
    b"=cmd|' /C calc'!A0",
    b"| a | b |\n|---|---|\n[link](javascript:alert(1))",
    b"../../../etc/passwd",
    b"n" * 200_000,
    "\U0001f600e\u0301\u4e2d".encode(),
    b"",
)
PLACES = (
    "producer",
    "domain",
    "graph",
    "node",
    "operator",
    "op_domain",
    "tensor",
    "weight",
    "input",
    "dimension",
    "attribute",
    "attribute_value",
    "doc",
    "metadata",
    "function",
    "location",
)


def cases(source: random.Random) -> Iterator[Case]:
    """Each payload in eight of the places."""
    for number, payload in enumerate(PAYLOADS):
        for place in source.sample(PLACES, 8):
            yield Case(f"{place}_{number}", exchanged(_marked(place).SerializeToString(), payload))


def _marked(place: str) -> ModelProto:
    proto = conv()
    graph = proto.graph
    first, relu = graph.node[0], graph.node[1]
    simple = {"producer": (proto, "producer_name"), "domain": (proto, "domain"), "graph": (graph, "name"), "node": (relu, "name")}
    simple |= {"operator": (relu, "op_type"), "op_domain": (relu, "domain"), "doc": (graph, "doc_string")}
    if place in simple:
        message, field = simple[place]
        setattr(message, field, MARK)
    elif place == "tensor":
        first.output[0] = relu.input[0] = MARK
    elif place == "weight":
        first.input[1] = graph.initializer[0].name = MARK
    elif place == "input":
        first.input[0] = graph.input[0].name = MARK
    elif place == "dimension":
        graph.input[0].type.tensor_type.shape.dim[0].dim_param = MARK
    elif place == "attribute":
        relu.attribute.append(helper.make_attribute(MARK, 1))
    elif place == "attribute_value":
        first.attribute.append(helper.make_attribute("auto_pad", MARK))
    elif place == "metadata":
        proto.metadata_props.add(key=MARK, value=MARK)
    elif place == "function":
        relu.domain, relu.op_type = "f", MARK
        body = [helper.make_node("Det", ["p"], ["r"], MARK)]
        proto.functions.append(helper.make_function("f", MARK, ["p"], ["r"], body, [helper.make_opsetid("", 17)]))
    elif place == "location":
        weight = graph.initializer[0]
        weight.ClearField("raw_data")
        weight.data_location = 1
        weight.external_data.add(key="location", value=MARK)
    return proto


def exchanged(data: bytes, payload: bytes) -> bytes:
    """A message with the payload in place of the mark, the lengths around it adjusted."""
    if data == MARK.encode():
        return payload
    try:
        found = list(records(data, 0, len(data)))
    except WireError:
        return data
    out = bytearray()
    for record in found:
        part = data[record.a : record.b]
        if record.kind == BYTES and MARK.encode() in part:
            inner = exchanged(part, payload)
            out += encode_varint(record.number << 3 | BYTES) + encode_varint(len(inner)) + inner
        else:
            out += data[record.start : record.b]
    return bytes(out)
