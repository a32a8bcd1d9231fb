"""Build logs as TensorRT writes them, made from a prediction with some nodes moved to the other device."""

from __future__ import annotations

from typing import NamedTuple

from dlalint.graph import Device
from dlalint.network import Layer
from dlalint.plan import Outcome
from dlalint.trtexec.observed import GpuLayer, Group
from tests.trtexec import render

FORMS = {"xavier-trt7.1": "7", "orin-trt8.5": "8", "orin-trt10.3": "10"}


class Placed(NamedTuple):
    """A build: its loadables by layer, the candidates that the limit dropped, the layers on the GPU."""

    kept: tuple[tuple[int, ...], ...]
    dropped: tuple[tuple[int, ...], ...]
    gpu: tuple[int, ...]


def placed(outcome: Outcome, moved: frozenset[int]) -> Placed:
    """The build that ``outcome`` predicts, with all layers of the nodes ``moved`` on the other device."""
    layers, partition = outcome.network.layers, outcome.partition
    away = {index for index, layer in enumerate(layers) if moved.intersection(layer.origin)}
    kept = [tuple(index for index in partition.candidates[number] if index not in away) for number in partition.kept]
    kept += [(index,) for index in sorted(away) if partition.devices[index] is not Device.DLA]
    inside = {index for members in kept for index in members}
    dropped = tuple(tuple(index for index in partition.candidates[number] if index not in inside) for number in partition.dropped)
    gpu = tuple(index for index in range(len(layers)) if index not in inside)
    return Placed(tuple(members for members in kept if members), tuple(members for members in dropped if members), gpu)


def name_of(layer: Layer, index: int) -> str:
    """What TensorRT calls a layer; those that stand for no node have no name."""
    return f"(Unnamed Layer* {index}) [{layer.spec.kind.title()}]" if layer.spec.helper else layer.name


def log(outcome: Outcome, moved: frozenset[int] = frozenset(), prefix: str = "timed") -> str:
    """The build log in the form of the target's release."""
    layers, target = outcome.network.layers, outcome.target
    form, write = FORMS[target.name], render.PREFIXES[prefix]
    build = placed(outcome, moved)
    names = [name_of(layer, index) for index, layer in enumerate(layers)]
    groups = [_group([names[index] for index in members], form) for members in build.kept]
    over = {index for members in build.dropped for index in members} if form == "10" else set()
    gpu = [GpuLayer(names[index], "" if form == "7" else layers[index].spec.kind) for index in build.gpu if index not in over]
    if form == "10":
        listed = [Group(names[index], "layer", (names[index],)) for members in (*build.kept, *build.dropped) for index in members]
    else:
        listed = groups
    number = "".join(f"{part:02d}" for part in (*target.trt, 0)).lstrip("0") if form == "10" else f"{target.trt[0]}{target.trt[1]}03"
    flags = "--fp16" if target.precision == "fp16" else "--int8 --fp16"
    command = f"trtexec --onnx=network.onnx {flags} --useDLACore=0 --allowGPUFallback"
    banner = f"&&&& {{}} TensorRT.trtexec [TensorRT v{number}] # {command}"
    lines = [banner.format("RUNNING")]
    lines += [
        write(f"DLA supports only 16 subgraphs per DLA core. Switching to GPU for layer {names[group[0]]}") for group in build.dropped
    ]
    text = "\n".join(lines) + "\n" + render.lists(listed, gpu, form, write)
    if form == "10":
        text += "".join(
            _inside(group, [names[index] for index in members], write) for group, members in zip(groups, build.kept, strict=True)
        )
        whole = len(build.kept) + len(build.dropped)
        text += write(f"\tNumber of DLA node candidates offloaded : {len(build.kept)} out of {whole}") + "\n"
    return text + banner.format("PASSED") + "\n"


def _group(names: list[str], form: str) -> Group:
    if form == "7":
        return Group(f"{{{','.join(names)}}}", "braces", tuple(names))
    ends = tuple(dict.fromkeys((names[0], names[-1])))
    return Group(f"{{ForeignNode[{'...'.join(ends)}]}}", "range", ends)


def _inside(group: Group, names: list[str], write: render.Prefix) -> str:
    lines = [write(f"{group.name} successfully offloaded to DLA."), write(f"{group.name}: DLA Network Layer Information:")]
    lines += [f"Layer(CONVOLUTION): {name}, Precision: Half, a'[Half([1,8,16,16])] -> b'[Half([1,8,16,16])]" for name in names]
    return "\n".join(lines) + "\n"
