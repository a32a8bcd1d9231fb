"""The I/O formats that spare a network the reformats at its inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dlalint.graph import Device
from dlalint.named_tuple import NamedTuple
from dlalint.network import Network
from dlalint.plan import Outcome, Partition
from dlalint.trtexec.flags import Flags

_TYPES = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "float8e4m3fn": "fp8"}  # the others are called the same
_FEW = 4  # channels: chw16 would store at least four times as many
_HWC4_CHANNELS = (1, 3, 4)  # the 8.5 guide: gray, or colour with up to four channels
_HWC4_GROUPS = 4


class Layouts(NamedTuple):
    """The formats of all inputs or all outputs.

    ``specs`` are empty when the flag is left out; then ``why`` says why, else what the formats do. ``spared`` says that no tensor needs a
    reformat: each is in a layout of the DLA.
    """

    specs: tuple[str, ...]
    why: str
    spared: bool


class IoLayout:
    """The formats of the inputs and outputs of an outcome with ``partition``, for trtexec with ``flags``.

    ``calibrated`` says that a calibration file is given, ``native`` asks for the layouts that a bare loadable accepts.
    """

    def __init__(self, outcome: Outcome, partition: Partition, flags: Flags, *, calibrated: bool = False, native: bool = False) -> None:
        self._network: Network = outcome.network
        self._partition = partition
        self._flags = flags
        self._calibrated = calibrated
        self._int8 = outcome.target.precision == "int8"
        self._in_fp16 = frozenset(found.layer for found in outcome.findings if found.name == "int8-runs-in-fp16")
        self._layouts = flags.standalone if native else flags.layouts
        self._producers = self._network.producers()
        self._consumers = self._network.consumers()

    def inputs(self) -> Layouts:
        """The formats of the network's inputs, in order."""
        ends: dict[str, list[int]] = {name: [] for name in self._network.inputs}
        for crossing in self._partition.crossings:
            if crossing.source < 0:
                ends[crossing.tensor].append(crossing.target)
        return self._side("input", ends, self._input)

    def outputs(self) -> Layouts:
        """The formats of the network's outputs, in order."""
        ends: dict[str, list[int]] = {name: [] for name in self._network.outputs}
        for crossing in self._partition.crossings:
            if crossing.target < 0:
                ends[crossing.tensor].append(crossing.source)
        found = self._side("output", ends, self._output)
        if self._calibrated and self._any_int8(found.specs) and not self._flags.does("outputs_counted"):
            return self._counted(found)
        return found

    def _side(self, noun: str, ends: dict[str, list[int]], choose: Callable[[str], tuple[str, str]]) -> Layouts:
        on_dla = [name for name, found in ends.items() if self._on_dla(name, found)]
        if not on_dla:
            typed = any(self._touches(found) for found in ends.values())
            why = f"the DLA has no layout for the type of the {noun}s" if typed else f"no {noun} of the network touches the DLA"
            return Layouts((), why, False)
        specs = []
        for name in ends:
            kind, layout = choose(name) if name in on_dla else (self._linear_type(name), "chw")
            if self._flags.types and kind not in self._flags.types:
                return Layouts((), f"trtexec has no word for the type of {_shown(name)}", False)
            specs.append(f"{kind}:{layout}" if self._flags.types else layout)
        if self._calibrated and self._any_int8(specs) and not self._flags.does("int8_with_calibration"):
            return Layouts((), "INT8 formats would make trtexec of this release replace the scales of --calib by made-up ones", False)
        return Layouts(tuple(specs), self._reason(noun, specs, len(on_dla), len(ends)), len(on_dla) == len(ends))

    def _on_dla(self, name: str, ends: Sequence[int]) -> bool:
        """Whether all that a tensor touches is on the DLA, and its type one that the DLA has a layout for."""
        typed = bool(self._flags.types) or self._linear_type(name) in ("fp16", "int8")
        return typed and self._touches(ends)

    def _touches(self, ends: Sequence[int]) -> bool:
        return bool(ends) and all(self._partition.segments[end].device is Device.DLA for end in ends)

    def _input(self, name: str) -> tuple[str, str]:
        kind = self._kind(name, self._int8)
        channels = self._channels(name)
        if channels > _FEW or channels == 0:
            return kind, self._native(kind)
        readers = [self._network.layers[index].spec for index in self._consumers.get(name, ())]
        plain = all(spec.kind == "CONVOLUTION" and _small(spec.params.get("groups")) for spec in readers)
        if "dla_hwc4" in self._layouts and channels in _HWC4_CHANNELS and plain:
            return kind, "dla_hwc4"
        return kind, "dla_linear" if "dla_linear" in self._layouts else self._native(kind)

    def _output(self, name: str) -> tuple[str, str]:
        maker = self._network.layers[self._producers[name]].name
        kind = self._kind(name, self._int8 and maker not in self._in_fp16)
        few = 0 < self._channels(name) <= _FEW
        return kind, "dla_linear" if few and "dla_linear" in self._layouts else self._native(kind)

    def _kind(self, name: str, int8: bool) -> str:
        """The type of a tensor on the DLA: the network's own where formats have no type."""
        return ("int8" if int8 else "fp16") if self._flags.types else self._linear_type(name)

    def _native(self, kind: str) -> str:
        return "chw32" if kind == "int8" else "chw16"

    def _channels(self, name: str) -> int:
        """The channels of a tensor of four dimensions that is more than a vector, else 0."""
        found = self._network.types.get(name)
        dims = found.dims if found is not None else None
        return dims[1] if dims is not None and len(dims) == 4 and dims[2] * dims[3] > 1 else 0

    def _linear_type(self, name: str) -> str:
        found = self._network.types.get(name)
        dtype = found.dtype if found is not None else "undefined"
        if dtype == "int64" and "int64" not in self._flags.types:
            return "int32"  # the parser narrows it
        return _TYPES.get(dtype, dtype)

    def _counted(self, found: Layouts) -> Layouts:
        """One format for all outputs where trtexec compares their number with that of the inputs."""
        if len(found.specs) == len(self._network.inputs) or len(found.specs) == 1:
            return found
        if len(set(found.specs)) == 1:
            return found._replace(specs=found.specs[:1], why=f"{found.why}. Written once for all, because trtexec counts the inputs here")
        why = "trtexec of this release wants as many formats as there are inputs when they are INT8 and --calib is given"
        return Layouts((), why, False)

    def _any_int8(self, specs: Sequence[str]) -> bool:
        return any(spec.startswith("int8:") for spec in specs)

    def _reason(self, noun: str, specs: Sequence[str], on_dla: int, total: int) -> str:
        layouts = {spec.rpartition(":")[2] for spec in specs}
        said = f"the DLA's own layout: no reformat at the {noun}{'s' if total > 1 else ''}"
        if on_dla < total:
            said = f"one for each in order; {on_dla} of {total} {noun}s touch the DLA and take its own layout"
        if "dla_hwc4" in layouts:
            said += "; dla_hwc4 pads few channels to 4 and not to a whole vector"
        elif "dla_linear" in layouts:
            said += "; dla_linear does not pad few channels"
        if self._calibrated and self._any_int8(specs):
            said += "; --calib must hold a scale for each"
        return f"{said}. Your program must {'write' if noun == 'input' else 'read'} this layout"


def _small(groups: object) -> bool:
    return not isinstance(groups, int) or groups <= _HWC4_GROUPS


def _shown(name: str) -> str:
    return name if name.isprintable() else "an input or output"
