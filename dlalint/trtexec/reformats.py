"""The reformats of an engine: what each converts and costs, which crossing it belongs to, and what would remove it."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from enum import Enum

from dlalint.named_tuple import NamedTuple
from dlalint.trtexec.account import Account
from dlalint.trtexec.engine import Engine
from dlalint.trtexec.names import pieces, reformat, spoken
from dlalint.trtexec.observed import EngineLayer, Fallback, Format, Use
from dlalint.trtexec.rows import Kind, Known, Row, known, on_dla


class Edge(str, Enum):
    """Between what a reformat stands."""

    INPUT = "network input"
    OUTPUT = "network output"
    ENTER = "GPU to DLA"
    LEAVE = "DLA to GPU"
    BETWEEN = "DLA to DLA"
    GPU = "GPU to GPU"
    IN = "into the DLA"
    OUT = "out of the DLA"
    UNKNOWN = "unknown"


class Cost(NamedTuple):
    """A reformat. ``row`` is its row in the profile or -1, ``ms`` its time a run, ``None`` when not timed.

    ``producer`` and ``consumer`` are layers, empty at the network's border or when not told; ``certain`` when the layer information
    gives them and not the order of rows. ``free`` when TensorRT does it without work (NoOp). ``cause`` is why it is there, ``cure``
    what would remove it, ``reason`` what TensorRT says against the DLA for the layer that causes it, empty when it says nothing.
    """

    name: str
    row: int
    ms: float | None
    edge: Edge
    tensor: str
    source: Format | None
    target: Format | None
    producer: str
    consumer: str
    certain: bool
    free: bool
    cause: str
    cure: str
    reason: str = ""


_FLAGS = {
    "linear": "chw",
    "CHW2": "chw2",
    "CHW4": "chw4",
    "CHW16": "chw16",
    "CHW32": "chw32",
    "HWC": "hwc",
    "HWC8": "hwc8",
    "HWC16": "hwc16",
    "DLA_LINEAR": "dla_linear",
    "DLA_HWC4": "dla_hwc4",
}


def flag(form: Format, *, dla: bool) -> str:
    """A format as trtexec's options write it: ``fp16:chw16``; empty when they have no word for it."""
    word = "dla_hwc4" if dla and form.layout in ("HWC4", "CHW4") else _FLAGS.get(form.layout, "")
    if dla and form.layout == "linear":
        word = "dla_linear"
    return f"{form.dtype.lower()}:{word}" if form.dtype and word else ""


def reformats(engine: Engine, told: Account | None) -> tuple[Cost, ...]:
    """The reformats in the order of the layer information, else of the profile; waiting rows are none."""
    facts = known(engine, told.profile if told is not None else None)
    rows = [row for row in told.rows if row.number not in told.waiting] if told is not None else []
    reasons = _reasons(engine)
    layers = engine.layers.layers if engine.layers is not None and engine.layers.detailed else ()
    times = {row.row.name: row for row in rows}
    graph = _Graph(layers, facts)
    found = [_stated(layer, times.get(layer.name), graph, reasons) for layer in layers if _converts(layer)]
    seen = {cost.name for cost in found}
    work = [row.number for row in told.rows if row.kind in (Kind.DLA, Kind.GPU)] if told is not None else []
    for row in rows:
        name = row.row.name
        if told is not None and row.kind in (Kind.REFORMAT, Kind.BORDER) and name not in seen and not name.endswith(" nvm"):
            found.append(_guessed(row.number, told, work, facts, reasons))
    return tuple(found)


def _converts(layer: EngineLayer) -> bool:
    return layer.type == "Reformat" or (layer.type == "NoOp" and reformat(layer.name) is not None)


class Side(NamedTuple):
    """What stands on one side of a reformat: a layer, on the DLA or not, or with ``dla`` ``None`` the outside of the network.

    ``through`` are the layers in between that TensorRT does without work.
    """

    name: str
    dla: bool | None
    through: tuple[str, ...] = ()


class _Graph:
    """Who makes and who reads a tensor, steps that TensorRT does for free passed over."""

    def __init__(self, layers: Sequence[EngineLayer], facts: Known) -> None:
        self.facts = facts
        self.maker = {use.name: layer for layer in layers for use in layer.outputs}
        self.reader: dict[str, EngineLayer] = {}
        for layer in layers:
            for use in layer.inputs:
                self.reader.setdefault(use.name, layer)

    def before(self, tensor: str) -> Side:
        """What computes ``tensor``."""
        return self._walk(tensor, self.maker, lambda layer: layer.inputs)

    def after(self, tensor: str) -> Side:
        """What reads ``tensor``."""
        return self._walk(tensor, self.reader, lambda layer: layer.outputs)

    def _walk(self, tensor: str, found: Mapping[str, EngineLayer], onward: Callable[[EngineLayer], Sequence[Use]]) -> Side:
        through: list[str] = []
        for _ in range(8):
            layer = found.get(tensor)
            if layer is None:
                return Side("", None, tuple(through))
            if layer.type not in ("NoOp", "Reformat") or not onward(layer):
                return Side(layer.name, on_dla(layer.name, layer.type, self.facts) is not False, tuple(through))
            through += [] if reformat(layer.name) is not None else [layer.name]
            tensor = onward(layer)[0].name
        return Side("", None, tuple(through))


