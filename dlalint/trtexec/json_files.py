"""The JSON files of trtexec: profile (``--exportProfile``), layer information (``--exportLayerInfo``), times (``--exportTimes``)."""

from __future__ import annotations

import re
from array import array
from itertools import islice
from statistics import fmean

from dlalint.named_tuple import NamedTuple
from dlalint.trtexec.engine_lines import computed
from dlalint.trtexec.formats import DTYPES, described
from dlalint.trtexec.json_text import Array, checked, value_at
from dlalint.trtexec.names import nodes, normalized
from dlalint.trtexec.observed import EngineLayer, Format, LayerInfo, LogError, Metric, Profile, ProfileRow, Times, Use
from dlalint.trtexec.section import MOST, bounded

_LAYERS = re.compile(r'"Layers"\s{0,64}:\s{0,64}(?=\[)')
_BINDINGS = re.compile(r'\s{0,64},?\s{0,64}"Bindings"\s{0,64}:\s{0,64}(?=\[)')
_METRICS = {"latencyMs": "Latency", "computeMs": "GPU Compute Time", "h2dMs": "H2D Latency", "d2hMs": "D2H Latency"}
_OLD_METRICS = {"inMs": "H2D Latency", "outMs": "D2H Latency", "endToEndMs": "End-to-End Host Latency"}
_FIRST = 8  # elements that tell which kind a file is


class Document(NamedTuple):
    """What a JSON text turned out to be: one of the three."""

    profile: Profile | None = None
    layers: LayerInfo | None = None
    times: Times | None = None


def document(text: str, path: str) -> Document | None:
    """What ``text`` holds, ``None`` when it is not one of trtexec's files. Raises :class:`LogError` over a limit."""
    text = checked(text.strip(), path)
    if text.startswith("{"):
        layers = layer_info(text)
        return Document(layers=layers) if layers is not None else None
    first = [item for item in islice(Array(text, 0), _FIRST) if isinstance(item, dict)]
    if any("averageMs" in item or "timeMs" in item for item in first):
        return Document(profile=profile(Array(text, 0)))
    if any("latencyMs" in item or "computeMs" in item for item in first):
        return Document(times=times(Array(text, 0)))
    if any("values" in item and "dimensions" in item for item in first):
        raise LogError("these are outputs (--exportOutput)", where=path, cure="Use `dlalint compare-outputs`.", code="E130")
    return None


def profile(items: Array) -> Profile | None:
    """The profile of ``--exportProfile``; ``None`` without a row."""
    rows: list[ProfileRow] = []
    iterations = None
    for item in items:
        if not isinstance(item, dict):
            continue
        count = item.get("count")
        if isinstance(count, int) and not isinstance(count, bool) and "name" not in item:
            iterations = count if count > 0 else None
            continue
        name, average = item.get("name"), real(item.get("averageMs"))
        if isinstance(name, str) and average is not None:
            bounded(len(rows))
            total = real(item.get("timeMs"))
            middle, percent = real(item.get("medianMs")), real(item.get("percentage"))
            rows.append(ProfileRow(normalized(name), average * (iterations or 1) if total is None else total, average, middle, percent))
    if not rows:
        return None
    releases = ("8.4", "") if any(row.median_ms is not None for row in rows) else ("7.0", "8.2")
    return Profile(tuple(rows), iterations, None, "json", releases)


def layer_info(text: str) -> LayerInfo | None:
    """The engine's layers from ``--exportLayerInfo`` in either verbosity; ``None`` for other JSON."""
    found = _LAYERS.search(text[:4096])
    if not found:
        return None
    items = Array(text, found.end())
    layers: list[EngineLayer] = []
    detailed = False
    for item in items:
        bounded(len(layers))
        if isinstance(item, str):
            layers.append(EngineLayer(normalized(item), nodes=nodes(normalized(item))))
        elif isinstance(item, dict) and isinstance(item.get("Name"), str):
            detailed = True
            layers.append(_layer(item))
    if not layers:
        return None
    mark = _BINDINGS.match(text, items.end) if items.complete else None
    bindings = value_at(text, mark.end()) if mark else None
    names = tuple(name for name in bindings if isinstance(name, str)) if isinstance(bindings, list) else ()
    return LayerInfo(tuple(layers), names, detailed, items.complete)


def _layer(item: dict[str, object]) -> EngineLayer:
    name = normalized(_text(item.get("Name")))
    kind = _text(item.get("LayerType"))
    inputs, outputs = _tensors(item.get("Inputs")), _tensors(item.get("Outputs"))
    stated = _onnx(_text(item.get("Metadata")))
    tactic = _text(item.get("TacticName")) or _text(item.get("TacticValue"))
    precision = _weights(item) or computed(kind, inputs, outputs)
    return EngineLayer(name, kind, inputs, outputs, precision, tactic, stated or nodes(name), bool(stated))


def _weights(item: dict[str, object]) -> str:
    """The type of a layer's weights, which is what it multiplies in."""
    for key in ("Weights", "ConvWeights"):
        found = item.get(key)
        if isinstance(found, dict):
            return DTYPES.get(_text(found.get("Type")).lower(), "")
    return ""


def _onnx(metadata: str) -> tuple[str, ...]:
    """The ONNX nodes in a layer's metadata: ``[ONNX Layer: a]`` with U+001E between."""
    names = []
    for part in metadata.replace("][", "]\x1e[").split("\x1e"):
        kind, mark, name = part.partition(": ")
        if mark and kind == "[ONNX Layer":
            names.append(name[:-1] if name.endswith("]") else name)
    return tuple(dict.fromkeys(names))


def _tensors(value: object) -> tuple[Use, ...]:
    found = []
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            dims = item.get("Dimensions")
            known = tuple(int(dim) for dim in dims if isinstance(dim, int)) if isinstance(dims, list) else None
            stated = _text(item.get("Format/Datatype")) or _text(item.get("Format")) or _text(item.get("Datatype"))
            found.append(Use(_text(item.get("Name")), described(stated) if stated else Format(""), known))
    return tuple(found)


def times(items: Array) -> Times | None:
    """The times of ``--exportTimes``; ``None`` without a run."""
    columns = {key: array("d") for key in ("Enqueue Time", *_METRICS, *_OLD_METRICS)}
    runs = 0
    for item in items:
        if not isinstance(item, dict):
            continue
        runs += 1
        for key in (*_METRICS, *_OLD_METRICS):
            value = real(item.get(key))
            if value is not None:
                columns[key].append(value)
        start, end = real(item.get("startEnqMs")), real(item.get("endEnqMs"))
        if start is not None and end is not None:
            columns["Enqueue Time"].append(max(end - start, 0.0))
        bounded(runs - MOST)
    names = {**_METRICS, **_OLD_METRICS, "Enqueue Time": "Enqueue Time"}
    metrics = tuple(_statistics(names[key], values) for key, values in columns.items() if values)
    return Times(runs, metrics, items.complete) if metrics else None


def _statistics(name: str, values: array[float]) -> Metric:
    ordered = sorted(values)
    last = len(ordered) - 1
    ranks = tuple((float(percent), ordered[max(last - int((1 - percent / 100) * len(ordered)), 0)]) for percent in (90, 95, 99))
    middle = (ordered[last // 2] + ordered[len(ordered) // 2]) / 2
    return Metric(name, fmean(ordered), middle, ordered[0], ordered[-1], ranks)


def real(value: object) -> float | None:
    """A finite number that is not negative, else ``None``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value < 1e15 else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
