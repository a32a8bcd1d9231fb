"""Writes logs, profiles and layer information as TensorRT does, from the values that the readers yield: the other half of round trips."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from dlalint.trtexec.observed import EngineLayer, Fallback, GpuLayer, Group, Profile, ProfileRow, Timing, Use

Prefix = Callable[[str], str]
PREFIXES: dict[str, Prefix] = {
    "none": lambda text: text,
    "trt": lambda text: f"[I] [TRT] {text}",
    "python": lambda text: f"[TRT] [I] {text}",
    "old python": lambda text: f"[TensorRT] INFO: {text}",
    "deepstream": lambda text: f"INFO: [TRT]: {text}",
    "timed": lambda text: f"[08/21/2026-10:46:40] [V] [TRT] {text}",
    "timed python": lambda text: f"[08/21/2026-10:46:40] [TRT] [V] {text}",
    "stamps": lambda text: f"[07/29/2021-19:44:10] [07/29/2021-19:44:10] [W] [TRT] {text}",
    "onnxruntime": lambda text: f"[2022-12-02 03:14:33 WARNING] {text}",
    "quoted": lambda text: f"> [I] [TRT] {text}",
    "commented": lambda text: f"#[02/19/2022-05:35:26] [I] [TRT] {text}",
    "coloured": lambda text: f"\x1b[33m[W] [TRT] {text}\x1b[0m",
}


def table(profile: Profile, prefix: Prefix) -> str:
    """A table of ``--dumpProfile`` in the profile's form."""
    rows = [*profile.rows, *([profile.total] if profile.total is not None else [])]
    widest = max([len(row.name) for row in rows] + [5]) + 1
    lines = [f"=== Profile ({profile.iterations} iterations ) ==="]
    if profile.form == "8.6":
        lines.append("   Time(ms)     Avg.(ms)   Median(ms)   Time(%)   Layer")
        lines += [f"{row.total_ms:11.2f}{row.average_ms:13.4f}{row.median_ms:13.4f}{row.percent:10.1f}   {row.name}" for row in rows]
    elif profile.form == "8.4":
        lines.append(f"{'Layer':>{widest}}   Time (ms)   Avg. Time (ms)   Median Time (ms)   Time %")
        lines += [f"{row.name:>{widest}}{row.total_ms:12.2f}{row.average_ms:17.4f}{row.median_ms:19.4f}{row.percent:9.1f}" for row in rows]
    else:
        decimals = 2 if profile.form == "7.0" else 4
        lines.append(f"{'Layer':>{widest}}   Time (ms)   Avg. Time (ms)   Time %")
        lines += [f"{row.name:>{widest}}{row.total_ms:12.2f}{row.average_ms:17.{decimals}f}{row.percent:9.1f}" for row in rows]
    return "\n".join(prefix(line) for line in [*lines, ""]) + "\n"


def old_table(profile: Profile, prefix: Prefix) -> str:
    """The table of TensorRT 5 and 6, whose averages follow from totals and calls."""
    lines = ["========== Layer time profile ==========", f"{'TensorRT layer name':>70}   Runtime, %  Invocations  Runtime, ms"]
    lines += [f"{row.name:>70} {row.percent:12.1f}% {profile.iterations:12d} {row.total_ms:12.2f}" for row in profile.rows]
    lines.append("========== Layer time total runtime = 12.5 ms ==========")
    return "\n".join(prefix(line) for line in lines) + "\n"


def export_profile(rows: Sequence[ProfileRow], iterations: int) -> str:
    """``--exportProfile``."""
    lines = ["[", f'  {{ "count" : {iterations} }}']
    for row in rows:
        middle = f', "medianMs" : {row.median_ms!r}' if row.median_ms is not None else ""
        times = f'"timeMs" : {row.total_ms!r}, "averageMs" : {row.average_ms!r}{middle}, "percentage" : {row.percent!r}'
        lines.append(f', {{ "name" : "{row.name}", {times} }}')
    return "\n".join([*lines, "]"]) + "\n"


_WORDS = {
    "linear": "Row major linear {} format",
    "CHW2": "Two wide channel vectorized row major {} format",
    "CHW4": "Four wide channel vectorized row major {} format",
    "CHW16": "Sixteen wide channel vectorized row major {} format",
    "CHW32": "Thirty-two wide channel vectorized row major {} format",
    "HWC": "Channel major {} format",
    "HWC8": "Channel major {} format where channel % 8 == 0",
    "DLA_LINEAR": "Row major {} format where column stride % 64 == 0",
    "DLA_HWC4": "Channel major {} format where channel == 4 and column stride % 32 == 0",
}
_TYPES = {"FP32": "Float", "FP16": "Half", "INT8": "Int8"}


def layer_info(layers: Sequence[EngineLayer], bindings: Sequence[str], *, detailed: bool) -> str:
    """``--exportLayerInfo`` in either verbosity."""
    if not detailed:
        return json.dumps({"Layers": [layer.name for layer in layers], "Bindings": list(bindings)})
    return json.dumps({"Layers": [_object(layer) for layer in layers], "Bindings": list(bindings)}, indent=1)


def _object(layer: EngineLayer) -> dict[str, object]:
    return {
        "Name": layer.name,
        "LayerType": layer.type,
        "Inputs": [_described(use) for use in layer.inputs],
        "Outputs": [_described(use) for use in layer.outputs],
        "TacticValue": layer.tactic,
        "StreamId": 0,
        "Metadata": "\x1e".join(f"[ONNX Layer: {node}]" for node in layer.nodes) if layer.stated else "",
    }


