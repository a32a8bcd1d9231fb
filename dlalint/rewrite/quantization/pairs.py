"""The Q/DQ nodes of a model, sorted out: pairs on activations, constants behind them, and what they cannot be made into scales for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from onnx import FunctionProto, NodeProto

from dlalint.model.stored import quoted
from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.constants import constant
from dlalint.rewrite.graph import NOT_A_NODE, Array, Graph, captured
from dlalint.rewrite.quantization.grid import LIMITS, Grid, QuantizationError, grid, label

DOMAINS = frozenset({"", "ai.onnx", "com.microsoft"})
_INTEGER = frozenset("ConvInteger DynamicQuantizeLinear DynamicQuantizeMatMul MatMulInteger MatMulIntegerToFloat MatMulNBits".split())


class Pair(NamedTuple):
    """A tensor that goes through a grid.

    ``source`` is what is quantized: a tensor of floats, or a graph input of integers, which then has no ``quantizer``. ``dequantizers`` are
    node indices; without them the integers are a graph output, which ``integers`` names then.
    """

    source: str
    grid: Grid
    quantizer: int | None
    dequantizers: tuple[int, ...]
    integers: str = ""


class Baked(NamedTuple):
    """A constant ``name`` and its elements on the ``grid``; ``nodes`` made it."""

    name: str
    array: Array
    grid: Grid
    nodes: tuple[int, ...]


class Found(NamedTuple):
    """The pairs in the order of the graph, the constants, and the nodes, of any kind, that no output of the model depends on."""

    pairs: tuple[Pair, ...]
    baked: tuple[Baked, ...]
    idle: tuple[int, ...] = ()


def is_quantizer(node: NodeProto) -> bool:
    """Whether it is a QuantizeLinear node."""
    return node.op_type == "QuantizeLinear" and node.domain in DOMAINS


def is_dequantizer(node: NodeProto) -> bool:
    """Whether it is a DequantizeLinear node."""
    return node.op_type == "DequantizeLinear" and node.domain in DOMAINS


def find(graph: Graph) -> Found:
    """All Q/DQ nodes of a model. Raises :class:`QuantizationError` for the first that is no part of a pair, with the number of others."""
    refused: list[QuantizationError] = [*_foreign(graph), *_inner(graph)]
    pairs: list[Pair] = []
    baked: list[Baked] = []
    elements: dict[str, Array] = {}
    used = reached(graph, {})
    for index in sorted(used):
        node = graph.nodes[index]
        try:
            if is_quantizer(node) and not graph.is_constant(node.input[0]):
                pairs.append(_pair(graph, index))
            elif is_dequantizer(node):
                found = _dequantizer(graph, index, elements)
                if isinstance(found, Baked):
                    baked.append(found)
                    elements[found.name] = found.array
                elif found is not None:
                    pairs.append(found)
        except QuantizationError as error:
            refused.append(error)
    if refused:
        first = refused[0]
        if len(refused) > 1:
            first.what = f"{first.what} ({len(refused) - 1} more {'is' if len(refused) == 2 else 'are'} refused too)"
        raise first
    return Found(tuple(_once(pairs)), tuple(baked), tuple(index for index in range(len(graph.nodes)) if index not in used))


def reached(graph: Graph, reads: Mapping[int, Sequence[str]]) -> frozenset[int]:
    """The nodes that the outputs of a model depend on. ``reads`` is what some nodes read, where that is less than all their inputs."""
    pending = [graph.producers[name] for name in graph.outputs if name in graph.producers]
    found: set[int] = set()
    while pending:
        index = pending.pop()
        if index not in found:
            found.add(index)
            names = reads.get(index, (*graph.nodes[index].input, *captured(graph.nodes[index])))
            pending += [graph.producers[name] for name in names if name in graph.producers]
    return frozenset(found)


def _once(pairs: Sequence[Pair]) -> Iterator[Pair]:
    """One pair for each graph input of integers, whatever the number of nodes that read it."""
    inputs: dict[str, Pair] = {}
    for pair in pairs:
        if pair.quantizer is not None:
            yield pair
        elif pair.source in inputs:
            if not inputs[pair.source].grid.same(pair.grid):
                cure = "Export it with one scale for that input."
                raise QuantizationError("its DequantizeLinear nodes differ", where=f"input {quoted(pair.source)}", cure=cure, code="E155")
        else:
            inputs[pair.source] = pair
            yield pair._replace(dequantizers=tuple(number for other in pairs if other[:1] == pair[:1] for number in other.dequantizers))


def _pair(graph: Graph, index: int) -> Pair:
    node = graph.nodes[index]
    found = grid(graph, index)
    if not (found.scale > 0).all():
        raise QuantizationError("its scale is 0", where=label(graph, index), cure="Calibrate it again.", code="E158")
    if found.block:
        raise QuantizationError("its scales are of blocks", where=label(graph, index), cure="Quantize activations per tensor.", code="E150")
    (made,) = node.output
    readers = graph.consumers(made)
    others = [reader for reader in readers if reader != NOT_A_NODE and not is_dequantizer(graph.nodes[reader])]
    if others or (NOT_A_NODE in readers and made not in graph.outputs):
        by = f"{label(graph, others[0])}, which computes with integers" if others else "the body of a node"
        cure = "Quantize it in QDQ format (onnxruntime.quantization: quant_format=QuantFormat.QDQ)."
        raise QuantizationError(f"its integers are read by {by}", where=label(graph, index), cure=cure, code="E153")
    dequantizers = tuple(reader for reader in readers if reader != NOT_A_NODE)
    for reader in dequantizers:
        other = grid(graph, reader, found.dtype)
        if not found.same(other):
            raise _unlike(graph, index, reader)
    _readable(graph, dequantizers)
    return Pair(node.input[0], found, index, dequantizers, made if NOT_A_NODE in readers else "")


def _readable(graph: Graph, dequantizers: Sequence[int]) -> None:
    for index in dequantizers:
        (made,) = graph.nodes[index].output
        if NOT_A_NODE in graph.readers.get(made, ()):
            raise QuantizationError("the body of a node reads it", where=label(graph, index), cure="Move it into the body.", code="E157")


def _dequantizer(graph: Graph, index: int, known: Mapping[str, Array]) -> Baked | Pair | None:
    """What a DQ node is; ``None`` when it belongs to a Q node. ``known`` are the constants of DQ nodes before it."""
    node = graph.nodes[index]
    source = node.input[0]
    producer = graph.producer(source)
    if producer is not None and is_quantizer(graph.nodes[producer]):
        return _fake(graph, index, producer, known) if graph.is_constant(graph.nodes[producer].input[0]) else None
    array = constant(graph, source) if graph.is_constant(source) else None
    if array is not None:
        found = grid(graph, index, str(array.dtype))
        _whole(graph, index, str(array.dtype), found)
        return Baked(node.output[0], found.dequantized(array), found, (index,))
    kind = graph.type(source)
    if source in graph.inputs and kind is not None:
        found = grid(graph, index, kind.dtype)
        _whole(graph, index, kind.dtype, found)
        _readable(graph, (index,))
        strangers = [reader for reader in graph.consumers(source) if reader == NOT_A_NODE or not is_dequantizer(graph.nodes[reader])]
        if not strangers and found.dtype != "int32" and (found.scale > 0).all() and not found.block:
            return Pair(source, found, None, (index,))
    by = label(graph, producer) if producer is not None else f"the input {quoted(source)}"
    cure = "Only what QuantizeLinear made, constants, and inputs of int8 or uint8 that nothing else reads can be dequantized."
    raise QuantizationError(f"it reads {by}", where=label(graph, index), cure=cure, code="E154")


def _whole(graph: Graph, index: int, dtype: str, found: Grid) -> None:
    if dtype not in LIMITS or dtype != found.dtype:
        cure = "The DLA computes in INT8 and FP16: quantize to int8 or uint8."
        raise QuantizationError(f"it dequantizes {dtype}", where=label(graph, index), cure=cure, code="E151")


def _fake(graph: Graph, index: int, quantizer: int, known: Mapping[str, Array]) -> Baked:
    """A constant of floats behind a pair: its elements on the grid. It may come from one that was dequantized, say by an Identity node."""
    array = constant(graph, graph.nodes[quantizer].input[0], known)
    found = grid(graph, quantizer)
    other = grid(graph, index, found.dtype)
    if array is None:
        what = "what it quantizes cannot be computed here"
        raise QuantizationError(what, where=label(graph, quantizer), cure="Fold the constants of the model.", code="E152")
    if not found.same(other) or not (found.scale > 0).all():
        raise _unlike(graph, quantizer, index)
    return Baked(graph.nodes[index].output[0], found.dequantized(found.quantized(array)), found, (quantizer, index))


def _unlike(graph: Graph, quantizer: int, index: int) -> QuantizationError:
    what = f"its scale or zero point differs from that of {label(graph, index)}"
    return QuantizationError(what, where=label(graph, quantizer), cure="Both nodes of a pair need the same, above 0.", code="E155")


def _foreign(graph: Graph) -> Iterator[QuantizationError]:
    """Nodes that compute with integers, or quantize to what the DLA does not have."""
    for index, node in enumerate(graph.nodes):
        name = node.op_type
        if name in ("QuantizeLinear", "DequantizeLinear") and node.domain in DOMAINS:
            continue
        if name.startswith(("QLinear", "QGemm", "QAttention", "QEmbed")) or name in _INTEGER:
            cure = "Quantize the float model in QDQ format (onnxruntime.quantization: quant_format=QuantFormat.QDQ)."
            yield QuantizationError("it computes with integers (operator format)", where=label(graph, index), cure=cure, code="E156")
        elif "QuantizeLinear" in name or "FakeQuant" in name:
            cure = "Export the model with QuantizeLinear and DequantizeLinear of ONNX in int8 or uint8."
            what = f"{node.domain or 'ai.onnx'}.{name} is no quantization that the DLA has"
            yield QuantizationError(what, where=label(graph, index), cure=cure, code="E151")


def _inner(graph: Graph) -> Iterator[QuantizationError]:
    """Q/DQ nodes in bodies and functions."""
    places: list[tuple[str, NodeProto | FunctionProto]] = [(label(graph, index), node) for index, node in enumerate(graph.nodes)]
    places += [(f"function {quoted(function.name)}", function) for function in graph.proto.functions]
    for where, place in places:
        if any(is_quantizer(node) or is_dequantizer(node) for node in _below(place)):
            cure = "Only those of the model's own graph can be made into scales: inline it first."
            yield QuantizationError("Q/DQ nodes lie inside of it", where=where, cure=cure, code="E157")


def _below(place: NodeProto | FunctionProto) -> Iterator[NodeProto]:
    pending: list[NodeProto] = list(place.node) if isinstance(place, FunctionProto) else []
    yield from pending
    pending = pending or [place] if isinstance(place, NodeProto) else pending
    while pending:
        for item in pending.pop().attribute:
            for body in (*item.graphs, *((item.g,) if item.HasField("g") else ())):
                yield from body.node
                pending.extend(body.node)


def count(nodes: Sequence[NodeProto]) -> Mapping[str, int]:
    """How many Q and DQ nodes there are."""
    return {"quantize": sum(map(is_quantizer, nodes)), "dequantize": sum(map(is_dequantizer, nodes))}
