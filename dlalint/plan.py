"""The predicted build: which device runs each layer, in which segment, and what crosses between segments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from dlalint.graph import Device


class Crossing(NamedTuple):
    """A tensor that one segment hands to another; ``source`` or ``target`` is -1 at an input or output of the network."""

    tensor: str
    source: int
    target: int


@dataclass(frozen=True, slots=True)
class Segment:
    """Layers that run together: a loadable, a run of GPU layers, or a candidate that the limit sent to the GPU (``placed`` is false)."""

    index: int
    device: Device
    layers: tuple[int, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    placed: bool = True


@dataclass(frozen=True, slots=True)
class Partition:
    """The placement of a network. ``candidates`` are the groups before the limit, ``kept`` the indices of those that stay loadables."""

    devices: tuple[Device, ...]
    candidates: tuple[tuple[int, ...], ...]
    kept: tuple[int, ...]
    refused: Mapping[int, str]
    segments: tuple[Segment, ...]
    segment_of: tuple[int, ...]
    crossings: tuple[Crossing, ...]

    @property
    def loadables(self) -> tuple[tuple[int, ...], ...]:
        """The candidates that stay on the DLA."""
        return tuple(self.candidates[index] for index in self.kept)


class NodePlacement(NamedTuple):
    """Where a node of the model ends: ``segment`` is -1 when nothing of it remains at run time."""

    index: int
    name: str
    id: str
    op_type: str
    domain: str
    device: Device
    segment: int
    codes: tuple[str, ...]
    macs: int