def _described(use: Use) -> dict[str, object]:
    words = _WORDS[use.format.layout].format(use.format.dtype)
    return {"Name": use.name, "Location": "Device", "Dimensions": list(use.dims or ()), "Format/Datatype": words}


def engine_lines(layers: Sequence[EngineLayer], dialect: str, prefix: Prefix) -> str:
    """The list of layers in a verbose log: of 7.x, 8.x or 10.x."""
    lines = [prefix("Engine Layer Information:")]
    for layer in layers:
        before, after = (", ".join(_sized(use, dialect) for use in side) for side in (layer.inputs, layer.outputs))
        if dialect == "7":
            lines.append(prefix(f"Layer: {layer.name} ({layer.type}), Tactic: {layer.tactic}, {before} -> {after}"))
        else:
            lines.append(f"Layer({layer.type}): {layer.name}, Tactic: {layer.tactic}, {before} -> {after}")
    return "\n".join(lines) + "\n"


def _sized(use: Use, dialect: str) -> str:
    lanes = {"CHW16": 16, "CHW32": 32, "HWC8": 8}.get(use.format.layout)
    dims = [str(dim) for dim in use.dims or ()]
    if lanes:
        dims[1] += f":{lanes}"
    kind = _TYPES[use.format.dtype]
    return f"{use.name} ({kind}[{','.join(dims)}])" if dialect == "10" else f"{use.name}[{kind}({','.join(dims)})]"


def lists(dla: Sequence[Group], gpu: Sequence[GpuLayer], dialect: str, prefix: Prefix) -> str:
    """The lists of layers by device: of 7.x in braces, of 8.x and 10.x line by line."""
    if dialect == "7":
        lines = ["--------------- Layers running on DLA: ", " ".join(f"{group.name}," for group in dla)]
        lines += ["--------------- Layers running on GPU: ", " ".join(f"{layer.name}," for layer in gpu)]
        return "\n".join(prefix(line) for line in lines) + "\n"
    lines = ["---------- Layers Running on DLA ----------", *(f"[DlaLayer] {group.name}" for group in dla)]
    lines += ["---------- Layers Running on GPU ----------"]
    lines += [f"[GpuLayer] {layer.kind + ': ' if layer.kind else ''}{layer.name}" for layer in gpu]
    return "\n".join(prefix(line) for line in lines) + "\n"


def fallbacks(found: Sequence[Fallback], dialect: str, prefix: Prefix) -> str:
    """The messages on layers that are not for the DLA; each reason stands in the line before."""
    lines = []
    for item in found:
        if item.reason:
            lines.append(f"{item.layer}: {item.reason}")
        if dialect == "5":
            lines.append(f"Default DLA is enabled but layer {item.layer} is not running on DLA, falling back to GPU.")
        elif dialect == "7":
            lines.append(f"Default DLA is enabled but layer {item.layer} is not supported on DLA, falling back to GPU.")
        elif item.stage == "validation":
            lines.append(f"Validation failed for DLA layer: {item.layer}. Switching to GPU fallback.")
        else:
            lines.append(f"Layer '{item.layer}' ({item.kind}): Unsupported on DLA. Switching this layer's device type to GPU.")
    return "\n".join(prefix(line) for line in lines) + "\n"


def autotuning(timings: Sequence[Timing], dialect: str, prefix: Prefix) -> str:
    """The measurements of a verbose build."""
    lines = []
    for item in timings:
        reformat = item.runner == "Reformat"
        what = "Reformat" if reformat else "format combination"
        pair = f"{', '.join(item.inputs)} -> {', '.join(item.outputs)}"
        name = f"Optimizer Reformat({item.name} -> <out>)" if reformat else item.name
        lines.append(f"*************** Autotuning {what}: {pair} ***************")
        lines.append(f"--------------- Timing Runner: {name} ({item.runner}{'[0x80000016]' if dialect == '10' else ''})")
        if dialect == "10":
            lines.append(f"Tactic: 0x0000000000000003 Time: {item.ms!r}")
            lines.append(f"{name} ({item.runner}[0x80000016]) profiling completed in 1.2 seconds. Fastest Tactic: 0x03 Time: {item.ms!r}")
        else:
            lines += [f"Tactic: 3 Time: {item.ms!r}", f"Fastest Tactic: 3 Time: {item.ms!r}"]
        lines.append(f">>>>>>>>>>>>>>> Chose Runner Type: {item.runner} Tactic: 3")
    return "\n".join(prefix(line) for line in lines) + "\n"


def cudla(rows: Sequence[tuple[str, float, float]]) -> str:
    """cuDLA's times of the layers in a loadable."""
    return "layer_name,start_ms,end_ms\n" + "".join(f"'{name}',{start!r},{end!r}\n" for name, start, end in rows)


def export_times(latencies: Sequence[float]) -> str:
    """``--exportTimes``."""
    items = [
        f'"startEnqMs" : 0, "endEnqMs" : 0.25, "h2dMs" : 0.5, "computeMs" : {latency!r}, "d2hMs" : 0.125, "latencyMs" : {latency + 0.625!r}'
        for latency in latencies
    ]
    return "[\n" + "\n".join(f"{', ' if index else '  '}{{ {item} }}" for index, item in enumerate(items)) + "\n]\n"
