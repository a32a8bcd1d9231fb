"""Which tensors to mark: what a model's nodes make, and which of it a user means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from dlalint.assemble import node_ids
from dlalint.errors import UsageError
from dlalint.graph import DTYPE_CODES, Device, Graph, Model, Node, TensorType, dtype_size
from dlalint.graphview import GraphView
from dlalint.model.stored import quoted
from dlalint.named_tuple import NamedTuple
from dlalint.plan import Outcome

# why a pattern passes over a tensor that it names
CONSTANT = "known at build time"
NO_TENSOR = "not a tensor"
UNTYPED = "of unknown type"
INTERNAL = "made by TensorRT only"

MAX_COMPARED = 5000  # names held against a wrong one whatever they are like; of more, only those that are close (which is found out sooner)


class Choice(NamedTuple):
    """What a user asks for, by name or by kind; all of it together is marked."""

    tensors: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    boundaries: bool = False
    everything: bool = False


class Candidate(NamedTuple):
    """An output of a node. ``number`` and ``node`` are its index and id, ``kind`` is ``None`` for an unknown type.

    ``bytes`` are those of its elements, ``None`` when their number is not known; ``obstacle`` says why patterns pass over it.
    """

    tensor: str
    number: int
    node: str
    op_type: str
    domain: str
    kind: TensorType | None
    bytes: int | None
    device: Device
    obstacle: str


class Chosen(NamedTuple):
    """``new`` are to be marked, ``already`` are outputs as they are, both in the order of the graph; ``left_out`` counts by reason."""

    new: tuple[Candidate, ...]
    already: tuple[Candidate, ...]
    left_out: Mapping[str, int]


def candidates(view: GraphView, outcome: Outcome) -> tuple[Candidate, ...]:
    """What the nodes of the model itself make, in their order."""
    ids = node_ids(view)
    return tuple(
        _candidate(view, outcome, index, ids[index], node, name)
        for index, node in enumerate(view.model.graph.nodes)
        for name in node.outputs
        if name
    )


def _candidate(view: GraphView, outcome: Outcome, index: int, node_id: str, node: Node, name: str) -> Candidate:
    kind = view.types.get(name)
    obstacle = ""
    if name in view.constants:
        obstacle = CONSTANT
    elif kind is None or kind.dtype == "undefined":
        obstacle = UNTYPED
    elif kind.dtype not in DTYPE_CODES:
        obstacle = NO_TENSOR
    elements = kind.elements if kind is not None else None
    width = dtype_size(kind.dtype) if kind is not None else 0
    count = int(elements * width + 0.5) if elements is not None and width else None
    return Candidate(name, index, node_id, node.op.op_type, node.op.domain, kind, count, outcome.nodes[index].device, obstacle)


def choose(view: GraphView, outcome: Outcome, choice: Choice) -> Chosen:
    """The tensors that ``choice`` means. Raises :class:`UsageError` for a name that cannot be marked, and for what means nothing.

    A tensor that is named is marked even if the build computes it; patterns pass over those, and over what TensorRT has no output for.
    """
    known = {item.tensor: item for item in candidates(view, outcome)}
    left_out: dict[str, int] = {}
    wanted = {name: _named(view, known, name) for name in choice.tensors}
    wanted.update((item.tensor, item) for name in choice.nodes for item in _of_node(known, name))
    for option, text, items in _groups(view, known, outcome, choice):
        fit = [item for item in items if not item.obstacle]
        for item in items:
            if item.obstacle and item.tensor not in wanted:
                left_out[item.obstacle] = left_out.get(item.obstacle, 0) + 1
        if not fit:
            why = f": all are {items[0].obstacle}" if items else ""
            raise UsageError(f"{text} no tensor to mark{why}", where=option, cure="`--list` shows what there is.", code="E510")
        wanted.update((item.tensor, item) for item in fit)
    if choice.boundaries:
        internal = sum(name not in known for name in _crossing(outcome))
        left_out.update({INTERNAL: internal} if internal else {})
    ordered = [item for item in known.values() if item.tensor in wanted]
    outputs = frozenset(view.model.graph.outputs)
    new, already = (tuple(item for item in ordered if (item.tensor in outputs) is there) for there in (False, True))
    return Chosen(new, already, left_out)


def _groups(
    view: GraphView, known: Mapping[str, Candidate], outcome: Outcome, choice: Choice
) -> Iterable[tuple[str, str, Sequence[Candidate]]]:
    """The option, what to say when it fits nothing, and the tensors that it names, for everything that is not asked for by name."""
    for pattern in choice.patterns:
        yield "--pattern", f"{quoted(pattern)} fits", [item for item in known.values() if fnmatchcase(item.tensor, pattern)]
    operators = dict.fromkeys(item.op_type for item in known.values())
    for operator in choice.operators:
        if operator not in operators:
            raise UsageError(
                f"the model has no operator {quoted(operator)}", where="--op-type", cure=_nearest(operator, operators), code="E510"
            )
        yield "--op-type", f"{operator} makes", [item for item in known.values() if item.op_type == operator]
    if choice.boundaries:
        names = _crossing(outcome)
        yield "--boundaries", "the placement leaves", [known[name] for name in names if name in known]
    if choice.everything:
        yield "--all", "the model has", list(known.values())


def _crossing(outcome: Outcome) -> list[str]:
    """The tensors that one device hands to the other, by the predicted placement."""
    segments = outcome.partition.segments
    inner = [crossing for crossing in outcome.partition.crossings if crossing.source >= 0 and crossing.target >= 0]
    sides = [(item.tensor, segments[item.source].device is Device.DLA, segments[item.target].device is Device.DLA) for item in inner]
    return list(dict.fromkeys(tensor for tensor, first, second in sides if first != second))


def _of_node(known: Mapping[str, Candidate], name: str) -> list[Candidate]:
    found = [item for item in known.values() if item.node == name]
    if not found:
        ids = dict.fromkeys(item.node for item in known.values())
        raise UsageError(f"the model has no node {quoted(name)}", where="--node", cure=_nearest(name, ids), code="E510")
    for item in found:
        _refuse_untyped(item, "--node")
    return found


def _named(view: GraphView, known: Mapping[str, Candidate], name: str) -> Candidate:
    item = known.get(name)
    if item is not None:
        _refuse_untyped(item, "--tensor")
        return item
    graph = view.model.graph
    where = "--tensor"
    if name in view.inputs:
        raise UsageError(f"{quoted(name)} is an input of the model", where=where, cure="What it holds is what you feed.", code="E511")
    if name in graph.constants or name in graph.inputs:
        raise UsageError(f"{quoted(name)} is an initializer", where=where, cure="Its values are in the file.", code="E511")
    home = _inside(view.model, name)
    if home:
        raise UsageError(f"{quoted(name)} lies inside {home[0]}", where=where, cure=home[1], code="E511")
    made = [item.tensor for item in known.values() if item.node == name]
    if made:
        raise UsageError(
            f"{quoted(name)} is a node", where=where, cure=f"Use --node, or its output: {', '.join(map(quoted, made[:3]))}.", code="E510"
        )
    raise UsageError(f"the model has no tensor {quoted(name)}", where=where, cure=_nearest(name, known), code="E510")


def _refuse_untyped(item: Candidate, where: str) -> None:
    if item.obstacle == UNTYPED:
        raise UsageError(
            f"the type of {quoted(item.tensor)} is not known, and TensorRT refuses an output without one",
            where=where,
            cure="State it in the file (graph.value_info).",
            code="E511",
        )
    if item.kind is not None and item.kind.dtype not in DTYPE_CODES:
        raise UsageError(
            f"{quoted(item.tensor)} is no tensor ({item.kind.dtype})",
            where=where,
            cure="TensorRT has outputs for tensors only.",
            code="E511",
        )


def _nearest(name: str, names: Iterable[str]) -> str:
    from difflib import get_close_matches

    everything = list(names)
    near = get_close_matches(name, everything, n=3, cutoff=0.0 if len(everything) <= MAX_COMPARED else 0.6)
    hint = f"Did you mean {' or '.join(map(quoted, near))}? " if near else ""
    return f"{hint}`--list` shows what there is."


def _inside(model: Model, name: str) -> tuple[str, str] | None:
    """The body or function that has the tensor ``name``, in words, with what to do; ``None`` when none has."""
    for index, node in enumerate(model.graph.nodes):
        if _within(node.op.graphs, name):
            title = quoted(node.name or f"{node.op.op_type} (node {index})")
            return f"a body of {title}", "Only what the node itself hands out can be an output of the model; mark that."
    for function in model.functions:
        bodies = tuple(body for node in function.nodes for body in node.op.graphs)
        if any(name in node.outputs for node in function.nodes) or _within(bodies, name):
            return f"the function {quoted(function.name)}", "Mark an output of a node that calls it, or write it out first (onnx.inliner)."
    return None


def _within(bodies: Sequence[Graph], name: str) -> bool:
    pending = list(bodies)
    while pending:
        body = pending.pop()
        if name in body.constants or name in body.inputs or any(name in node.outputs for node in body.nodes):
            return True
        pending.extend(inner for node in body.nodes for inner in node.op.graphs)
    return False


def needed(model: Model, outputs: Iterable[str]) -> tuple[frozenset[int], frozenset[str]]:
    """The nodes that ``outputs`` depend on, by index, and all that they and the outputs read by name (what bodies take is among it)."""
    nodes = model.graph.nodes
    producers = {name: index for index, node in enumerate(nodes) for name in node.outputs if name}
    read: set[str] = set()
    found: set[int] = set()
    pending = list(outputs)
    while pending:
        name = pending.pop()
        if name in read:
            continue
        read.add(name)
        index = producers.get(name)
        if index is not None and index not in found:
            found.add(index)
            pending.extend(_reads(nodes[index]))
    return frozenset(found), frozenset(read)


def _reads(node: Node) -> Iterable[str]:
    yield from (name for name in node.inputs if name)
    pending = list(node.op.graphs)
    while pending:
        body = pending.pop()
        yield from body.outputs
        for inner in body.nodes:
            yield from (name for name in inner.inputs if name)
            pending.extend(inner.op.graphs)
