"""What is said about a placed model: findings on the model, its layers, its partition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from typing import TYPE_CHECKING

from dlalint.engine.check import SHAPE, Checker
from dlalint.engine.diagnose import Diagnosis
from dlalint.engine.predicates import bytes_in_words
from dlalint.engine.ruleset import RuleSet
from dlalint.finding import Finding
from dlalint.fp16.epsilons import about_epsilons
from dlalint.graph import Device, shape_in_words
from dlalint.graphview import GraphView
from dlalint.int8.forms import kind_in_words, runs_in_fp16
from dlalint.int8.quantized import about_quantized
from dlalint.measured import NOTHING, Measured, Reach
from dlalint.model.external import faulty_side_files
from dlalint.partition import ENTRY
from dlalint.placement import LATE, Placement

if TYPE_CHECKING:
    from dlalint.int8.coverage import Needs


def diagnose(
    view: GraphView,
    placed: Placement,
    book: RuleSet,
    checker: Checker,
    ids: Sequence[str],
    converted: str,
    measured: Measured = NOTHING,
) -> tuple[Finding, ...]:
    """Every finding, first those about the model, then in the order of the nodes.

    ``converted`` says what an FP16 form of the model would do on a target that takes no FP32, empty elsewhere.
    """
    rules = placed.rules
    found = Diagnosis(rules, book, checker, placed.network, ids, view.model.graph.nodes)
    if rules.reason_without_dla:
        found.on_model("release-without-dla", None)
        return tuple(found.findings)
    causes = _about_model(view, placed, book, found, converted)
    _about_layers(placed, found, causes)
    _about_partition(placed, found)
    if measured.scales is not None and rules.target.precision == "int8":
        from dlalint.int8.findings import about_scales  # few runs have scales, and all wait for what is imported

        about_scales(placed, view.model, measured.scales, found)
    if rules.target.precision == "fp16":
        about_epsilons(placed, view.model, found)
        if measured.ranges is not None:
            from dlalint.fp16.findings import about_ranges

            about_ranges(placed, view, measured.ranges, found)
    return _in_order(found.findings)


def unchecked(
    placed: Placement, book: RuleSet, findings: Sequence[Finding], scales: Needs | None, reach: Reach | None = None
) -> tuple[str, ...]:
    """What could not be checked, in words. ``scales`` says which INT8 scales were looked for, ``None`` when there were none to look in.

    ``reach`` is how far tensors were measured to reach into FP16.
    """
    target = placed.rules.target
    if placed.rules.reason_without_dla:
        return ()
    said = []
    if book.files.status(target.release, target.soc) == "partial":
        said.append(
            f"Of TensorRT {target.release} these sources were found: {book.files.read(target.release)}."
            " Limits that they do not state come from other releases and are marked as inferred."
        )
    risky = {finding.node for finding in findings if finding.verdict == "unknown" and finding.node}
    if risky:
        nodes = "1 node goes" if len(risky) == 1 else f"{len(risky)} nodes go"
        said.append(f"{nodes} beyond a limit that is only inferred, or could not be told at all.")
    if target.precision == "int8" and scales is None and "int8.calibrator" in placed.rules.limits:
        said.append("Whether every tensor has an INT8 scale: one without runs in FP16 or on the GPU. --calibration FILE checks it.")
    if scales is not None and scales.constants:
        operands = "1 constant operand has" if scales.constants == 1 else f"{scales.constants} constant operands have"
        said.append(f"Whether {operands} an INT8 scale: the builder makes up their names.")
    if target.precision == "fp16" and reach is None:
        said.append("Whether values stay within FP16: --inputs FILE runs the model and measures them.")
    if reach is not None and reach.ranges.seed is not None:
        said.append(
            "Whether values stay within FP16: random data can show that they leave it, never that they stay. --inputs takes real ones."
        )
    if reach is not None and reach.unmeasured:
        tensors = "1 tensor" if reach.unmeasured == 1 else f"{reach.unmeasured} tensors"
        said.append(f"Whether {tensors} inside of functions and bodies stay within FP16: they were not measured.")
    return tuple(said)


def _about_model(view: GraphView, placed: Placement, book: RuleSet, found: Diagnosis, converted: str) -> dict[str, int]:
    rules = placed.rules
    target = rules.target
    causes: dict[str, int] = {}
    for name, state in faulty_side_files(view.model):
        found.on_model("weights-missing", name, state=state)
    if converted:
        causes["tensor-type-unsupported"] = found.on_model("strongly-typed", "float32", converted=converted)
    if book.files.status(target.release, target.soc) == "unpublished":
        found.on_model("limits-unpublished", None)
    for name in view.inputs:
        kind = view.types.get(name)
        if name in view.dynamic:
            shape = kind.shape if kind is not None and kind.shape is not None else ()
            index = found.on_model("shape-dynamic", shape_in_words(shape), tensor=name)
            causes.setdefault("shape-dynamic", index)
    for crash in view.crashes:
        found.on_model("inference-crashed", crash)
    modes = rules.limits.get("precision.modes")
    if modes is not None and isinstance(modes.value, tuple) and target.precision not in modes.value:
        found.on_model("int8-unsupported", target.precision)
    about_quantized(placed, view.model.graph, found)
    return causes


def _about_layers(placed: Placement, found: Diagnosis, causes: dict[str, int]) -> None:
    layers, partition = placed.network.layers, placed.partition
    devices = partition.devices
    unknown = {index for index, device in enumerate(devices) if device is Device.UNKNOWN} if Device.UNKNOWN in devices else frozenset()
    broken = [index for index in placed.doubtful if placed.verdicts[index].violations]
    for index in sorted({*broken, *placed.behind, *partition.refused, *unknown}):
        layer, verdict = layers[index], placed.verdicts[index]
        if layer.spec.helper:
            continue
        found.layer(index, verdict, causes)
        if index in placed.behind:
            found.on_layer("constant-operand-behind-gpu", index, layer.spec.params.get("op"), found.first(placed.behind[index]))
        beside = partition.refused.get(index, LATE)
        if beside == ENTRY:
            found.on_layer("concat-of-outside", index, layer.spec.params.get("count"))
        elif beside != LATE:
            found.on_layer("reshape-beside-slice-or-concat", index, beside)
        if index in unknown and SHAPE in verdict.unknown:
            names = [name for name in (*layer.inputs, *layer.outputs) if name not in placed.network.types]
            found.on_layer("shape-unknown", index, names[0] if names else layer.outputs[0])


def _about_partition(placed: Placement, found: Diagnosis) -> None:
    rules, partition = placed.rules, placed.partition
    lost = sum(len(partition.candidates[number]) for number in partition.dropped)
    if partition.dropped:
        cause = found.on_model("too-many-loadables", len(partition.candidates), lost="1 layer" if lost == 1 else f"{lost} layers")
        for number in partition.dropped:
            for index in partition.candidates[number]:
                found.on_layer("loadable-dropped", index, len(partition.candidates[number]) - 1, cause)
    guide = rules.limits.get("loadables.guide")
    if guide is not None and isinstance(guide.value, int) and len(partition.kept) > guide.value:
        found.on_model("loadables-over-guide", len(partition.kept))
    _reshapes_around(placed, found)
    if rules.target.precision == "int8":
        _int8(placed, found)
    _memory(placed, found)
    _io(placed, found)


def _members(placed: Placement) -> Iterator[int]:
    """The layers in loadables, loadable by loadable."""
    return (member for number in placed.partition.kept for member in placed.partition.candidates[number])


def _reshapes_around(placed: Placement, found: Diagnosis) -> None:
    """Layers in loadables whose neighbours are reshapes that were made for them and stay on the GPU."""
    layers, network = placed.network.layers, placed.network
    devices = placed.partition.devices
    outside = {index for index, layer in enumerate(layers) if layer.spec.helper and devices[index] is Device.GPU}
    if not outside:
        return
    producers, consumers = network.producers(), network.consumers()
    for index in _members(placed):
        layer = layers[index]
        around = [producers[name] for name in layer.inputs if name in producers]
        around += [reader for name in layer.outputs for reader in consumers.get(name, ())]
        ranks = [layers[other].spec.params.get("ranks") for other in around if other in outside]
        if ranks:
            flat = [int(rank) for shape in ranks if isinstance(shape, tuple) for rank in shape if rank != 4]
            found.on_layer("reshapes-around-layer", index, max(flat, default=4))


def _int8(placed: Placement, found: Diagnosis) -> None:
    for index in _members(placed):
        layer = placed.network.layers[index]
        if runs_in_fp16(layer, placed):
            found.on_layer("int8-runs-in-fp16", index, kind_in_words(layer))


def _memory(placed: Placement, found: Diagnosis) -> None:
    rules, partition = placed.rules, placed.partition
    size = rules.target.element_bytes
    leaving = {crossing.tensor for crossing in partition.crossings if crossing.target >= 0}
    for number in partition.kept:
        members = frozenset(partition.candidates[number])
        weights = sum(placed.loads[index].weights for index in members) * size
        inner = sum(_inner_elements(placed, members, leaving)) * size
        for slug, used, limit in (("weights-too-large", weights, "memory.weights"), ("tensors-too-large", inner, "memory.tensors")):
            allowed = rules.limits.get(limit)
            if allowed is not None and isinstance(allowed.value, int) and used >= allowed.value:
                found.on_layer(slug, min(members), used, amount=bytes_in_words(used), room=bytes_in_words(allowed.value))


def _inner_elements(placed: Placement, members: Iterable[int], leaving: Set[str]) -> Iterator[int]:
    """The elements of each tensor that ``members`` make and read; ``leaving`` are those that other segments read."""
    layers, loads, after = placed.network.layers, placed.loads, placed.network.after()
    for index in members:
        outputs, elements = layers[index].outputs, loads[index].outputs
        if len(outputs) > 1:
            readers = placed.network.consumers()
            yield sum(size for name, size in zip(outputs, elements, strict=False) if name in readers and name not in leaving)
        elif after[index] and outputs[0] not in leaving:
            yield elements[0]


def _io(placed: Placement, found: Diagnosis) -> None:
    allowed = placed.rules.limits["io.dtypes"].value
    segments, network = placed.partition.segments, placed.network
    touching: dict[str, None] = {}
    for crossing in placed.partition.crossings:
        inside = crossing.target if crossing.source < 0 else crossing.source if crossing.target < 0 else -1
        if inside >= 0 and segments[inside].device is Device.DLA:
            touching[crossing.tensor] = None
    for name in touching:
        kind = network.types.get(name)
        if kind is not None and isinstance(allowed, tuple) and kind.dtype not in allowed:
            found.on_model("io-precision", kind.dtype, tensor=name)
    if touching and "io.input_formats" in placed.rules.limits:
        found.on_model("io-layout", len(touching))


def _in_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Findings by node, then code; causes follow them to their new places."""
    order = sorted(range(len(findings)), key=lambda index: (findings[index].node_index, findings[index].code, index))
    place = {old: new for new, old in enumerate(order)}
    return tuple(_moved(findings[old], place) for old in order)


def _moved(finding: Finding, place: dict[int, int]) -> Finding:
    if finding.cause is None:
        return finding
    return finding._replace(cause=place[finding.cause])
