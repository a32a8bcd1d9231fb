"""What is said about QuantizeLinear and DequantizeLinear nodes as a whole."""

from __future__ import annotations

from dlalint.engine.diagnose import Diagnosis
from dlalint.engine.quantities_quantize import asymmetric
from dlalint.graph import Graph
from dlalint.placement import Placement

NODES = frozenset({"QuantizeLinear", "DequantizeLinear"})


def about_quantized(placed: Placement, graph: Graph, found: Diagnosis) -> None:
    """Findings on a model that carries Q/DQ nodes; none on another."""
    count = sum(node.op.op_type in NODES for node in graph.nodes)
    if not count:
        return
    if "quantization.explicit" in placed.rules.limits:
        found.on_model("explicit-quantization", count)
    weights = _quantized_constants(graph)
    if weights:
        found.on_model("weights-quantized", weights)
    layers = [layer.spec for layer in placed.network.layers if layer.spec.kind in ("QUANTIZE", "DEQUANTIZE")]
    shifted = sum(asymmetric(spec) is True for spec in layers)
    if shifted and "quantize.asymmetric" in placed.rules.limits:
        found.on_model("quantize-needs-flags", shifted)
    producers = placed.network.producers()
    for index, layer in enumerate(placed.network.layers):
        if layer.spec.kind == "DEQUANTIZE" and not layer.spec.inputs[0].constant:
            maker = producers.get(layer.inputs[0], -1)
            if maker < 0 or placed.network.layers[maker].spec.kind != "QUANTIZE":
                found.on_layer("dequantize-alone", index, None, tensor=layer.inputs[0])


def _quantized_constants(graph: Graph) -> int:
    """How many constants are dequantized, whether they are stored as integers or quantized on the way."""
    constant = set(graph.constants)
    count = 0
    for node in graph.nodes:
        if node.op.op_type == "Constant" or (node.op.op_type in NODES and node.inputs[:1] and node.inputs[0] in constant):
            constant.update(node.outputs)
            count += node.op.op_type == "DequantizeLinear"
    return count
