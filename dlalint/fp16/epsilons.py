"""Epsilons that FP16 cannot hold."""

from __future__ import annotations

from collections.abc import Mapping

from dlalint.engine.diagnose import Diagnosis
from dlalint.graph import Model
from dlalint.network import Layer
from dlalint.placement import Placement

# layers that the parser makes of nodes with an epsilon in their attributes and that add it at run time
_NORMALIZERS = {
    "BatchNormalization": 1e-5,
    "GroupNormalization": 1e-5,
    "InstanceNormalization": 1e-5,
    "LayerNormalization": 1e-5,
}
_MEAN_VARIANCE = 1e-9  # stated by the function that defines MeanVarianceNormalization in ONNX


def about_epsilons(placed: Placement, model: Model, found: Diagnosis) -> None:
    """Epsilons that FP16 cannot hold, of layers that add them at run time."""
    limit = placed.rules.limits.get("fp16.smallest")
    smallest = limit.value if limit is not None and isinstance(limit.value, float) else 0.0
    nodes = model.graph.nodes
    lost = {op: value for op in {node.op for node in nodes} if 0 < (value := _epsilon(op.op_type, op.attributes)) < smallest}
    if not lost:
        return
    tiny = {number: lost[node.op] for number, node in enumerate(nodes) if node.op in lost}
    seen: set[int] = set()
    for index, layer in enumerate(placed.network.layers):
        number = next((number for number in layer.origin if number in tiny and number not in seen), None)
        if number is not None and _adds(layer):
            seen.add(number)
            found.on_layer("fp16-epsilon-lost", index, tiny[number])


def _adds(layer: Layer) -> bool:
    """Whether the layer adds the epsilon as it runs: a scale has it in its factors already."""
    return not layer.spec.helper and layer.spec.kind != "SCALE"


def _epsilon(operator: str, attributes: Mapping[str, object]) -> float:
    if operator == "MeanVarianceNormalization":
        return _MEAN_VARIANCE
    if operator not in _NORMALIZERS:
        return 0.0
    given = attributes.get("epsilon", _NORMALIZERS[operator])
    return float(given) if isinstance(given, (int, float)) else 0.0
