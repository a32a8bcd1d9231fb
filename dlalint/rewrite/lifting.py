"""A region of nodes with the channels last, lifted to four dimensions: the reshapes and transposes at its border go or move outwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from onnx import NodeProto

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.base import Miss, Replacement
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.convolution import KERNEL
from dlalint.rewrite.frame import Frame, frame
from dlalint.rewrite.graph import NOT_A_NODE, Graph, attribute
from dlalint.rewrite.lifts import PRODUCTS, UNARY, Source, data, fits, formed, joinable, lift

RESHAPES = frozenset(("Flatten", "Reshape", "Squeeze", "Unsqueeze"))
BORDER = RESHAPES | {"Transpose"}
REACH = 2  # a border is at most a reshape and a transpose


class Region(NamedTuple):
    """Nodes that compute the same in four dimensions, in the order of the graph, and the shape they share."""

    nodes: tuple[int, ...]
    frame: Frame


class Passage(NamedTuple):
    """The nodes of a border through which a tensor of four dimensions enters (``name`` is read) or leaves (``name`` is made)."""

    nodes: tuple[int, ...]
    name: str
    dims: tuple[int, ...]
    last: bool = False


def regions(graph: Graph, index: int) -> Iterator[Region]:
    """The regions that a node is part of, or has at its border."""
    seen: set[int] = set()
    for start in _near(graph, index):
        found = frame(graph, graph.nodes[start].output[0]) if start not in seen else None
        if found is not None and fits(graph, start, found):
            region = _grown(graph, start, found)
            seen.update(region.nodes)
            yield region._replace(frame=found._replace(space=_space(graph, region)))


def has_product(graph: Graph, region: Region) -> bool:
    """Whether a region multiplies with a constant matrix."""
    return any(graph.nodes[index].op_type in PRODUCTS for index in region.nodes)


def _near(graph: Graph, index: int) -> list[int]:
    """The node, and those behind and before it when it is a border."""
    found, edge = [index], [index]
    for _ in range(REACH):
        around: list[int] = []
        for item in (item for item in edge if graph.nodes[item].op_type in BORDER):
            node = graph.nodes[item]
            around += [reader for reader in graph.consumers(node.output[0]) if reader != NOT_A_NODE]
            around += [source for source in (graph.producer(name) for name in node.input[:1]) if source is not None]
        edge = [item for item in around if item not in found]
        found += edge
    return found


def _grown(graph: Graph, start: int, shape: Frame) -> Region:
    pending, found = [start], set()
    while pending:
        index = pending.pop()
        if index in found or index == NOT_A_NODE or not fits(graph, index, shape):
            continue
        found.add(index)
        node = graph.nodes[index]
        pending += [source for source in map(graph.producer, data(graph, node)) if source is not None]
        pending += graph.consumers(node.output[0])
    return Region(tuple(sorted(found)), shape)


def _space(graph: Graph, region: Region) -> tuple[int, int]:
    """Height and width of the maps at the border; of a sequence that was no map one row."""
    if len(region.frame.between) != 1:
        return region.frame.space
    for name in reads(graph, region):
        path = _path_in(graph, name)
        if len(path) == 2:
            dims = graph.dims(graph.nodes[path[0]].input[0])
            if dims is not None and len(dims) == 4 and dims[2] * dims[3] == region.frame.between[0]:
                return dims[2], dims[3]
    for index in region.nodes:
        for path in _paths_out(graph, graph.nodes[index].output[0]):
            dims = graph.dims(graph.nodes[path[-1]].output[0])
            if len(path) == 2 and dims is not None and len(dims) == 4 and dims[2] * dims[3] == region.frame.between[0]:
                return dims[2], dims[3]
    return region.frame.space


def reads(graph: Graph, region: Region) -> list[str]:
    """The tensors that a region takes from outside."""
    made = {graph.nodes[index].output[0] for index in region.nodes}
    names = (name for index in region.nodes for name in data(graph, graph.nodes[index]))
    return [name for name in dict.fromkeys(names) if name not in made]


def _path_in(graph: Graph, name: str) -> list[int]:
    """The border nodes that make a tensor, in their order."""
    found: list[int] = []
    index = graph.producer(name)
    while index is not None and len(found) < REACH and graph.nodes[index].op_type in BORDER:
        found.insert(0, index)
        index = graph.producer(graph.nodes[index].input[0])
    return found


def _paths_out(graph: Graph, name: str) -> list[list[int]]:
    """Each border node that reads a tensor, with the one that alone reads what it makes."""
    found = []
    for index in graph.consumers(name):
        if index != NOT_A_NODE and graph.nodes[index].op_type in BORDER:
            behind = graph.only_consumer(graph.nodes[index].output[0])
            found.append([index, behind] if behind is not None and graph.nodes[behind].op_type in BORDER else [index])
    return found


def lifted(graph: Graph, region: Region, build: Builder) -> Replacement | Miss:
    """The region in four dimensions, in place of itself and its border."""
    shape = region.frame
    remove, joined = list(region.nodes), set[int]()
    sources: dict[str, Source] = {}
    for index in region.nodes:
        if index in joined:
            continue
        node, added = graph.nodes[index], joinable(graph, index)
        for outside in (name for name in data(graph, node) if name not in sources):
            way = entrance(graph, region, outside)
            sources[outside], passed = _entered(graph, region, build, outside, way)
            remove += way.nodes if way is not None and passed else ()
        joined.update(added)
        name = graph.nodes[added[-1] if added else index].output[0]
        dims = graph.dims(name) or ()
        ways = exits(graph, region, name)
        direct = [way for way in ways if way.dims == shape.dims(dims[-1])]
        addend = graph.nodes[added[0]] if added else None
        made = lift(build, node, shape, sources, direct[0].name if direct else "", addend)
        if made is None:
            return Miss(f"a constant of {node.op_type} is not known or has another form")
        sources[name] = sources[node.input[0]]._replace(name=made) if node.op_type in UNARY else Source(made)
        for way in ways:
            remove += way.nodes
            if way in direct[1:]:
                build.add("Identity", [made], way.name)
            elif way not in direct:
                build.reshape(made, way.dims, way.name)
        if set(graph.consumers(name)) - set(region.nodes) - {way.nodes[0] for way in ways}:
            _left(build, shape, made, dims, name)
    constants = (name for index in region.nodes for name in graph.nodes[index].input if graph.is_constant(name))
    remove += [index for name in constants for index in formed(graph, name)]
    _keep_borders(graph, build, set(remove) - set(region.nodes), set(remove))
    return build.replacement(*remove)


def _entered(graph: Graph, region: Region, build: Builder, name: str, way: Passage | None) -> tuple[Source, bool]:
    """The tensor in four dimensions, and whether it was taken from before the border."""
    shape, channels = region.frame, (graph.dims(name) or (0,))[-1]
    dims = shape.dims(channels)
    if way is not None and way.dims == dims:
        return Source(way.name), True
    if way is not None and not shape.between and max(way.dims[2:]) <= KERNEL and _summed(graph, region, name):
        return Source(way.name, (way.dims[1], way.dims[2], way.dims[3]), way.last), True
    if way is not None and not way.last:
        return Source(build.reshape(way.name, dims)), True
    if not shape.between:
        return Source(build.reshape(name, dims)), False
    rank = len(shape.between) + 2
    moved = build.transpose(name, (0, rank - 1, *range(1, rank - 1)))
    return Source(moved if rank == 4 else build.reshape(moved, dims)), False


def _summed(graph: Graph, region: Region, name: str) -> bool:
    """Whether the region does nothing with a flattened map but to treat each element alone, and then to sum over all of them."""
    for index in graph.consumers(name):
        node = graph.nodes[index]
        if index not in region.nodes or node.op_type in PRODUCTS:
            continue
        alone = node.op_type in UNARY and all(reader in region.nodes for reader in graph.consumers(node.output[0]))
        if not alone or not _summed(graph, region, node.output[0]):
            return False
    return True


def _left(build: Builder, shape: Frame, made: str, dims: tuple[int, ...], name: str) -> None:
    """``name`` itself from the tensor of four dimensions."""
    rank = len(dims)
    if rank == 2:
        build.add("Flatten", [made], name, axis=1)
        return
    flat = made if rank == 4 else build.reshape(made, (shape.batch, dims[-1], *shape.between))
    build.transpose(flat, (0, *range(2, rank), 1), name)


def _keep_borders(graph: Graph, build: Builder, border: set[int], remove: set[int]) -> None:
    """Border nodes that others read too stay, and with them those before them."""
    kept: set[int] = set()
    made = {name for node in build.replacement().nodes for name in node.output}
    for index in sorted(border, reverse=True):
        node = graph.nodes[index]
        if node.output[0] not in made and any(reader not in remove or reader in kept for reader in graph.consumers(node.output[0])):
            kept.add(index)
    for index in sorted(kept):
        build.keep(graph.nodes[index], graph.nodes[index].input)


def entrance(graph: Graph, region: Region, name: str) -> Passage | None:
    """How a tensor of four dimensions comes to be ``name``; ``None`` when there is none before it."""
    path = _path_in(graph, name)
    if not path:
        return None
    return _from_rows(graph, region.frame, path) if region.frame.between else _from_map(graph, region.frame, path)


def _from_map(graph: Graph, shape: Frame, path: Sequence[int]) -> Passage | None:
    """A map that reshapes make a matrix, with the channels in front or, behind a transpose, last."""
    steps = [graph.nodes[index] for index in path]
    for first in reversed(range(len(path))):
        source = graph.dims(steps[first].input[0])
        if steps[first].op_type not in RESHAPES or source is None:
            return None
        if len(source) == 4 and source[0] == shape.batch:
            if first and _order(steps[first - 1], 4) == (0, 2, 3, 1):
                channels_first = (source[0], source[3], source[1], source[2])
                return Passage(tuple(path[first - 1 :]), steps[first - 1].input[0], channels_first, last=True)
            return Passage(tuple(path[first:]), steps[first].input[0], source)
    return None


def _from_rows(graph: Graph, shape: Frame, path: Sequence[int]) -> Passage | None:
    """A tensor with the channels in front that a transpose moves to the end, for a sequence the map before its reshape."""
    steps, rank = [graph.nodes[index] for index in path], len(shape.between) + 2
    if _order(steps[-1], rank) != (0, *range(2, rank), 1):
        return None
    source = graph.dims(steps[0].input[0])
    reshaped = rank == 3 and len(steps) == 2 and steps[0].op_type in RESHAPES
    if reshaped and source is not None and len(source) == 4 and source[0] == shape.batch and source[2:] == shape.space:
        return Passage(tuple(path), steps[0].input[0], source)
    source = graph.dims(steps[-1].input[0])
    return None if source is None else Passage((path[-1],), steps[-1].input[0], source)


def exits(graph: Graph, region: Region, name: str) -> list[Passage]:
    """What makes of ``name`` a tensor that four dimensions can give directly."""
    rank, found = len(region.frame.between) + 2, []
    for path in _paths_out(graph, name):
        node = graph.nodes[path[0]]
        made = graph.dims(node.output[0])
        if path[0] in region.nodes or made is None or made[:1] != (region.frame.batch,) or 0 in made:
            continue
        if rank == 2 and (node.op_type not in RESHAPES or len(made) != 4):
            continue
        if rank > 2 and _order(node, rank) != (0, rank - 1, *range(1, rank - 1)):
            continue
        found.append(Passage((path[0],), node.output[0], made))
        behind = graph.nodes[path[1]] if len(path) == 2 else None
        dims = graph.dims(behind.output[0]) if behind is not None else None
        if rank == 3 and behind is not None and behind.op_type in RESHAPES and dims == region.frame.dims(made[1]):
            found[-1] = Passage(tuple(path), behind.output[0], dims)
    return found


def _order(node: NodeProto, rank: int) -> tuple[int, ...] | None:
    return tuple(attribute(node, "perm", tuple(reversed(range(rank))))) if node.op_type == "Transpose" else None
