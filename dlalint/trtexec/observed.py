"""What the files of a build say, as plain frozen values: the types that all readers yield and everything later reads."""

from __future__ import annotations

from collections.abc import Mapping

from dlalint.errors import DlalintError
from dlalint.named_tuple import NamedTuple


class LogError(DlalintError):
    """A file of a build that cannot be used.

    E130 none of the known kinds, E131 cannot be opened, E132 over a limit, E133 broken JSON, E134 of another engine, E135 no text,
    E136 nothing to report on, E137 more files than can be compared, E138 of another network than the model, E139 of no build for the DLA.
    """

    default_code = "E130"


class Format(NamedTuple):
    """How a tensor lies in memory: ``FP32``, ``FP16``, ``INT8`` ... and ``linear``, ``CHW16``, ``HWC4`` ...; empty where not told."""

    dtype: str
    layout: str = ""

    def __str__(self) -> str:
        return f"{self.dtype} {self.layout}".strip()


class Use(NamedTuple):
    """A tensor that an engine layer reads or writes. ``dims`` is empty for a scalar, ``None`` where the file does not say."""

    name: str
    format: Format
    dims: tuple[int, ...] | None = None


class EngineLayer(NamedTuple):
    """A layer of the engine. ``type`` is TensorRT's word (DLA, Reformat, NoOp, Myelin, CaskConvolution ...), empty when not told.

    ``precision`` is what it computes in. ``nodes`` are ONNX nodes: from the layer's metadata where ``stated``, else from its name, which
    for a range ``{ForeignNode[a...b]}`` holds only the two ends.
    """

    name: str
    type: str = ""
    inputs: tuple[Use, ...] = ()
    outputs: tuple[Use, ...] = ()
    precision: str = ""
    tactic: str = ""
    nodes: tuple[str, ...] = ()
    stated: bool = False


class LayerInfo(NamedTuple):
    """The layers of an engine in order. ``detailed`` when the file gives types and formats and not names alone."""

    layers: tuple[EngineLayer, ...]
    bindings: tuple[str, ...]
    detailed: bool
    complete: bool = True


class ProfileRow(NamedTuple):
    """One line of a profile; milliseconds over all runs, and per run. ``type`` is the layer type where the file has it."""

    name: str
    total_ms: float
    average_ms: float
    median_ms: float | None = None
    percent: float | None = None
    type: str = ""


