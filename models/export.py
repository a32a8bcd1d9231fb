"""Exports one recipe of the catalogue with torch.onnx; the only file here that runs torch."""

from __future__ import annotations

import io
import warnings
from itertools import chain

import onnx
import torch
from nets.catalogue import Recipe
from onnx import GraphProto, ModelProto
from side_file import detach_weights, seeded_values
from torch import nn


def export_model(name: str, recipe: Recipe) -> ModelProto:
    """Export `recipe` as the graph that models/`name`.onnx holds: large weights external and without values, no doc strings."""
    net = recipe.make().eval()
    _seed(net)
    model = _run_exporter(net, recipe)
    model.graph.name = name
    _strip(model)
    detach_weights(model, {value.numpy().tobytes() for value in net.state_dict().values()})
    return model


def exporter_name(recipe: Recipe) -> str:
    """The exporter and its version, as the manifest records them."""
    kind = "torch.export" if recipe.dynamo else "TorchScript"
    return f"torch {torch.__version__.split('+')[0]} ({kind})"


def _seed(net: nn.Module) -> None:
    """Overwrite parameters and running statistics: torch's own initialization differs between machines in the last bits.

    Distinct values also keep the exporter from merging equal biases, which no trained network has.
    """
    buffers = ((name, value) for name, value in net.named_buffers() if name.endswith(("running_mean", "running_var")))
    learned = ((name, value) for name, value in net.named_parameters() if value.requires_grad)
    with torch.no_grad():
        for name, value in chain(learned, buffers):
            value.copy_(torch.from_numpy(seeded_values(name, tuple(value.shape))))


def _run_exporter(net: nn.Module, recipe: Recipe) -> ModelProto:
    sample = (torch.zeros(recipe.shape),)
    names = {"input_names": ["input"], "output_names": list(recipe.outputs), "opset_version": recipe.opset}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation of the older exporter, and constants it notices while tracing
        if recipe.dynamo:
            program = torch.onnx.export(net, sample, dynamo=True, verbose=False, **names)
            return program.model_proto
        file = io.BytesIO()
        torch.onnx.export(net, sample, file, dynamo=False, dynamic_axes=recipe.dynamic, **names)
    return onnx.load_from_string(file.getvalue())


def _strip(model: ModelProto) -> None:
    """Drop doc strings and metadata, in place: they hold stack traces with paths of the exporting machine."""
    model.ClearField("doc_string")
    del model.metadata_props[:]
    _strip_graph(model.graph)


def _strip_graph(graph: GraphProto) -> None:
    for item in (graph, *graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info):
        item.ClearField("doc_string")
        del item.metadata_props[:]
    for node in graph.node:
        for attribute in node.attribute:
            attribute.ClearField("doc_string")
            for inner in (attribute.g, *attribute.graphs) if attribute.type in (attribute.GRAPH, attribute.GRAPHS) else ():
                _strip_graph(inner)