def _stated(layer: EngineLayer, row: Row | None, graph: _Graph, reasons: Mapping[str, Fallback]) -> Cost:
    tensor = layer.inputs[0].name if layer.inputs else ""
    source = layer.inputs[0].format if layer.inputs else None
    target = layer.outputs[0].format if layer.outputs else None
    maker = graph.before(tensor)
    reader = graph.after(layer.outputs[0].name) if layer.outputs else Side("", None)
    edge = _edge(maker.dla, reader.dla)
    number, ms = (row.number, row.ms) if row is not None else (-1, None)
    free = layer.type == "NoOp"
    cause, cure = _advice(edge, source, target, maker, reader, reasons)
    if free:
        cause, cure = "TensorRT does nothing at run time here: the bytes are the same in both formats", ""
    reason = _why(_gpu(edge, maker, reader), reasons)
    return Cost(layer.name, number, ms, edge, tensor, source, target, maker.name, reader.name, True, free, cause, cure, reason)


def _guessed(number: int, told: Account, work: Sequence[int], facts: Known, reasons: Mapping[str, Fallback]) -> Cost:
    """A reformat by its name and its place among the rows; ``work`` are the rows that compute, in order."""
    row = told.rows[number]
    move = reformat(row.row.name)
    place = bisect(work, number)
    before = told.rows[work[place - 1]] if place else None
    after = told.rows[work[place]] if place < len(work) else None
    if row.kind is Kind.BORDER:
        before, after = (before, None) if before is not None and after is None else (None, after)
    producer = move.layer if move and move.side == "output" else before.row.name if before else ""
    consumer = move.layer if move and move.side == "input" else after.row.name if after else ""
    maker, reader = _side(producer, facts), _side(consumer, facts)
    edge = _edge(maker, reader) if row.kind is Kind.BORDER or (producer and consumer) else _half(maker, reader)
    if edge is Edge.GPU and told.loadables and told.loadables[0].row < number:
        edge = Edge.UNKNOWN  # the row before need not be what wrote the tensor: a loadable may have
    cause, cure = _advice(edge, None, None, Side(producer, maker), Side(consumer, reader), reasons)
    reason = _why(_gpu(edge, Side(producer, maker), Side(consumer, reader)), reasons)
    return Cost(row.row.name, number, row.ms, edge, "", None, None, producer, consumer, False, False, cause, cure, reason)


def _side(name: str, facts: Known) -> bool | None:
    return None if not name else on_dla(name, "", facts) is not False


def _edge(maker: bool | None, reader: bool | None) -> Edge:
    """The crossing between devices; ``None`` is the outside of the network."""
    if maker is None:
        return Edge.INPUT
    if reader is None:
        return Edge.OUTPUT
    return {(False, True): Edge.ENTER, (True, False): Edge.LEAVE, (True, True): Edge.BETWEEN}.get((maker, reader), Edge.GPU)


def _half(maker: bool | None, reader: bool | None) -> Edge:
    """The crossing when one side is not told."""
    return Edge.OUT if maker else Edge.IN if reader else Edge.UNKNOWN


def _reasons(engine: Engine) -> dict[str, Fallback]:
    if engine.build is None:
        return {}
    return {fallback.layer: fallback for fallback in engine.build.placement.fallbacks}


def _advice(
    edge: Edge, source: Format | None, target: Format | None, maker: Side, reader: Side, reasons: Mapping[str, Fallback]
) -> tuple[str, str]:
    """Why the reformat is there and what would remove it."""
    if edge is Edge.INPUT:
        wanted = flag(target, dla=bool(reader.dla) and not reader.through) if target else ""
        return "the network's input comes in another format than its first layer reads", (
            f"--inputIOFormats={wanted or 'fp16:chw16 (int8: chw32 or dla_hwc4)'}, and give the data in that format"
        )
    if edge is Edge.OUTPUT:
        return "the network's output is asked for in another format than its last layer writes", _output(source, maker, reader)
    name = _gpu(edge, maker, reader)
    if name:
        said, why = spoken(name), _why(name, reasons)
        mend = f"bring {said} to the DLA (`dlalint check` names its rule and the mend)"
        return f"{said} runs on the GPU{f' ({why})' if why else ''}", mend
    return _OTHER[edge]


_OTHER = {
    Edge.GPU: ("two GPU layers use different formats", "nothing that concerns the DLA"),
    Edge.BETWEEN: ("two loadables use different formats", "remove what parts the loadables, so that they become one"),
    Edge.OUT: (
        "what reads the loadable's output is not in the file: a GPU layer, or the network's output",
        "--outputIOFormats for an output of the network, else bring its reader to the DLA",
    ),
    Edge.IN: (
        "what writes the loadable's input is not in the file: a GPU layer, or the network's input",
        "--inputIOFormats for an input of the network, else bring its writer to the DLA",
    ),
    Edge.UNKNOWN: (
        "the rows do not tell whether the DLA stands on one side",
        "layer information (--exportLayerInfo with --profilingVerbosity=detailed) would tell",
    ),
}


def _output(source: Format | None, maker: Side, reader: Side) -> str:
    """What would let the network's output leave as it is; a reshape behind the last layer keeps a vectorized format from it."""
    through = (*maker.through, *reader.through)
    wanted = flag(source, dla=bool(maker.dla) and not through) if source else ""
    option = f"--outputIOFormats={wanted or 'fp16:chw16 (int8: chw32)'}, and read the data in that format"
    if through and source is not None and source.layout != "linear":
        return f"let the network end before {through[0]}, then {option}"
    return option


def _gpu(edge: Edge, maker: Side, reader: Side) -> str:
    """The layer on the GPU that a crossing leads to or comes from; empty for other edges."""
    return maker.name if edge is Edge.ENTER else reader.name if edge is Edge.LEAVE else ""


def _why(name: str, reasons: Mapping[str, Fallback]) -> str:
    """What TensorRT says against the DLA for a layer: its kind and the reason."""
    for piece in (name, *pieces(name)) if name else ():
        found = reasons.get(piece)
        if found is not None:
            return ": ".join(part for part in (found.kind, found.reason.rstrip(".")) if part)
    return ""