class Profile(NamedTuple):
    """The times of an engine's layers.

    ``iterations`` as printed, or ``None``; ``total`` is the table's last row, ``None`` when the file does not have it. ``releases`` is
    the first and last TensorRT release that print this form, last empty when it still does. ``repaired`` are rows that had to be told
    apart by their sums.
    """

    rows: tuple[ProfileRow, ...]
    iterations: int | None
    total: ProfileRow | None
    form: str
    releases: tuple[str, str]
    repaired: tuple[int, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the rows."""
        return tuple(row.name for row in self.rows)


class Group(NamedTuple):
    """What the list of layers on the DLA names: a loadable with its layers, a loadable as a range of two names, or a single layer.

    ``members`` are all layers in braces, the two ends of a range, or the layer; ``form`` is ``braces``, ``range`` or ``layer``.
    ``elided`` when the file leaves members out.
    """

    name: str
    form: str
    members: tuple[str, ...]
    elided: bool = False


class GpuLayer(NamedTuple):
    """A layer in the list of those on the GPU; ``kind`` is TensorRT's (SHUFFLE, REDUCE ...), empty before 8.4."""

    name: str
    kind: str = ""


class Fallback(NamedTuple):
    """A layer that TensorRT says is not for the DLA. ``stage`` is ``check`` (layer alone), ``validation`` (in its group) or ``remark``.

    A remark states a reason without saying that the layer moved. ``reason`` is the message of the line before or after, or empty.
    """

    layer: str
    kind: str
    reason: str
    stage: str
    line: int


class Pools(NamedTuple):
    """Memory in bytes: managed SRAM, local DRAM, global DRAM."""

    sram: int
    local: int
    shared: int


class Offload(NamedTuple):
    """A loadable that the DLA compiler accepted, and its memory where printed."""

    name: str
    memory: Pools | None


class Placement(NamedTuple):
    """What a build log says on devices. ``listed`` when it has the lists of layers; ``dla`` may be from before the limit (10.x).

    ``over_limit`` names the first layer of each candidate sent to the GPU for the limit ``limit``. ``splits`` are the layers at which
    a group was cut, ``segmentations`` counts the cuts for unequal batches. ``candidates`` is (offloaded, all). ``ended`` when the log
    goes on behind the lists, so that they are whole.
    """

    listed: bool
    dla: tuple[Group, ...]
    gpu: tuple[GpuLayer, ...]
    fallbacks: tuple[Fallback, ...]
    splits: tuple[str, ...]
    segmentations: int
    limit: int | None
    over_limit: tuple[str, ...]
    low_rank: tuple[str, ...]
    offloaded: tuple[Offload, ...]
    candidates: tuple[int, int] | None
    pools: Pools | None
    members: Mapping[str, tuple[EngineLayer, ...]]
    none_on_dla: bool = False
    ended: bool = False


class Timing(NamedTuple):
    """A time measured while building: a loadable or reformat (``runner`` DLA, Reformat) in one combination of formats.

    ``inputs`` and ``outputs`` keep TensorRT's notation, type and strides. For a reformat ``name`` is the tensor.
    """

    name: str
    runner: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    ms: float


class Added(NamedTuple):
    """A reformat that the builder put in: before or after ``layer``, of ``tensor``, in TensorRT's notation of formats."""

    side: str
    number: int
    layer: str
    tensor: str
    source: str
    target: str


class BuildLog(NamedTuple):
    """A build log. ``counts`` are the numbers of layers after each named stage; ``registered`` maps a TensorRT layer to its ONNX node.

    ``fastest`` is the best time of each layer that runs on the GPU, over all its kernels and formats, in milliseconds. ``device`` is the
    name of the GPU that trtexec selected (``Orin``, ``Xavier``), empty when it is not printed.
    """

    release: str
    command: str
    passed: bool | None
    precision: tuple[str, ...]
    dla_core: int | None
    placement: Placement
    counts: Mapping[str, int]
    registered: Mapping[str, str]
    fusions: tuple[tuple[str, str], ...]
    engine: tuple[EngineLayer, ...]
    timings: tuple[Timing, ...]
    fastest: Mapping[str, float]
    added: tuple[Added, ...]
    errors: tuple[str, ...]
    device: str = ""


class Metric(NamedTuple):
    """A measured quantity in milliseconds; what the file does not give is ``None``. ``percentiles`` are (percent, value)."""

    name: str
    mean: float | None
    median: float | None
    least: float | None
    most: float | None
    percentiles: tuple[tuple[float, float], ...] = ()


class Summary(NamedTuple):
    """What trtexec prints at its end. ``qps`` are queries per second; ``averages`` counts the lines of averages that were met."""

    qps: float | None
    metrics: tuple[Metric, ...]
    averages: int = 0


class Times(NamedTuple):
    """The times of single runs (``--exportTimes``), as statistics."""

    runs: int
    metrics: tuple[Metric, ...]
    complete: bool = True


class DlaLayerTime(NamedTuple):
    """A layer inside a loadable, timed by cuDLA. ``busy_ms`` is the work of the engines where given, else the time from start to end."""

    name: str
    start_ms: float
    end_ms: float
    busy_ms: float
    nodes: tuple[str, ...]


class Unknown(NamedTuple):
    """Lines that no reader knows: how many, and the first few with their numbers."""

    lines: int
    examples: tuple[tuple[int, str], ...]


class Observed(NamedTuple):
    """All that one file says. ``kinds`` names what was found; ``notes`` are remarks on the file itself."""

    path: str
    kinds: tuple[str, ...]
    build: BuildLog | None
    profiles: tuple[Profile, ...]
    layers: LayerInfo | None
    times: Times | None
    summary: Summary | None
    cudla: tuple[DlaLayerTime, ...]
    unknown: Unknown
    notes: tuple[str, ...]
