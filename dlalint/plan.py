"""The predicted build: which device runs each layer and node, in which segment, and what crosses between segments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, overload

from dlalint.finding import Finding
from dlalint.graph import Device, Model, Node
from dlalint.named_tuple import NamedTuple
from dlalint.network import Network
from dlalint.target import Target

if TYPE_CHECKING:
    from dlalint.accepted import Contrast, Waived
    from dlalint.measured import Coverage, Reach


class Crossing(NamedTuple):
    """A tensor that one segment hands to another; ``source`` or ``target`` is -1 at an input or output of the network."""

    tensor: str
    source: int
    target: int


class Segment(NamedTuple):
    """Layers that run together: a loadable, a run of GPU layers, or a candidate that the limit sent to the GPU (not ``placed``)."""

    number: int
    device: Device
    layers: tuple[int, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    placed: bool = True


class Partition(NamedTuple):
    """The placement of a network.

    ``candidates`` are the groups before the limit, ``kept`` the indices of those that stay loadables. ``refused`` are the layers that
    the DLA compiler took out of their group, with the reason's slug. ``segments`` are in an order in which they can run.
    """

    devices: tuple[Device, ...]
    candidates: tuple[tuple[int, ...], ...]
    kept: tuple[int, ...]
    refused: Mapping[int, str]
    segments: tuple[Segment, ...]
    segment_of: tuple[int, ...]
    crossings: tuple[Crossing, ...]

    @property
    def dropped(self) -> tuple[int, ...]:
        """The candidates that the limit sends to the GPU."""
        kept = frozenset(self.kept)
        return tuple(number for number in range(len(self.candidates)) if number not in kept)


class NodePlacement(NamedTuple):
    """Where a node of the model ends. ``segment`` is -1 when nothing of it remains at run time. ``id`` is unique in the model."""

    number: int
    name: str
    id: str
    op_type: str
    domain: str
    device: Device
    segment: int
    codes: tuple[str, ...]
    macs: int


class NodePlacements(Sequence[NodePlacement]):
    """The nodes of a model in order, kept by column: a :class:`NodePlacement` is made of each when somebody looks at one."""

    def __init__(
        self,
        nodes: Sequence[Node],
        ids: Sequence[str],
        devices: Sequence[Device],
        segments: Sequence[int],
        codes: Mapping[int, tuple[str, ...]],
        macs: Sequence[int],
    ) -> None:
        """``ids``, ``devices``, ``segments`` and ``macs`` are there for each of ``nodes``, ``codes`` for those that have any."""
        self.devices = devices
        self.macs = macs
        self._rest = nodes, ids, segments, codes

    @cached_property
    def _rows(self) -> tuple[NodePlacement, ...]:
        nodes, ids, segments, codes = self._rest
        ops = [node.op for node in nodes]
        named = (range(len(nodes)), [node.name for node in nodes], ids, [op.op_type for op in ops], [op.domain for op in ops])
        said = [codes.get(number, ()) for number in named[0]]
        return tuple(map(NodePlacement._make, zip(*named, self.devices, segments, said, self.macs, strict=True)))

    def __len__(self) -> int:
        return len(self.devices)

    def __iter__(self) -> Iterator[NodePlacement]:
        return iter(self._rows)

    @overload
    def __getitem__(self, index: int) -> NodePlacement: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[NodePlacement, ...]: ...
    def __getitem__(self, index: int | slice) -> NodePlacement | tuple[NodePlacement, ...]:
        return self._rows[index]

    def __eq__(self, other: object) -> bool:
        return self._rows == (other._rows if isinstance(other, NodePlacements) else other)


class Summary(NamedTuple):
    """The numbers of a build. Bytes are at the element size of the DLA; ``reformats`` is an upper bound."""

    nodes: int
    dla_nodes: int
    gpu_nodes: int
    folded_nodes: int
    unknown_nodes: int
    dla_macs: int
    gpu_macs: int
    loadables: int
    loadable_limit: int | None
    candidates: int
    transitions: int
    boundary_bytes: int
    reformats: int
    weight_bytes: int


class Boundary(NamedTuple):
    """A tensor that crosses: its type as the model has it, and its bytes on the way; ``bytes`` is ``None`` when a size is not known."""

    dtype: str
    shape: tuple[int | str | None, ...] | None
    bytes: int | None


class Line(NamedTuple):
    """The placement on another target in one line."""

    target: str
    verdict: str
    dla_nodes: int
    gpu_nodes: int
    loadables: int
    remark: str = ""


class Failure(NamedTuple):
    """A model that could not be checked: the error's code, what is wrong, what to do."""

    path: str
    code: str
    what: str
    cure: str


class Outcome(NamedTuple):
    """All that a check found out about one model on one target. ``verdict`` is full, partial, none or unknown.

    ``findings`` are those that count: neither ``waived`` nor, where there is a ``baseline``, known to it. ``coverage`` is there when INT8
    scales were given, ``reach`` when the ranges of its tensors were.
    """

    model: Model
    target: Target
    status: str
    verdict: str
    summary: Summary
    nodes: Sequence[NodePlacement]
    network: Network
    partition: Partition
    boundaries: Mapping[str, Boundary]
    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]
    others: tuple[Line, ...] = ()
    waived: tuple[Waived, ...] = ()
    baseline: Contrast | None = None
    coverage: Coverage | None = None
    reach: Reach | None = None

    def keeping(self, kept: Sequence[int]) -> Outcome:
        """The outcome with the findings at the indices ``kept`` alone; one whose cause is left out stands by itself."""
        moved = {old: new for new, old in enumerate(kept)}
        found = (self.findings[index] for index in kept)
        return self._replace(findings=tuple(item if item.cause is None else item._replace(cause=moved.get(item.cause)) for item in found))
